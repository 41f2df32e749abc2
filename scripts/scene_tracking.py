"""Tracking of made scenes: how often an id changes, and what an update of the tracker takes."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from made_scenes import Person, Scene

from models.settings import SettingsError, read_table
from posetrack.skeleton import COCO_17
from trackers.flow import FLOWS
from trackers.flow_tracker import FlowTracker, FlowTrackerConfig, People, TrackedPeople

FPS = 25.0
_FLOW = "made"
_SIZE_WH = (1280, 720)


class SceneFlow:
    """Stands in for a flow estimator: gives the flow of a scene's frame at the size of the gray image.

    Attributes:
        frame: The frame to give the flow of.
    """

    takes_color = False

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.frame: dict[str, Any] = scene["frames"][0]

    def __call__(self, previous_gray: np.ndarray, gray: np.ndarray) -> np.ndarray:
        """The flow, (h, w, 2) float32, whatever the images are."""
        height, width = gray.shape
        scale = np.array([width, height]) / self._scene["size_wh"]
        flow = np.empty((height, width, 2), np.float32)
        flow[:] = self.frame["background_flow"] * scale
        for patch in self.frame["patches"]:
            corners = np.round(np.array(patch["box"]) * np.tile(scale, 2)).astype(int)
            x1, y1, x2, y2 = np.clip(corners, 0, None)
            flow[y1:y2, x1:x2] = patch["flow"] * scale
        return flow


@dataclass(frozen=True)
class SceneReport:
    """How a scene was tracked.

    Attributes:
        name: The scene's.
        changes: How often a person has another id than when last seen.
        taken: How often a person has an id that was another person's first.
        ids: Ids that were given.
    """

    name: str
    changes: int
    taken: int
    ids: int

    @property
    def is_kept(self) -> bool:
        """Whether everyone has kept an id of their own."""
        return self.changes == self.taken == 0


def parse_config(text: str) -> FlowTrackerConfig:
    """Make settings of the tracker from `name=value,name=value`; those not named have their default.

    Raises:
        ValueError: A setting is unknown, or its value is not valid.
    """
    settings: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        try:
            settings[name] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:  # A text, which needs no quotes here.
            settings[name] = value
    try:
        return read_table(FlowTrackerConfig, settings, f"--config {text}")
    except SettingsError as error:
        raise ValueError(str(error)) from error


def update_tracker(tracker: FlowTracker, image: np.ndarray, people: People, time_s: float) -> TrackedPeople:
    """Track the people of the next frame; the one place that calls the tracker."""
    return tracker.update(image, people, time_s=time_s)


def track_scene(scene: Scene, config: FlowTrackerConfig) -> SceneReport:
    """Track the people of a scene and count the changes of their ids."""
    width, height = scene["size_wh"]
    # Texture, so that the image is not taken for a blank one; it does not move, and is never compared.
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    changes = taken = 0
    last_ids: dict[int, int] = {}
    owners: dict[int, int] = {}
    flow = SceneFlow(scene)
    with inject_flow(flow):
        tracker = FlowTracker(COCO_17.sigmas, replace(config, flow=_FLOW, scene_cut_similarity=-1))
    for i, frame in enumerate(scene["frames"]):
        flow.frame = frame
        tracked = update_tracker(tracker, image, make_people(frame["people"]), i / FPS)
        for row, track_id in zip(tracked.rows.tolist(), tracked.track_ids.tolist(), strict=False):
            person = frame["people"][row]["id"]
            changes += last_ids.get(person, track_id) != track_id
            taken += owners.setdefault(track_id, person) != person
            last_ids[person] = track_id
    return SceneReport(scene["name"], changes, taken, len(owners))


@contextmanager
def inject_flow(flow: SceneFlow) -> Iterator[None]:
    """Make trackers that are made inside use this flow if their method is `made`."""
    FLOWS[_FLOW] = lambda: flow
    try:
        yield
    finally:
        del FLOWS[_FLOW]


def make_people(people: Sequence[dict[str, Any]]) -> People:
    """The people of a scene's frame as the tracker takes them."""
    keypoints = np.array([person["keypoints"] for person in people], np.float32).reshape(len(people), -1, 3)
    if not people:
        return People.empty(COCO_17.num_keypoints)
    return People(
        boxes_xyxy=np.array([person["box"] for person in people], np.float32),
        box_scores=np.array([person["score"] for person in people], np.float32),
        keypoints_xy=keypoints[..., :2],
        keypoint_scores=keypoints[..., 2],
    )


def time_updates(
    configs: dict[str, FlowTrackerConfig], *, num_people: int = 10, num_frames: int = 60
) -> dict[str, float]:
    """Time whole updates at 1280 x 720, flow included: a textured image that pans, and people who walk.

    The configurations take turns frame by frame, so that what else the machine does meets all of them alike.

    Returns:
        Median milliseconds a frame by the configuration's name; the first frames do not count.
    """
    rng = np.random.default_rng(0)
    width, height = _SIZE_WH
    texture = rng.integers(0, 256, (height // 8, width // 4, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    people = [
        Person(rng, n + 1, (100 + 110 * n, 200 + 20 * (n % 3)), (-1) ** n * 3, 180) for n in range(num_people)
    ]
    trackers = {name: FlowTracker(COCO_17.sigmas, config) for name, config in configs.items()}
    times_s: dict[str, list[float]] = {name: [] for name in configs}
    for i in range(num_frames):
        image = np.ascontiguousarray(texture[:, 4 * i : 4 * i + width])
        found = make_people([person.detect(i) for person in people])
        for name, tracker in trackers.items():
            start_s = time.perf_counter()
            update_tracker(tracker, image, found, i / FPS)
            times_s[name].append(time.perf_counter() - start_s)
    return {name: 1000 * float(np.median(times[10:])) for name, times in times_s.items()}
