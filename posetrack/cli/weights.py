"""`posetrack weights`: the networks' weights, those that ship with PoseTrack and those that others publish."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posetrack.errors import PoseTrackError, WeightsError

weights_app = typer.Typer(no_args_is_help=True, help="Import published weights, and list what there is.")


@weights_app.command("list")
def list_command() -> None:
    """List the weights that ship with PoseTrack, and the kinds of published ones that can be imported."""
    from models.checkpoints import EMBEDDED_SHA256, IMPORTABLE

    print("here")
    for name, digest in EMBEDDED_SHA256.items():
        print(f"  {name:<32} sha256 {digest}")
    print("to import: posetrack weights import FILE --as KIND --out X.safetensors")
    for kind in IMPORTABLE:
        print(f"  {kind}")


@weights_app.command("import")
def import_command(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A .pth of HRNet's, SimpleBaseline's or mmpose's.", show_default=False
        ),
    ],
    kind: Annotated[
        str,
        typer.Option(
            "--as", help="Its network, such as hrnet-w32-256x192; see weights list.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option(help="The .safetensors file to write.", show_default=False)],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT when it is there.")] = False,
) -> None:
    """Convert published weights to safetensors; nothing in the file is run."""
    from models.checkpoints import (
        CheckpointError,
        compute_sha256,
        count_outputs,
        import_checkpoint,
        write_weights,
    )

    if out.suffix != ".safetensors":
        raise PoseTrackError(f"{out}: the name of weights ends in .safetensors")
    if out.exists() and not overwrite:
        raise PoseTrackError(f"{out}: is there already; use --overwrite to replace it")
    try:
        state = import_checkpoint(path, kind)
        source_digest = compute_sha256(path)
    except CheckpointError as error:
        raise WeightsError(str(error)) from error
    about = {"kind": kind, "source": path.name, "source_sha256": source_digest}
    write_weights(out, state, about)
    outputs = "classes" if kind.endswith("-imagenet") else "keypoints"
    parameters = sum(tensor.numel() for tensor in state.values() if tensor.is_floating_point())
    print(f"{out}: {kind}, {count_outputs(state)} {outputs}, {parameters / 1e6:.1f} M numbers")
    print(f"sha256 {compute_sha256(out)}")
