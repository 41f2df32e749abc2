"""What is said of a run when it has ended."""

from __future__ import annotations

from rich.console import Console

from posetrack.run.report import RunReport
from posetrack.video.missing import describe_missing


def describe_losses(report: RunReport) -> str:
    """One line on what is missing or damaged in a source."""
    damaged = [f"{report.num_damaged} damaged packets or images"] if report.num_damaged else []
    return f"{report.name}: " + ", ".join([*filter(None, [describe_missing(report.missing)]), *damaged])


def print_summary(console: Console, report: RunReport) -> None:
    """Print the counts and files of a run, a line each."""
    damaged = f", {report.num_damaged} damaged packets or images skipped" if report.num_damaged else ""
    frames = "frame" if report.num_frames == 1 else "frames"
    lines = [
        f"{report.name}: {report.num_frames} {frames}, {report.people_per_frame:.1f} people a frame, "
        f"{report.num_ids} ids, {report.frames_per_s:.1f} frames/s{damaged}",
        *([f"  {describe_missing(report.missing)}"] if report.missing else []),
        *_describe_resuming(report),
        *_describe_stitching(report),
        *(f"  {path}" for path in report.files),
    ]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _describe_resuming(report: RunReport) -> list[str]:
    """One line of a resumed run; none of another."""
    if not report.num_restored:
        return []
    if report.num_restored == report.num_frames:
        return ["  all frames were saved before; nothing was left to do"]
    return [f"  {report.num_restored} frames were saved before"]


def _describe_stitching(report: RunReport) -> list[str]:
    """One line of what was changed after the run; none where nothing was."""
    counts = (
        (report.num_joined, "id joined with an earlier one", "ids joined with earlier ones"),
        (report.num_exchanged, "id exchanged where people met", "ids exchanged where people met"),
        (report.num_dropped, "short track dropped", "short tracks dropped"),
        (report.num_interpolated, "person interpolated", "people interpolated"),
    )
    parts = [f"{count} {one if count == 1 else many}" for count, one, many in counts]
    return ["  " + ", ".join(parts)] if any(count for count, *_ in counts) else []
