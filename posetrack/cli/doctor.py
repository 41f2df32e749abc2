"""`posetrack doctor`: what is there, and what is missing."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

import typer
from rich.console import Console
from rich.markup import escape

import posetrack
from posetrack.errors import PoseTrackError

_PACKAGES = (
    "torch",
    "torchvision",
    "openvino",
    "numpy",
    "scipy",
    "opencv-python-headless",
    "av",
    "safetensors",
    "pycocotools",
    "aiohttp",
    "rich",
    "typer",
)
"""Every package that PoseTrack requires."""

_EXTRAS = {
    "onnx": ("onnxruntime", "onnx", "onnxscript"),
    "json": ("orjson",),
    "plots": ("matplotlib",),
    "mobile": ("timm",),
    "int8": ("nncf",),
    "pandas": ("pandas",),
    "mot": ("motmetrics",),
    "synthesis": ("embreex",),
    "cluster": ("ray",),
    "docs": ("mkdocs-material",),
}
"""The packages of each extra."""

Check = tuple[str, bool | None, str]
"""What was looked at, whether it is well (None: not here, needed by few), and what was found or what to do."""

_MARKS = {True: "[green]ok     [/green]", None: "[yellow]not yet[/yellow]", False: "[red]missing[/red]"}


def doctor_command() -> None:
    """Say what PoseTrack finds on this machine; exit code 1 when something it needs is missing."""
    console = Console(highlight=False)
    is_well = True
    for what, is_there, text in _check_all():
        is_well &= is_there is not False
        console.print(f"{_MARKS[is_there]}  {escape(what):<28} {escape(text)}", soft_wrap=True)
    if not is_well:
        raise typer.Exit(1)


def _check_all() -> Iterator[Check]:
    yield (
        "posetrack",
        True,
        f"{posetrack.__version__}, Python {platform.python_version()}, {platform.platform()}",
    )
    for name in _PACKAGES:
        try:
            yield name, True, version(name)
        except PackageNotFoundError:
            yield name, False, f"pip install {name}"
    yield from _check_extras()
    yield _check_torch()
    yield _check_engine()
    yield from _check_codecs()
    yield from _check_weights()
    yield from _check_recipes()


def _check_torch() -> Check:
    import torch

    cores = os.cpu_count() or 1
    if not torch.cuda.is_available():
        return "device", True, f"cpu ({torch.get_num_threads()} threads of {cores} cores); no CUDA device"
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return "device", True, ", ".join(f"cuda:{i} {name}" for i, name in enumerate(names))


def _check_extras() -> Iterator[Check]:
    for extra, packages in _EXTRAS.items():
        for name in packages:
            try:
                yield f"{name} (extra)", True, version(name)
            except PackageNotFoundError:
                yield f"{name} (extra)", True, f"not installed; pip install 'posetrack[{extra}]' brings it"


def _check_engine() -> Check:
    from models.cache_folder import find_cache_folder
    from models.engines.choice import choose_engine, list_precisions
    from posetrack.compute import choose_device

    device = choose_device()
    choice = choose_engine("auto", "auto", device)
    precisions = ", ".join(list_precisions(choice.engine, device))
    return (
        "engine",
        True,
        f"{choice.engine}, {choice.precision} of {precisions} ({choice.reason}); "
        f"converted networks are kept in {find_cache_folder()}",
    )


def _check_codecs() -> Iterator[Check]:
    import av

    codecs: tuple[tuple[str, Literal["r", "w"]], ...]
    codecs = (("libx264", "w"), ("h264", "r"), ("hevc", "r"), ("aac", "w"))
    for codec, mode in codecs:
        is_there = codec in av.codecs_available
        try:
            av.codec.Codec(codec, mode)
        except av.codec.codec.UnknownCodecError:
            is_there = False
        what = f"FFmpeg {'encoder' if mode == 'w' else 'decoder'} {codec}"
        yield what, is_there, "in PyAV" if is_there else "pip install --force-reinstall av"


def _check_weights() -> Iterator[Check]:
    from models.checkpoints import compute_sha256
    from models.metadata import find_embedded
    from posetrack.families.table import list_embedded

    for name, expected in list_embedded().items():
        path = find_embedded(name)
        is_whole = path.is_file() and compute_sha256(path) == expected
        found = f"{path.stat().st_size / 1e6:.1f} MB, SHA-256 matches" if is_whole else f"{path}: reinstall"
        yield f"weights {name}", is_whole, found


def _check_recipes() -> Iterator[Check]:
    from posetrack.needs import find_lack
    from posetrack.recipe import read_recipe
    from posetrack.recipe_files import list_recipes

    for name in list_recipes():
        try:
            lack = find_lack(read_recipe(name))
        except PoseTrackError as error:
            yield f"recipe {name}", False, str(error)
        else:
            yield f"recipe {name}", True if lack is None else None, lack or "can run here"
