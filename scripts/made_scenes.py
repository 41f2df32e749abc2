"""Made scenes for tests of association: poses without images, with the truth, and the flow that goes with them.

A scene is a dict, the same as in JSON:

    {"name": ..., "what": ..., "want": ..., "size_wh": [W, H], "frames": [
        {"people": [{"id": 1, "box": [x1, y1, x2, y2], "score": 0.9, "keypoints": [[x, y, score], ...]}],
         "background_flow": [dx, dy], "patches": [{"box": [x1, y1, x2, y2], "flow": [dx, dy]}]}]}

`people` are the detections, with the true id; people who are hidden are not among them. The flow of a frame is
that of the background, with the patches painted over it in order. Frames are 1/25 s apart.

    python scripts/made_scenes.py scenes.json [--seed 0] [--count 20]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

Scene = dict[str, Any]

SPEEDS_PX = (1, 6)
HIDDEN_FRAMES = (0, 10)
PAN_SPEEDS_PX = (8, 25)
HEIGHTS_PX = (90, 150)
MISSES = (1, 3)
"""Of people behind the large object every n-th frame is detected."""

_NOISE = 0.01
"""Standard deviation of keypoints, in heights of the person."""

_FIGURE = np.array(
    [
        (0, 0.02), (0.035, 0), (-0.035, 0), (0.07, 0.03), (-0.07, 0.03),
        (0.14, 0.14), (-0.14, 0.14), (0.18, 0.30), (-0.18, 0.30), (0.20, 0.455), (-0.20, 0.455),
        (0.085, 0.47), (-0.085, 0.47), (0.095, 0.70), (-0.095, 0.70), (0.095, 0.92), (-0.095, 0.92),
    ]
)  # fmt: skip
"""COCO's 17 keypoints of a person seen from the front, in heights, from the middle of the head's top."""

_SWING = np.array([0, 0, 0, 0, 0, 0, 0, -0.02, 0.02, -0.05, 0.05, 0, 0, 0.03, -0.03, 0.07, -0.07])
"""How far walking moves each keypoint to the side at most, in heights; arms against legs."""

_STRIDE = 0.8
"""Length of two steps, in heights."""

_MARGINS = np.array([-0.05, -0.05, 0.05, 0.03])
"""What a box adds to the keypoints' extent, in heights."""

_KEYPOINT_SCORE = 0.8


class Person:
    """A stick figure that walks sideways, or stands.

    Args:
        rng: Gives its proportions, and the noise of its detections.
        track_id: Its true id.
        xy: Where the middle of its head's top is in frame 0, pixels.
        speed_px: How far it moves to the right in the image, pixels a frame.
        height_px: Its height.
        walks: Whether it swings its arms and legs; without, it stands, and the camera moves.
        score: Of its box.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        track_id: int,
        xy: tuple[float, float],
        speed_px: float,
        height_px: float,
        *,
        walks: bool = True,
        score: float = 0.9,
    ) -> None:
        self.track_id, self.xy, self.speed_px, self.height_px = track_id, xy, speed_px, height_px
        self._rng, self._score = rng, score
        self._figure = _FIGURE * rng.normal(1, 0.03, 2) + rng.normal(0, 0.01, _FIGURE.shape)
        self._swing, self._phase = _SWING * walks, rng.uniform(0, 2 * np.pi)

    def locate(self, frame: int) -> float:
        """The x of its middle."""
        return self.xy[0] + self.speed_px * frame

    def detect(self, frame: int) -> dict[str, Any]:
        """Its detection in a frame."""
        figure = self._figure + self._rng.normal(0, _NOISE, self._figure.shape)
        phase = self._phase + 2 * np.pi * self.speed_px * frame / (_STRIDE * self.height_px)
        figure[:, 0] += self._swing * np.sin(phase)
        keypoints = figure * self.height_px + (self.locate(frame), self.xy[1])
        box = np.concatenate([keypoints.min(axis=0), keypoints.max(axis=0)]) + _MARGINS * self.height_px
        return {
            "id": self.track_id,
            "box": _round(box),
            "score": self._score,
            "keypoints": [[*_round(point), _KEYPOINT_SCORE] for point in keypoints],
        }

    def paint_flow(self, frame: int) -> dict[str, Any]:
        """The patch of its flow."""
        x, y, height = self.locate(frame), self.xy[1], self.height_px
        box = (x - 0.22 * height, y - 0.07 * height, x + 0.22 * height, y + 1.07 * height)
        return {"box": _round(box), "flow": [self.speed_px, 0]}


def make_crossing(rng: np.random.Generator, speed_px: int, hidden: int, *, stands: bool = False) -> Scene:
    """One walks past in front of another, who comes towards them or stands, and is hidden for some frames."""
    num_frames = 2 * max(15, hidden + 5)
    middle = num_frames // 2
    front = Person(rng, 1, (320 - speed_px * middle, 40), speed_px, 150)
    other_px = 0 if stands else -speed_px
    behind = Person(rng, 2, (320 - other_px * middle, 46), other_px, 150, walks=not stands)
    first = middle - hidden // 2
    frames = []
    for i in range(num_frames):
        seen = [front] if first <= i < first + hidden else [front, behind]
        patches = [behind.paint_flow(i), front.paint_flow(i)]
        frames.append(_make_frame([person.detect(i) for person in seen], patches))
    kind = "stand" if stands else "walk"
    return _make_scene(
        f"cross-{kind}-v{speed_px}-hidden{hidden}",
        "one walks past in front of the other, who is not detected for some frames",
        (640, 360),
        frames,
    )


def make_passage(rng: np.random.Generator, speed_px: int, hidden: int) -> Scene:
    """Two walk one after the other behind a pillar, whose flow is 0, and are hidden there for some frames."""
    people = [Person(rng, 1, (280, 40), speed_px, 150), Person(rng, 2, (280 - 100, 46), speed_px, 150)]
    half_px = max(speed_px * hidden / 2, 10)
    pillar = {"box": _round((320 - half_px, 0, 320 + half_px, 360)), "flow": [0, 0]}
    num_frames = int((320 - 180 + half_px) / speed_px) + hidden + 10
    starts = [int(np.ceil((320 - half_px - person.xy[0]) / speed_px)) for person in people]
    frames = []
    for i in range(num_frames):
        seen = [p for p, start in zip(people, starts, strict=True) if not start <= i < start + hidden]
        patches = [*(person.paint_flow(i) for person in people), pillar]
        frames.append(_make_frame([person.detect(i) for person in seen], patches))
    return _make_scene(
        f"pillar-v{speed_px}-hidden{hidden}",
        "two walk one after the other behind a pillar, and are not detected there",
        (640, 360),
        frames,
    )


def make_pan(rng: np.random.Generator, speed_px: int, height_px: int, miss: int) -> Scene:
    """The camera follows a large object; people who stand behind it are detected in every n-th frame."""
    width, cart = 854, (250, 60, 510, 330)
    at = np.cumsum([480, *rng.uniform(1.3, 2.2, 3) * 90])
    people = [
        Person(rng, n + 1, (x, 125), -speed_px, height_px, walks=False, score=0.8) for n, x in enumerate(at)
    ]
    frames = []
    for i in range(26):
        seen = [
            person
            for person in people
            if 25 <= person.locate(i) <= width - 30
            and (i % miss == 0 or not cart[0] <= person.locate(i) <= cart[2])
        ]
        patches = [{"box": list(cart), "flow": [0, 0]}]
        frames.append(_make_frame([person.detect(i) for person in seen], patches, background=-speed_px))
    return _make_scene(
        f"pan-v{speed_px}-h{height_px}-miss{miss}",
        "the camera pans along with a cart; people who stand behind it are detected now and then",
        (width, 480),
        frames,
    )


def _draw_crossing(rng: np.random.Generator) -> Scene:
    return make_crossing(rng, _draw(rng, SPEEDS_PX), _draw(rng, HIDDEN_FRAMES))


def _draw_standing(rng: np.random.Generator) -> Scene:
    return make_crossing(rng, _draw(rng, SPEEDS_PX), _draw(rng, HIDDEN_FRAMES), stands=True)


def _draw_passage(rng: np.random.Generator) -> Scene:
    return make_passage(rng, _draw(rng, SPEEDS_PX), _draw(rng, HIDDEN_FRAMES))


def _draw_pan(rng: np.random.Generator) -> Scene:
    return make_pan(rng, _draw(rng, PAN_SPEEDS_PX), _draw(rng, HEIGHTS_PX), _draw(rng, MISSES))


KINDS: dict[str, Callable[[np.random.Generator], Scene]] = {
    "cross-walk": _draw_crossing,
    "cross-stand": _draw_standing,
    "pillar": _draw_passage,
    "pan": _draw_pan,
}
"""How a scene of each kind is drawn."""


def make_scenes(seed: int, count: int) -> list[Scene]:
    """Make scenes of every kind.

    Args:
        seed: Gives everything that is drawn; scene n of a kind is the same however many there are.
        count: Scenes of each kind.

    Returns:
        The scenes, the kinds one after the other; names are unique.
    """
    scenes = []
    for k, draw in enumerate(KINDS.values()):
        for n in range(count):
            scene = draw(np.random.default_rng((seed, k, n)))
            scenes.append({**scene, "name": f"{scene['name']}-s{n}"})
    return scenes


def _draw(rng: np.random.Generator, limits: tuple[int, int]) -> int:
    return int(rng.integers(limits[0], limits[1] + 1))


def _make_frame(
    people: list[dict[str, Any]], patches: list[dict[str, Any]], background: int = 0
) -> dict[str, Any]:
    return {"people": people, "background_flow": [background, 0], "patches": patches}


def _make_scene(name: str, what: str, size_wh: tuple[int, int], frames: list[dict[str, Any]]) -> Scene:
    return {"name": name, "what": what, "want": "every id kept", "size_wh": list(size_wh), "frames": frames}


def _round(values: Iterable[float]) -> list[float]:
    return [round(float(value), 2) for value in values]


def main() -> None:
    """Write scenes to a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="the JSON file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=20, help="scenes of each kind")
    arguments = parser.parse_args()
    scenes = make_scenes(arguments.seed, arguments.count)
    arguments.out.write_text(json.dumps(scenes))
    print(f"{arguments.out}: {len(scenes)} scenes")


if __name__ == "__main__":
    main()
