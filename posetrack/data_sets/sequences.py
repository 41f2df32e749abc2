"""The sequences of a video data set, PoseTrack17 or 18: annotation files with the images of their frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from models.data.image_files import is_file
from posetrack.annotations.read import read_frames
from posetrack.annotations.video import AnnotatedFrame
from posetrack.errors import ResultsError


@dataclass(frozen=True, eq=False)
class LabelledSequence:
    """One sequence of a data set.

    Attributes:
        name: Name of its annotation file, without suffix.
        file: That file.
        format_name: `posetrack17` or `posetrack18`.
        frames: The frames that the file lists, labelled or not.
        images: The image file of each.
        is_annotated: Whether anybody is annotated; in files of a test set nobody is.
    """

    name: str
    file: Path
    format_name: str
    frames: tuple[AnnotatedFrame, ...]
    images: tuple[Path, ...]
    is_annotated: bool


def read_labelled_sequences(annotations: Path, image_folder: Path) -> list[LabelledSequence]:
    """Read the sequences of a data set, and check that all of their images are there.

    Args:
        annotations: A PoseTrack17 or PoseTrack18 file, or a folder with one for each sequence.
        image_folder: Folder that the names of images are relative to; those that begin with `images/` may also
            be relative to that folder itself.

    Returns:
        The sequences, by name.

    Raises:
        ResultsError: Files are missing or not valid, or images are missing.
    """
    for path in (annotations, image_folder):
        if not path.exists():
            raise ResultsError(f"{path}: no such file or folder; check the path")
    files = [annotations]
    if annotations.is_dir():
        # Archives made on a Mac contain a `._NAME.json` beside every file.
        files = sorted(path for path in annotations.glob("*.json") if not path.name.startswith("."))
        if not files:
            raise ResultsError(f"{annotations}: no .json files in it; expected one PoseTrack file a sequence")
    return [_read_sequence(file, image_folder) for file in files]


def _read_sequence(file: Path, image_folder: Path) -> LabelledSequence:
    listed = read_frames(file)
    if not listed.frames:
        raise ResultsError(f"{file}: lists no frames; expected a PoseTrack17 or PoseTrack18 file of a sequence")
    unnamed = next((i for i, frame in enumerate(listed.frames) if not frame.file_name), None)
    if unnamed is not None:
        raise ResultsError(f"{file}: frame {unnamed}: has no name of its image")
    images = _find_images([frame.file_name for frame in listed.frames], image_folder)
    missing = [image for image in images if not is_file(image)]
    if missing:
        raise ResultsError(
            f"{file}: {len(missing)} of {len(images)} images are missing, the first is {missing[0]}; give the "
            "folder that the names in the file are relative to with --images"
        )
    return LabelledSequence(
        file.stem, file, listed.format_name, listed.frames, tuple(images), listed.is_annotated
    )


def _find_images(names: list[str], folder: Path) -> list[Path]:
    """The paths of images, of which the folder may be `images` itself."""
    paths = [folder / name for name in names]
    first = PurePosixPath(names[0])
    if not is_file(paths[0]) and len(first.parts) > 1 and is_file(folder.joinpath(*first.parts[1:])):
        return [folder.joinpath(*PurePosixPath(name).parts[1:]) for name in names]
    return paths
