"""`posetrack bench`: the speed of a whole run and of its stages, or with `train` that of a training."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from posetrack.cli.bench_train import bench_train_command
from posetrack.cli.eval.metrics import write_metrics
from posetrack.cli.help import HelpCommand
from posetrack.cli.make_command import make_command
from posetrack.cli.options import ComputeOptions, RecipeOptions, TimeoutOption, check_finite

if TYPE_CHECKING:
    from posetrack.bench_report import BenchReport, Cost, LiveReport
    from posetrack.compute import Compute
    from posetrack.recipe import Recipe


@dataclass(frozen=True)
class MeasureOptions:
    """Options of what is measured, and for how long."""

    PANEL: ClassVar[str] = "Measurement"

    frames: Annotated[int, typer.Option(min=1, max=10_000_000, help="Largest number of frames.")] = 300
    repeats: Annotated[
        int, typer.Option(min=1, max=1000, help="Number of runs, of which the median is reported.")
    ] = 3
    live: Annotated[
        bool,
        typer.Option("--live", help="Play a video as `posetrack live` does: images shown, dropped, latency."),
    ] = False
    seconds: Annotated[
        float,
        typer.Option(min=0.5, max=86_400, callback=check_finite, help="Time for which --live is measured."),
    ] = 20.0


def bench_command(
    clip: Annotated[Path, typer.Argument(help="A video or a folder of images.", show_default=False)],
    compute: ComputeOptions,
    measure: MeasureOptions,
    recipe: Annotated[
        list[str] | None, typer.Option(help="Names or TOML files.", show_default="default")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="Weights of the pose network, .safetensors or .pth.", show_default="the recipe's"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write every number to this JSON file.")] = None,
    timeout: TimeoutOption = None,
) -> None:
    """Time a whole run (decoding, networks, tracking, drawing, encoding, writing) and the networks alone.

    CPU milliseconds of a stage are those of the threads that run it; engines and codecs have others. Under
    load compare CPU times, and always numbers of one run: machines are noisy. With --live the clip is a camera
    whose images are dropped where they come too fast, --frames and --repeats do not count. The speed of a
    training: posetrack bench train RECIPE (a clip of that name: ./train).
    """
    chosen = compute.choose()
    console = Console(highlight=False)
    reports = {}
    for name in recipe or ["default"]:
        settings = RecipeOptions(name, weights).read()
        reports[settings.name] = asdict(
            _play(clip, settings, chosen, measure, console)
            if measure.live
            else _run(clip, settings, chosen, measure, console, timeout_s=timeout)
        )
    if out is not None:
        write_metrics(reports, out)


def _run(
    clip: Path,
    recipe: Recipe,
    compute: Compute,
    measure: MeasureOptions,
    console: Console,
    *,
    timeout_s: float | None,
) -> BenchReport:
    """Time a run of a recipe, and print what is found."""
    from posetrack.benchmark import benchmark

    with tempfile.TemporaryDirectory(prefix="posetrack-bench-") as folder:
        report = benchmark(
            clip,
            recipe,
            compute,
            Path(folder),
            max_frames=measure.frames,
            repeats=measure.repeats,
            timeout_s=timeout_s,
        )
    _print_head(console, clip, recipe.name, report)
    console.print(_make_table(report))
    console.print(_make_stage_table(report, {"bare networks": report.networks}))
    return report


def _play(
    clip: Path, recipe: Recipe, compute: Compute, measure: MeasureOptions, console: Console
) -> LiveReport:
    """Play a clip as a camera, and print what is found."""
    from posetrack.live.benchmark import benchmark_live

    report = benchmark_live(clip, recipe, compute, seconds=measure.seconds)
    _print_head(console, clip, recipe.name, report)
    console.print(_make_live_table(report))
    console.print(_make_stage_table(report, {}))
    return report


_TRAIN = typer.Typer(add_completion=False)
_TRAIN.command(cls=HelpCommand)(bench_train_command)


class BenchCommand(HelpCommand):
    """The command `bench`, whose first argument `train` makes it `bench train`."""

    @property
    def commands(self) -> dict[str, Any]:
        """What it is with another first argument."""
        return {"train": typer.main.get_command(_TRAIN)}

    def make_context(self, info_name: Any, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Make the context of this command, or of the one that the first argument names."""
        if args[:1] == ["train"]:
            return self.commands["train"].make_context(f"{info_name} train", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


bench_app = typer.Typer(add_completion=False)
bench_app.command("bench", cls=BenchCommand)(make_command(bench_command))


def _print_head(console: Console, clip: Path, recipe: str, report: BenchReport | LiveReport) -> None:
    console.print(f"{clip.name}, recipe {recipe}, {report.engine}", markup=False)
    console.print(f"{report.machine}, load {report.load:.1f} before", markup=False)


def _make_live_table(report: LiveReport) -> Table:
    rows = {
        "source": f"{report.source_fps:.1f} images/s, for {report.seconds:.0f} s",
        "people an image": f"{report.people_per_frame:.1f}",
        "shown": f"{report.fps:.1f} images/s",
        "dropped": f"{report.dropped_fraction:.0%}",
    }
    return _make_rows(rows | _list_limits(report))


def _make_table(report: BenchReport) -> Table:
    rows = {
        "frames": f"{report.num_frames}",
        "people a frame": f"{report.people_per_frame:.1f}",
        "end to end": f"{report.fps:.1f} frames/s",
        "bare networks": f"{report.networks_fps:.1f} frames/s",
        "ratio": f"{report.ratio:.2f}",
        "ratio of CPU times": f"{report.cpu_ratio:.2f}",
    }
    return _make_rows(rows | _list_limits(report) | {"warm-up (not counted)": f"{report.warm_up_s:.1f} s"})


def _list_limits(report: BenchReport | LiveReport) -> dict[str, str]:
    """What a machine must have, or take: time and memory."""
    return {
        "latency": f"p50 {report.latency_p50_ms:.0f} ms, p95 {report.latency_p95_ms:.0f} ms",
        "peak memory": f"{report.peak_memory_mib:.0f} MiB",
    }


def _make_rows(rows: dict[str, str]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _make_stage_table(report: BenchReport | LiveReport, others: dict[str, Cost]) -> Table:
    from posetrack.bench_report import count_others_ms

    table = Table("a frame", box=SIMPLE_HEAD)
    for title in ("wall ms", "CPU ms", "thread"):
        table.add_column(title, justify="right")
    for name, stage in report.stages.items():
        threads = ", ".join(map(str, stage.threads))
        table.add_row(name, f"{stage.wall_ms:.1f}", f"{stage.cpu_ms:.1f}", threads)
    others_ms = count_others_ms(report.whole, report.stages)
    table.add_row("threads of engines and codecs", "", f"{others_ms:.1f}", "")
    for name, cost in {"end to end": report.whole, **others}.items():
        table.add_row(name, f"{cost.wall_ms:.1f}", f"{cost.cpu_ms:.1f}", "all")
    return table
