"""Benchmark of tracking: ids in made scenes and in labelled clips, and what an update of the tracker takes.

    python scripts/bench_tracking.py scenes [--scenes FILE] [--seed 0] [--count 20] [--config NAME=VALUE,...]
    python scripts/bench_tracking.py clips --clips FOLDER [--labels FOLDER] [--recipe NAME] [--peers FOLDER]
    python scripts/bench_tracking.py cost [--config NAME=VALUE,...]

`scenes` tracks made scenes (`made_scenes.py`, or a file of them) with given flow, and counts changes of ids.

`clips` tracks NAME.mp4, or the images of the folder NAME, for every label file NAME.gt.txt (MOTChallenge), and
prints the numbers of `posetrack eval mot`. Networks run once; `--cache` keeps their detections. `--recipe` is a
name or a TOML file, and may be repeated. SORT and ByteTrack get the same detections, without people found twice
and with the scores of whole people, if `--peers` is a folder made by

    python -m pip install --target FOLDER trackers supervision

which must not be installed beside PoseTrack: its package has the name of ours (`peer_tracks.py`).

`cost` times the whole update with 10 people at 1280 x 720, flow included. `bench_association.py` times a crowd.

`--config` are settings of the tracker (`FlowTrackerConfig`) other than the default ones, which are always the
first; it may be repeated.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from made_scenes import KINDS, Scene, make_scenes
from scene_tracking import SceneReport, parse_config, time_updates, track_scene

from posetrack.errors import PoseTrackError
from trackers.flow_tracker import FlowTrackerConfig

CONFIGS = ("", "motion=flow")
"""Settings of the tracker that are always compared, the first one with all others."""

_COLUMNS = {
    "MOTA": ("mota", "percent"),
    "IDF1": ("idf1", "percent"),
    "HOTA": ("hota", "percent"),
    "switches": ("switches", "count"),
    "ids": ("ids", "count"),
    "short": ("short_ids", "count"),
    "people": ("people", "count"),
    "FP": ("false_positives", "count"),
    "FN": ("misses", "count"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one of the three parts."""
    options = make_parser().parse_args(arguments)
    try:
        options.run(options)
    except (PoseTrackError, OSError, ValueError) as error:
        sys.exit(f"bench_tracking: {error}")


def make_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(required=True, metavar="PART")
    scenes = parts.add_parser("scenes", help="ids in made scenes")
    scenes.add_argument("--scenes", type=Path, help="a JSON file of scenes instead of made ones")
    scenes.add_argument("--seed", type=int, default=0)
    scenes.add_argument("--count", type=int, default=20, help="scenes of each kind")
    scenes.add_argument("--quiet", action="store_true", help="print the sums alone")
    scenes.set_defaults(run=bench_scenes)
    clips = parts.add_parser("clips", help="ids in labelled clips")
    clips.add_argument("--clips", type=Path, required=True, help="folder of videos")
    clips.add_argument("--labels", type=Path, help="folder of NAME.gt.txt; that of the videos by default")
    clips.add_argument("--recipe", action="append", help="name or TOML file; 'default' by default")
    clips.add_argument(
        "--cache", type=Path, default=Path("bench-tracking"), help="folder of detections and tracks"
    )
    clips.add_argument("--peers", type=Path, help="folder of the library with SORT and ByteTrack")
    clips.add_argument("--iou", type=float, default=0.5)
    clips.add_argument("--device", default="auto")
    clips.set_defaults(run=bench_clips)
    cost = parts.add_parser("cost", help="milliseconds a frame")
    cost.add_argument("--frames", type=int, default=60)
    cost.set_defaults(run=bench_cost)
    for part in (scenes, cost):
        part.add_argument("--config", action="append", default=[], metavar="NAME=VALUE,...")
    return parser


def bench_scenes(options: argparse.Namespace) -> None:
    """Print the changes of ids in every scene, with every configuration."""
    scenes = (
        json.loads(options.scenes.read_text()) if options.scenes else make_scenes(options.seed, options.count)
    )
    configs = read_configs(options.config)
    reports = {name: [track_scene(scene, config) for scene in scenes] for name, config in configs.items()}
    width = max(len(scene["name"]) for scene in scenes)
    print(f"{'changes, taken, ids':<{width}}  {'  '.join(f'{name:>14}' for name in configs)}")
    if not options.quiet:
        for rows in zip(*reports.values(), strict=True):
            print(f"{rows[0].name:<{width}}  {'  '.join(f'{format_report(row):>14}' for row in rows)}")
    for kind, chosen in group_by_kind(scenes).items():
        print(
            f"{kind:<{width}}  {'  '.join(format_sum([rows[i] for i in chosen]) for rows in reports.values())}"
        )
    print(f"{'all':<{width}}  {'  '.join(format_sum(rows) for rows in reports.values())}")


def group_by_kind(scenes: Sequence[Scene]) -> dict[str, list[int]]:
    """The scenes of each kind that there is, by their places."""
    groups = {kind: [i for i, scene in enumerate(scenes) if scene["name"].startswith(kind)] for kind in KINDS}
    return {kind: chosen for kind, chosen in groups.items() if chosen}


def format_report(report: SceneReport) -> str:
    """Changes, ids that were another person's, and ids."""
    return f"{report.changes} {report.taken} {report.ids}" + ("" if report.is_kept else " *")


def format_sum(reports: Sequence[SceneReport]) -> str:
    """Changes, and in how many scenes all ids were kept."""
    kept = sum(report.is_kept for report in reports)
    return f"{sum(report.changes for report in reports):>5} {kept:>3} of {len(reports)}".rjust(14)


def bench_clips(options: argparse.Namespace) -> None:
    """Print the metrics of every clip, tracked in every way."""
    from clip_tracking import ClipBench, find_clips

    from posetrack.compute import Compute, choose_device
    from posetrack.recipe import read_recipe

    clips = find_clips(options.clips, options.labels or options.clips)
    recipes = [read_recipe(name) for name in options.recipe or ["default"]]
    if len({recipe.name for recipe in recipes}) < len(recipes):
        raise ValueError("--recipe: two have one name; name their files apart")
    bench = ClipBench(clips, options.cache, Compute(choose_device(options.device)), options.peers)
    evaluations = {name: bench.evaluate(tracked, options.iou) for name, tracked in bench.run(recipes)}
    width = max(map(len, evaluations))
    for clip in [clip.name for clip in clips] + ["pooled"] * (len(clips) > 1):
        print(f"{clip:<{width}}  {'  '.join(f'{name:>8}' for name in _COLUMNS)}")
        for name, evaluation in evaluations.items():
            metrics = evaluation.pooled if clip == "pooled" else evaluation.per_sequence[clip]
            values = metrics.to_dict()
            cells = [format_value(values[field], unit) for field, unit in _COLUMNS.values()]
            print(f"{name:<{width}}  {'  '.join(f'{cell:>8}' for cell in cells)}")
        print()


def format_value(value: float | None, unit: str) -> str:
    """A count, or a fraction in percent."""
    if value is None:
        return "-"
    return f"{100 * value:.1f}" if unit == "percent" else str(value)


def bench_cost(options: argparse.Namespace) -> None:
    """Print milliseconds a frame of every configuration, and its ratio to the first."""
    times_ms = time_updates(read_configs(options.config), num_frames=options.frames)
    first = next(iter(times_ms.values()))
    for name, time_ms in times_ms.items():
        print(f"{name:<40}  {time_ms:6.2f} ms a frame  {time_ms / first:5.2f} times")


def read_configs(texts: Sequence[str]) -> dict[str, FlowTrackerConfig]:
    """The configurations to compare by their texts."""
    return {text or "default": parse_config(text) for text in (*CONFIGS, *texts)}


if __name__ == "__main__":
    main()
