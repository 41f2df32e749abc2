"""`posetrack train`: training of a network from a recipe and data."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from models.training.config import MOST_WORKERS
from posetrack.errors import PoseTrackError

if TYPE_CHECKING:
    from models.metadata import WeightsMetadata
    from models.training.distributed import World
    from models.training.loop import Trainer
    from models.training.stages import Course
    from models.training.task import StepReport
    from posetrack.families.family import Training

_LINE_EVERY_S = 10.0
_MACHINE = "Machine"


def train_command(
    recipe: Annotated[
        str, typer.Argument(help="A TOML file, or the name of a training recipe.", show_default=False)
    ],
    data: Annotated[Path, typer.Option(help="Folder that the recipe's paths are relative to.")] = Path("."),
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for weights, checkpoints and logs.", show_default="checkpoints/RECIPE"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the last checkpoint in --out.")
    ] = False,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Initial weights (see `posetrack weights list`, or .safetensors): of the whole network or its "
            "backbone, as in the recipe.",
            show_default="the recipe's",
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda or cuda:N.", rich_help_panel=_MACHINE)
    ] = "auto",
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Stop after this many steps; --resume continues.", show_default="all"),
    ] = None,
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
    """Train a network.

    On several GPUs: torchrun --no-python --nproc-per-node N posetrack train RECIPE ...
    """
    from models.settings import SettingsError
    from models.training.distributed import join_world
    from models.training.errors import TrainingError
    from posetrack.compute import choose_device
    from posetrack.recipe_files import find_training_recipe
    from posetrack.weights.store import find_weights_file

    try:
        path = find_training_recipe(recipe)
        out = out or Path("checkpoints") / path.stem
        start = None if weights is None else find_weights_file(weights)
        choices = _Choices(data, out, start, is_resumed=resume, steps=steps, workers=workers)
        with join_world(choose_device(device)) as world:
            _train(path, choices, world)
    except (TrainingError, SettingsError) as error:
        raise PoseTrackError(str(error)) from error


@dataclass(frozen=True)
class _Choices:
    """The options besides the recipe."""

    data: Path
    out: Path
    weights: Path | None
    is_resumed: bool
    steps: int | None
    workers: int | None


def _train(path: Path, choices: _Choices, world: World) -> None:
    from posetrack.interruption import finishing
    from posetrack.training.run import TrainingRun, make_trainer
    from posetrack.training.skeletons import settle_skeleton

    training = read_training(path)
    recipe = settle_skeleton(training.read_recipe(path), choices.data)
    if choices.workers is not None:
        recipe = replace(recipe, loop=replace(recipe.loop, num_workers=choices.workers))
    text = path.read_text(encoding="utf-8")
    console = Console(highlight=False)
    with TrainProgress(console, path.stem, is_quiet=not world.is_main) as progress:
        run = TrainingRun(text, choices.data, choices.out, world, choices.weights, progress)
        trainer = make_trainer(recipe, run, training.make_task, training.make_evaluation)
        _resume(trainer, choices)
        if world.is_main:
            choices.out.mkdir(parents=True, exist_ok=True)
            _keep_recipe(choices.out / "recipe.toml", text)
            millions = sum(parameter.numel() for parameter in trainer.network.parameters()) / 1e6
            console.print(
                f"{path.stem}: {trainer.plan.num_samples} {training.counted}, {millions:.1f} M parameters, "
                f"{_describe_length(trainer.course)}",
                markup=False,
                soft_wrap=True,
            )
        try:
            trainer.run(choices.steps, finishing)
        except KeyboardInterrupt:
            _say_how_to_resume(choices.out, console)
            raise
    if world.is_main:
        _finish(choices.out, path.stem, training.describe(recipe), console)


def _describe_length(course: Course) -> str:
    """How long a training is, and from where it goes on."""
    if course.num_seconds:
        return f"{course.num_seconds:g} s from {course.seconds:.0f} s, step {course.step}"
    return f"{course.num_steps} steps from {course.step}"


def _say_how_to_resume(out: Path, console: Console) -> None:
    from models.training.checkpoint import CheckpointFolder

    latest = CheckpointFolder(out).latest
    if latest is not None:
        console.print(f"{latest}: continue from it with --resume", markup=False, soft_wrap=True)


def _keep_recipe(path: Path, text: str) -> None:
    """Keep the recipe beside its checkpoints; one that is there already, and may be what was read, stays."""
    from posetrack.results.files import open_whole_file

    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        with open_whole_file(path) as file:
            file.write(text)


def read_training(path: Path) -> Training:
    """Find the training of the network in a recipe."""
    from models.settings import SettingsError, read_toml
    from posetrack.families.table import find_training
    from posetrack.recipe_files import check_is_training

    tables = read_toml(path)
    check_is_training(tables, path)
    network = tables.get("network")
    name = network.get("name") if isinstance(network, dict) else None
    if not isinstance(name, str):
        raise SettingsError(f"{path.name}: network: 'name' is missing; it says what to train")
    return find_training(name, f"{path.name}: network.name")


def _resume(trainer: Trainer, choices: _Choices) -> None:
    from models.training.checkpoint import CheckpointFolder

    folder = CheckpointFolder(choices.out)
    latest = folder.latest
    if choices.is_resumed and latest is None:
        raise PoseTrackError(f"{choices.out}: no checkpoint to resume from; leave --resume out to start")
    if not choices.is_resumed and latest is not None:
        raise PoseTrackError(
            f"{choices.out}: has a training already; continue it with --resume, or give another --out"
        )
    if latest is not None:
        trainer.resume(folder.read_latest())


def _finish(out: Path, name: str, metadata: WeightsMetadata, console: Console) -> None:
    """Write the weights of the best checkpoint, or of the last if none was evaluated."""
    from models.checkpoints import write_weights
    from models.training.checkpoint import CheckpointFolder, read_checkpoint
    from models.training.int8 import encode_ranges, split_ranges

    folder = CheckpointFolder(out)
    path = folder.best if folder.best.is_file() else folder.latest
    if path is None:
        return
    state = read_checkpoint(path)
    target = out / "weights.safetensors"
    score = "not evaluated" if state["best_score"] == -math.inf else f"best score {state['best_score']:.4f}"
    training = f"recipe {name}, step {state['step']}, {score}"
    weights, ranges = split_ranges(state["ema"] or state["network"])
    notes = {**metadata.notes, **encode_ranges(ranges)}
    write_weights(target, weights, replace(metadata, training=training, notes=notes))
    console.print(f"{target}: weights of step {state['step']}, {score}", markup=False, soft_wrap=True)


class TrainProgress:
    """Shows a training's steps: a bar on a terminal, plain lines elsewhere, nothing in helper processes.

    Args:
        console: The console.
        name: Name of the training.
        is_quiet: Whether to show nothing.
    """

    def __init__(self, console: Console, name: str, *, is_quiet: bool) -> None:
        self._console = console
        self._name = name
        self._is_quiet = is_quiet
        self._shown_s = time.monotonic()
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> TrainProgress:
        if self._console.is_terminal and not self._is_quiet:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[state]}"),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._bar.start()
            self._task = self._bar.add_task(self._name, total=None, state="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, report: StepReport) -> None:
        """Show a step."""
        state = f"epoch {report.epoch + 1}, {_list(report.losses)}, {report.samples_per_s:.0f} samples/s"
        done, total, where = report.step, report.num_steps, f"step {report.step} of {report.num_steps}"
        if report.num_seconds:
            done, total = round(report.seconds), round(report.num_seconds)
            where = f"step {report.step}, {done} of {total} s"
        if self._bar is not None:
            self._bar.update(self._task, total=total, completed=done, state=state)
        elif not self._is_quiet and (report.step == 1 or time.monotonic() - self._shown_s >= _LINE_EVERY_S):
            self._shown_s = time.monotonic()
            self._console.print(
                f"{self._name}: {where}, {state}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )


def _list(losses: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in losses.items())
