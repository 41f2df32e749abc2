"""Make images without people for a detector's training: furniture, lamps and the like before backgrounds.

    python scripts/furnish_scenes.py --out FOLDER --count N --furniture FILE.sh3f ... --backgrounds FOLDER ...
        [--seed 0]

Writes FOLDER/images/*.jpg and FOLDER/people.json, in COCO's form and without a person; each image lists what
is in it as `things`: name, category and box. Image i depends on the seed and the other settings alone: a run
that was stopped goes on. Libraries of furniture are those of Sweet Home 3D, as in Debian's package
sweethome3d-furniture; backgrounds are the parts of training images that no person touches. Needs
`pip install 'posetrack[synthesis]'`.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from synthesis.backgrounds import Crop, draw_background, find_backgrounds, sum_backgrounds
from synthesis.errors import SynthesisError, run_resumable
from synthesis.folder import ImageFolder
from synthesis.furniture import Piece, draw_piece, list_pieces, read_model
from synthesis.images import MadeImage, name_image
from synthesis.looks import to_linear
from synthesis.pack import Floats
from synthesis.photos import develop, encode_jpeg

from posetrack.outputs import hold_folder

VERSION = 1
"""Of what is made of a seed; another one is refused in a folder of this one's."""
_SIDES_PX = 288, 416
_MOST_PIECES = 5
_DRAWN_PX = 240
_LEAST_PX = 40
_USUAL_LIGHT = 0.2
_LIGHTS = "Lights"
_TIMES_LIGHTS = 3
"""Lamps are drawn so much more often: a shade on a foot looks most like somebody."""


class SceneMaker:
    """Makes images by number.

    Args:
        pieces: What may be in them.
        crops: The backgrounds.
        seed: Of everything drawn.
    """

    def __init__(self, pieces: Sequence[Piece], crops: Sequence[Crop], seed: int) -> None:
        self._pieces = [
            piece
            for piece in pieces
            for _ in range(_TIMES_LIGHTS if piece.category == _LIGHTS or "lamp" in piece.name.lower() else 1)
        ]
        self._crops = crops
        self._seed = seed

    def make(self, number: int) -> MadeImage:
        """Make an image.

        Raises:
            SynthesisError: A background or a model cannot be read.
        """
        rng = np.random.default_rng([self._seed, number])
        width, height = (int(side) for side in rng.integers(*_SIDES_PX, size=2, endpoint=True))
        light = draw_background(rng, self._crops, (width, height))
        brightness = 0.5 + 0.5 * float(light.mean()) / _USUAL_LIGHT
        things = [
            self._put(rng, light, brightness) for _ in range(int(rng.integers(1, _MOST_PIECES, endpoint=True)))
        ]
        jpeg = encode_jpeg(rng, develop(rng, light))
        name = f"images/{name_image(number)}.jpg"
        entry = {"id": number + 1, "file_name": name, "width": width, "height": height, "things": things}
        return MadeImage(jpeg, {"image": entry, "annotations": []}, {})

    def _put(self, rng: np.random.Generator, light: Floats, brightness: float) -> dict[str, Any]:
        """Draw a thing over an image in linear light, at any size and place, perhaps cut by the border."""
        height, width = light.shape[:2]
        piece = self._pieces[int(rng.integers(len(self._pieces)))]
        drawn = draw_piece(rng, read_model(piece), _DRAWN_PX).astype(np.float32)
        longest = np.exp(rng.uniform(np.log(_LEAST_PX), np.log(0.95 * height)))
        scale = longest / max(drawn.shape[:2])
        size_wh = [max(4, int(side * scale)) for side in drawn.shape[1::-1]]
        drawn = cv2.resize(drawn, size_wh, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        opacity = cv2.GaussianBlur(drawn[..., 3] / 255, (0, 0), 0.6)[..., None]
        left, top = (
            int(rng.integers(-own // 4, max(1, side - own + own // 4)))
            for own, side in zip(size_wh, (width, height), strict=True)
        )
        box = max(left, 0), max(top, 0), min(left + size_wh[0], width), min(top + size_wh[1], height)
        part = slice(box[1], box[3]), slice(box[0], box[2])
        own = slice(box[1] - top, box[3] - top), slice(box[0] - left, box[2] - left)
        colours = to_linear(drawn[own][..., :3] / 255) * np.float32(brightness * rng.uniform(0.5, 1.5))
        light[part] += opacity[own] * (colours - light[part])
        bbox = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
        return {"name": piece.name, "category": piece.category, "bbox": bbox}


def furnish(chosen: argparse.Namespace) -> None:
    """Make the images that are missing, and write `people.json`."""
    if chosen.count < 1:
        raise SynthesisError(f"--count {chosen.count}: nothing to make; give 1 or more")
    if chosen.seed < 0:
        raise SynthesisError("--seed must be 0 or more")
    pieces, crops = list_pieces(chosen.furniture), find_backgrounds(chosen.backgrounds)
    settings = {
        "version": VERSION,
        "seed": chosen.seed,
        "furniture": zlib.crc32("\n".join(piece.member for piece in pieces).encode()),
        "backgrounds": sum_backgrounds(crops),
        "keep_scenes": False,
    }
    with hold_folder(chosen.out):
        folder = ImageFolder(chosen.out, settings)
        maker = SceneMaker(pieces, crops, chosen.seed)
        for number in folder.list_missing(chosen.count):
            folder.write(number, maker.make(number))
        print(folder.write_people(chosen.count, {"description": "Things, and nobody", **settings}))


def main(arguments: list[str] | None = None) -> None:
    """Read the options, make the images, and say in one line what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--furniture", type=Path, nargs="+", required=True)
    parser.add_argument("--backgrounds", type=Path, nargs="+", default=[])
    parser.add_argument("--seed", type=int, default=0)
    run_resumable(lambda: furnish(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
