"""One image with its labels, of a seed and its number: the same whatever else is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthesis.annotate import annotate
from synthesis.backgrounds import Crop, draw_background
from synthesis.pack import Floats
from synthesis.people import PersonMaker
from synthesis.photos import develop, encode_jpeg
from synthesis.rays import Caster, render
from synthesis.scenes import Scene, SceneMaker
from synthesis.wearables import Wardrobe

_MOST_TRIES = 8
_PEOPLE_IDS = 16
"""Ids of people that belong to an image, more than it has."""


@dataclass(frozen=True, eq=False)
class MadeImage:
    """An image and what is known about it.

    Attributes:
        jpeg: The file.
        record: `image` and `annotations` in COCO's form.
        arrays: The scene: `corners`, `owners`, `charts`, `coordinates_uv` of the triangles, `keypoints_m`.
    """

    jpeg: bytes
    record: dict[str, Any]
    arrays: dict[str, Any]


class ImageMaker:
    """Makes images of a seed.

    Args:
        wardrobe: The bodies and clothes.
        crops: Backgrounds; made ones if there are none.
        sizes_wh: Sizes of images, which take turns by chance.
        seed: Decides on everything.
    """

    def __init__(
        self, wardrobe: Wardrobe, crops: Sequence[Crop], sizes_wh: Sequence[tuple[int, int]], seed: int
    ) -> None:
        self._scenes = SceneMaker(PersonMaker(wardrobe))
        self._crops = crops
        self._sizes_wh = sizes_wh
        self._seed = seed

    def make(self, number: int) -> MadeImage:
        """Make the image of a number, from 0."""
        for trial in range(_MOST_TRIES):
            rng = np.random.default_rng([self._seed, number, trial])
            size_wh = self._sizes_wh[int(rng.integers(len(self._sizes_wh)))]
            scene = self._scenes.draw(rng, size_wh)
            caster = Caster(scene.parts)
            light, hits = render(scene, caster, draw_background(rng, self._crops, size_wh))
            people = annotate(rng, scene, caster, hits)
            if any(not person["iscrowd"] for person in people):
                break
        jpeg = encode_jpeg(rng, develop(rng, light))
        return MadeImage(jpeg, _make_record(number, scene, people), _list_arrays(scene, caster))


def _make_record(number: int, scene: Scene, people: list[dict[str, Any]]) -> dict[str, Any]:
    width, height = scene.camera.size_wh
    image = {
        "id": number + 1,
        "file_name": f"images/{name_image(number)}.jpg",
        "width": width,
        "height": height,
        "camera": scene.camera.describe(),
    }
    for i, person in enumerate(people):
        person |= {"id": number * _PEOPLE_IDS + i + 1, "image_id": number + 1}
    return {"image": image, "annotations": people}


def name_image(number: int) -> str:
    """Name of an image without its suffix."""
    return f"{number:08d}"


def _list_arrays(scene: Scene, caster: Caster) -> dict[str, Any]:
    surface = caster.surface
    keypoints: Floats = np.stack([person.keypoints for person in scene.people])
    return {
        "corners": surface.corners,
        "owners": caster.owners.astype(np.int8),
        "charts": surface.charts,
        "coordinates_uv": surface.coordinates_uv,
        "keypoints_m": keypoints,
    }
