"""The folder of made images: each is written whole with its record, so that a stopped run goes on."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.outputs import find_remedy, make_part
from posetrack.skeleton import COCO_17
from synthesis.errors import SynthesisError
from synthesis.images import MadeImage, name_image

_SETTINGS = "settings.json"
PEOPLE = "people.json"


class ImageFolder:
    """A folder of made images, `images/`, their records, and `people.json` of all of them.

    Args:
        folder: The folder, which is created.
        settings: What the images depend on beside their number.

    Raises:
        SynthesisError: It has other things in it, or images of other settings; or it cannot be written.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self._folder = folder
        known = folder / _SETTINGS
        try:
            if folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
                self._compare(known, settings)
            for name in ("images", "records", "scenes")[: 3 if settings["keep_scenes"] else 2]:
                (folder / name).mkdir(parents=True, exist_ok=True)
            if not known.exists():
                _write(known, json.dumps(settings, indent=1).encode())
        except OSError as error:
            raise _describe(folder, error) from error

    def list_missing(self, count: int) -> list[int]:
        """Numbers below `count` of images that are not there yet.

        Raises:
            SynthesisError: There are images beyond.
        """
        names = {path.stem for path in (self._folder / "records").glob("*.json") if path.stem.isdigit()}
        most = max((int(name) + 1 for name in names), default=0)
        if most > count:
            raise SynthesisError(
                f"{self._folder}: has {most} images already; give --count {most} or more, or another --out"
            )
        return [number for number in range(count) if name_image(number) not in names]

    def write(self, number: int, made: MadeImage) -> None:
        """Write an image; its record, which comes last, says that it is whole.

        Raises:
            SynthesisError: The disk is full, or refuses for another reason.
        """
        name = name_image(number)
        try:
            _write(self._folder / "images" / f"{name}.jpg", made.jpeg)
            if (self._folder / "scenes").is_dir():
                buffer = io.BytesIO()
                np.savez_compressed(buffer, **made.arrays)
                _write(self._folder / "scenes" / f"{name}.npz", buffer.getvalue())
            _write(self._folder / "records" / f"{name}.json", json.dumps(made.record).encode())
        except OSError as error:
            raise _describe(self._folder, error) from error

    def write_people(self, count: int, info: Mapping[str, Any]) -> Path:
        """Write `people.json` of the first images, all of which are there.

        Raises:
            SynthesisError: The disk is full, or a record has been damaged.
        """
        path = self._folder / PEOPLE
        try:
            part = make_part(path)
            with part.open("w", encoding="utf-8") as file:
                head = {"info": dict(info), "categories": [_make_category()]}
                file.write(json.dumps(head)[:-1])
                for field in ("images", "annotations"):
                    file.write(f', "{field}": [')
                    for i, text in enumerate(self._list_entries(count, field)):
                        file.write((",\n" if i else "\n") + text)
                    file.write("]")
                file.write("}\n")
            part.replace(path)
        except OSError as error:
            raise _describe(self._folder, error) from error
        return path

    def _list_entries(self, count: int, field: str) -> Iterator[str]:
        for number in range(count):
            path = self._folder / "records" / f"{name_image(number)}.json"
            try:
                record = json.loads(path.read_text())
                entries = [record["image"]] if field == "images" else record["annotations"]
            except (ValueError, KeyError, TypeError) as error:
                raise SynthesisError(f"{path}: damaged; remove it, and the image is made again") from error
            yield from map(json.dumps, entries)

    @staticmethod
    def _compare(known: Path, settings: Mapping[str, Any]) -> None:
        try:
            given = json.loads(known.read_text())
        except FileNotFoundError as error:
            raise SynthesisError(f"{known.parent}: not empty; use another --out") from error
        except ValueError as error:
            raise SynthesisError(f"{known}: damaged; use another --out") from error
        for name, value in settings.items():
            if not isinstance(given, dict) or given.get(name) != value:
                found = given.get(name) if isinstance(given, dict) else given
                raise SynthesisError(
                    f"{known.parent}: has images of other settings ({name} {found!r:.40}, not {value!r:.40}); "
                    "use another --out"
                )


def _make_category() -> dict[str, Any]:
    return {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(COCO_17.names),
        "skeleton": [[COCO_17.names.index(name) + 1 for name in edge] for edge in COCO_17.edges],
    }


def _write(path: Path, content: bytes) -> None:
    part = make_part(path)
    try:
        part.write_bytes(content)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    os.replace(part, path)


def _describe(folder: Path, error: OSError) -> SynthesisError:
    return SynthesisError(f"{error.filename or folder}: {error.strerror}; {find_remedy(error.errno)}")
