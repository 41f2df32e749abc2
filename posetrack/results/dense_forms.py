"""The forms to write dense poses in, by name. To add one: its writer, and a line in `DENSE_FORMS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from models.settings import suggest
from posetrack.errors import ResultsError
from posetrack.outputs import check_is_no_input, check_output_file, name_part
from posetrack.results.dense_file import DenseWriter
from posetrack.results.dense_images import OWN_IMAGES, write_dense_images
from posetrack.results.dense_json import write_dense_json
from posetrack.results.dense_records import DensePerson
from posetrack.results.dense_sources import ResultFrame, read_clip
from posetrack.results.files import cannot_write
from posetrack.results.record import Header


@dataclass(frozen=True)
class DenseForm:
    """Writes one form.

    Attributes:
        target: Name of the file or folder that it writes; `{name}` is that of the input.
        write: Takes the header, the frames in order, and the file or folder.
        own_files: Pattern of the names of the files in a folder of this form; None where it is a file.
    """

    target: str
    write: Callable[[Header, Iterator[ResultFrame], Path], None]
    own_files: str | None = None


def _write_npz(header: Header, frames: Iterator[ResultFrame], path: Path) -> None:
    check_output_file(path)
    part = name_part(path)
    try:
        with DenseWriter(part, header) as writer:
            for frame in frames:
                people = [
                    DensePerson(each.track_id, each.box, each.score, each.encode()) for each in frame.results
                ]
                writer.write_people(frame.frame_index, frame.time_s, people, frame.size_wh)
        part.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def _write_json(header: Header, frames: Iterator[ResultFrame], path: Path) -> None:
    del header  # It has no place there.
    write_dense_json((result for frame in frames for result in frame.results), path)


def _write_images(header: Header, frames: Iterator[ResultFrame], path: Path) -> None:
    del header
    write_dense_images(frames, path)


DENSE_FORMS: dict[str, DenseForm] = {
    "npz": DenseForm("{name}.npz", _write_npz),
    "png": DenseForm("{name}_iuv", _write_images, OWN_IMAGES),
    "densepose-json": DenseForm("{name}_densepose.json", _write_json),
}
"""Every form by the name that the command line takes."""


def find_dense_form(name: str) -> DenseForm:
    """Look a form up; call it before a long run to find a mistake early.

    Raises:
        ResultsError: There is no such form.
    """
    form = DENSE_FORMS.get(name)
    if form is None:
        raise ResultsError(f"unknown form '{name}' of dense poses; {suggest(name, DENSE_FORMS)}")
    return form


def export_dense(path: Path | str, form_name: str, out_dir: Path | str) -> Path:
    """Write dense poses in another form, frame by frame.

    Track ids are kept, but images have none; frames without people are in `npz` and `png` alone. Nothing is
    left behind when it fails.

    Args:
        path: A file of dense poses, a `poses.jsonl` that refers to one, the competition's JSON, or a pickle or
            file of torch.save as Detectron2 has it.
        form_name: A key of `DENSE_FORMS`.
        out_dir: The folder to write into; it is made.

    Returns:
        The file or folder written.

    Raises:
        ResultsError: The form is unknown, the file cannot be read, the output would replace it, or cannot be
            written.
    """
    path, form = Path(path), find_dense_form(form_name)
    header, frames = read_clip(path)
    inputs = [path] if header.dense is None else [path, header.dense]
    target = Path(out_dir) / form.target.format(name=inputs[-1].stem)
    for given in inputs:
        check_is_no_input(target, given)
    form.write(header, frames, target)
    return target
