"""`posetrack bench train`: the speed of a training and of the parts of its steps."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from models.training.config import MOST_WORKERS
from posetrack.cli.eval.metrics import write_metrics
from posetrack.cli.train import read_training
from posetrack.errors import PoseTrackError

if TYPE_CHECKING:
    from models.training.loop import Trainer
    from models.training.task import StepReport
    from posetrack.families.family import Training
    from posetrack.training.benchmark import TrainingSpeed

_MACHINE = "Machine"


@dataclass(frozen=True)
class _Choices:
    """The options besides the recipe."""

    data: Path
    weights: Path | None
    device: str
    workers: int | None
    steps: int
    warm_up: int


def bench_train_command(
    recipe: Annotated[
        str, typer.Argument(help="A TOML file, or the name of a training recipe.", show_default=False)
    ],
    data: Annotated[Path, typer.Option(help="Folder that the recipe's paths are relative to.")] = Path("."),
    out: Annotated[Path | None, typer.Option(help="Write every number to this JSON file.")] = None,
    weights: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Initial weights, as of train.", show_default="the recipe's"),
    ] = None,
    steps: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Steps that are timed by part, and then as a whole.")
    ] = 10,
    warm_up: Annotated[int, typer.Option(min=1, max=1_000_000, help="Steps before them.")] = 3,
    device: Annotated[
        str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda or cuda:N.", rich_help_panel=_MACHINE)
    ] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MOST_WORKERS,
            metavar="N",
            help="Processes that read images.",
            show_default="the recipe's",
            rich_help_panel=_MACHINE,
        ),
    ] = None,
) -> None:
    """Time the steps of a training by part: data, forward, backward, optimizer. Nothing of it is kept.

    Of a recipe with stages each is timed. Compare numbers of one machine at one time: machines are noisy.
    """
    from models.settings import SettingsError
    from models.training.errors import TrainingError
    from posetrack.recipe_files import find_training_recipe
    from posetrack.weights.store import find_weights_file

    console = Console(highlight=False)
    try:
        path = find_training_recipe(recipe)
        start = None if weights is None else find_weights_file(weights)
        speeds = _measure(path, _Choices(data, start, device, workers, steps, warm_up), console)
    except (TrainingError, SettingsError) as error:
        raise PoseTrackError(str(error)) from error
    if out is not None:
        write_metrics({name: asdict(speed) for name, speed in speeds.items()}, out)


def _measure(path: Path, choices: _Choices, console: Console) -> dict[str, TrainingSpeed]:
    """Time a recipe, or each of its stages, and print it; returns what was measured, by name."""
    from posetrack.training.benchmark import count_steps, list_timed_recipes, measure_training
    from posetrack.training.skeletons import settle_skeleton

    training = read_training(path)
    recipe = settle_skeleton(training.read_recipe(path), choices.data)
    if choices.workers is not None:
        recipe = replace(recipe, loop=replace(recipe.loop, num_workers=choices.workers))
    recipes = list_timed_recipes(recipe, count_steps(choices.steps, choices.warm_up))
    speeds = {}
    for number, timed in enumerate(recipes, start=1):
        name = path.stem if len(recipes) == 1 else f"{path.stem} stage {number}"
        with tempfile.TemporaryDirectory(prefix="posetrack-bench-") as folder:
            make = _plan_trainer(training, timed, path, choices, Path(folder))
            speed = measure_training(make, choices.steps, choices.warm_up)
        console.print(
            f"{name}, {speed.device}, {speed.steps} steps of {speed.samples_per_step:.1f} {training.counted}",
            markup=False,
            soft_wrap=True,
        )
        console.print(_make_table(speed))
        speeds[name] = speed
    return speeds


def _plan_trainer(
    training: Training, recipe: Any, path: Path, choices: _Choices, folder: Path
) -> Callable[[Callable[[StepReport], None]], Trainer]:
    from models.training.distributed import World
    from posetrack.compute import choose_device
    from posetrack.training.run import TrainingRun, make_trainer

    def make(report: Callable[[StepReport], None]) -> Trainer:
        world = World(0, 1, choose_device(choices.device))
        text = path.read_text(encoding="utf-8")
        run = TrainingRun(text, choices.data, folder, world, choices.weights, report)
        return make_trainer(recipe, run, training.make_task)

    return make


def _make_table(speed: TrainingSpeed) -> Table:
    table = Table("part", box=SIMPLE_HEAD)
    table.add_column("ms a step", justify="right")
    table.add_column("samples/s", justify="right")
    for name, milliseconds in speed.part_ms.items():
        table.add_row(name, f"{milliseconds:.1f}", f"{speed.part_samples_per_s[name]:.1f}")
    step_ms = 1e3 * speed.samples_per_step / speed.samples_per_s
    table.add_row("whole step", f"{step_ms:.1f}", f"{speed.samples_per_s:.1f}")
    return table
