"""`posetrack weights`: embedded and published weights."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from posetrack.cli.help import HelpCommand, HelpGroup
from posetrack.cli.messages import print_error, start_logging
from posetrack.errors import PoseTrackError, WeightsError
from posetrack.outputs import check_output_file

weights_app = typer.Typer(no_args_is_help=True, help="Fetch, import, check and list weights.", cls=HelpGroup)


@weights_app.command("list", cls=HelpCommand)
def list_command() -> None:
    """List the weights that ship with PoseTrack, those to fetch, and the kinds that can be imported."""
    from posetrack.families.table import list_embedded, list_importable
    from posetrack.weights.published import PUBLISHED
    from posetrack.weights.store import find_file, read_card

    print("here")
    for name, digest in list_embedded().items():
        print(f"  {name:<32} sha256 {digest}")
    print("published: posetrack weights fetch NAME")
    for name, entry in PUBLISHED.items():
        is_here = read_card(name) is not None and find_file(name).is_file()
        state = "fetched" if is_here else "not here" if entry.urls else "by hand"
        print(f"  {name:<32} {state:<8}  {entry.licence:<10}  {entry.stated}")
    print("to import: posetrack weights import FILE --kind KIND --out X.safetensors")
    for kind in list_importable():
        print(f"  {kind}")


@weights_app.command("fetch", cls=HelpCommand)
def fetch_command(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help="See weights list.", show_default=False)
    ] = None,
    is_all: Annotated[bool, typer.Option("--all", help="All that have an address.")] = False,
    mirrors: Annotated[
        list[str] | None,
        typer.Option(
            "--mirror", help="Folder, or its address, to try first; may be repeated.", show_default=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch also weights that are present.")] = False,
) -> None:
    """Download published weights to the cache, verify and convert them; resumes interrupted downloads.

    $POSETRACK_MIRROR, if set, is tried before the publisher's addresses.
    """
    from posetrack.weights.published import PUBLISHED

    if bool(names) == is_all:
        raise PoseTrackError("weights fetch: give names, or --all; see posetrack weights list")
    start_logging(logging.WARNING)
    chosen = names or [name for name, entry in PUBLISHED.items() if entry.urls or mirrors]
    problems = []
    for name in chosen:
        try:
            _fetch(name, mirrors or [], is_forced=force)
        except WeightsError as error:
            problems.append(name)
            print_error(error)
    if problems:
        raise typer.Exit(1)


def _fetch(name: str, mirrors: list[str], *, is_forced: bool) -> None:
    from posetrack.weights.fetch import fetch_weights
    from posetrack.weights.store import get_published

    entry = get_published(name)
    terms = f"; {entry.terms}" if entry.terms else ""
    print(f"{name}: licence {entry.licence}{terms}", file=sys.stderr)
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as bar:
        task = bar.add_task(name, total=None)
        path = fetch_weights(
            name,
            mirrors=mirrors,
            is_forced=is_forced,
            on_progress=lambda here, total: bar.update(task, completed=here, total=total),
        )
    print(f"{name}: {path}")


@weights_app.command("verify", cls=HelpCommand)
def verify_command(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME...]", help="Without, all that are here.", show_default=False),
    ] = None,
) -> None:
    """Hash weights and load them into their networks; exit code 1 if any is damaged, or named and missing."""
    from posetrack.families.table import list_embedded
    from posetrack.weights.describe import verify_weights
    from posetrack.weights.published import PUBLISHED
    from posetrack.weights.store import find_file

    is_well = True
    for name in names or [*list_embedded(), *(name for name in PUBLISHED if find_file(name).is_file())]:
        try:
            text = f"ok       sha256 {verify_weights(name)}"
        except WeightsError as error:
            is_well = False
            text = f"problem  {error}"
        print(f"{name:<32} {text}")
    if not is_well:
        raise typer.Exit(1)


@weights_app.command("info", cls=HelpCommand)
def info_command(
    name: Annotated[
        str, typer.Argument(metavar="NAME|PATH", help="Weights, or a file of them.", show_default=False)
    ],
) -> None:
    """Show what is known about weights: network, licence, source, digests, path, published numbers."""
    from posetrack.weights.describe import describe_weights

    described = describe_weights(name)
    card = described.pop("card", None)
    for label, value in described.items():
        print(f"{label:<16} {value}")
    if card is not None:
        print(f"\n{card.rstrip()}")


@weights_app.command("import", cls=HelpCommand)
def import_command(
    path: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A .pth or .pkl as its publisher gives it.", show_default=False),
    ],
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            "--as",
            help="Its network, such as hrnet-w32-256x192; see weights list.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="The .safetensors file to write.", show_default=False)],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT when it is there.")] = False,
) -> None:
    """Convert published weights to safetensors; no code in the file is executed."""
    from models.checkpoints import (
        CheckpointError,
        MisfitError,
        compute_sha256,
        import_checkpoint,
        write_weights,
    )
    from models.fit import count_outputs, list_shapes
    from models.settings import suggest
    from posetrack.families.table import list_importable
    from posetrack.weights.metadata import describe_kind, find_metadata
    from posetrack.weights.nearest import describe_misfit

    if out.suffix != ".safetensors":
        raise PoseTrackError(f"{out}: the name of weights ends in .safetensors")
    check_output_file(out, [path])
    if out.exists() and not overwrite:
        raise PoseTrackError(f"{out}: is there already; use --overwrite to replace it")
    importable = list_importable()
    if kind not in importable:
        raise PoseTrackError(f"--kind {kind}: not a kind that can be imported; {suggest(kind, importable)}")
    own = find_metadata(path)
    if own is not None and "kind" not in own.notes:
        raise PoseTrackError(f"{path}: has metadata of PoseTrack already ({own.network}); use it as it is")
    try:
        state = import_checkpoint(path, importable[kind].make_network)
        source_digest = compute_sha256(path)
    except MisfitError as error:
        raise WeightsError(describe_misfit(error, is_import=True)) from error
    except CheckpointError as error:
        raise WeightsError(str(error)) from error
    num_outputs = count_outputs(list_shapes(state))
    metadata = describe_kind(kind, num_outputs)
    notes = {**metadata.notes, "source": path.name, "source_sha256": source_digest}
    write_weights(out, state, replace(metadata, training=f"imported from {path.name}", notes=notes))
    called = "classes" if kind.endswith("-imagenet") else "keypoints"
    outputs = f"{num_outputs} {called}, " if num_outputs else ""
    parameters = sum(tensor.numel() for tensor in state.values() if tensor.is_floating_point())
    print(f"{out}: {kind}, {outputs}{parameters / 1e6:.1f} M numbers")
    print(f"sha256 {compute_sha256(out)}")
