"""Tracking of labelled clips: networks find people once, then recipes and other trackers follow them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from itertools import takewhile
from pathlib import Path

import numpy as np

from posetrack.build import build_networks, make_detection
from posetrack.compute import Compute
from posetrack.evaluation.mot.evaluate import BoxEvaluation, evaluate_mot
from posetrack.evaluation.mot.files import read_true_boxes
from posetrack.frame import Frame
from posetrack.pipeline import Stage, stream
from posetrack.predictors.clipped import clip_scores
from posetrack.predictors.networks import Networks
from posetrack.processors.estimate import estimate
from posetrack.recipe import Recipe
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.poses import SavedPoses
from posetrack.results.record import Header
from posetrack.run.retrack import retrack
from posetrack.video.source import open_video
from trackers.flow_tracker import FlowTrackerConfig, People
from trackers.nms import box_nms, oks_nms

PEERS: dict[str, tuple[str, dict[str, float]]] = {
    "sort": ("sort", {}),
    "bytetrack": ("bytetrack", {}),
    "sort-0.5": ("sort", {"track_activation_threshold": 0.5}),
    "bytetrack-0.5": ("bytetrack", {"track_activation_threshold": 0.5, "high_conf_det_threshold": 0.5}),
}
"""Trackers of `peer_tracks.py` with their settings, by what they are called in the table; the last two start
tracks at the score at which recipe `default` does."""

_PEER_SCRIPT = Path(__file__).with_name("peer_tracks.py")
_VIDEO_SUFFIXES = (".mp4", ".mkv", ".avi", ".mov", ".webm")
_TRUTH_SUFFIX = ".gt.txt"


@dataclass(frozen=True)
class Clip:
    """A clip with labels.

    Attributes:
        name: Its name.
        source: The video, or the folder of its images.
        truth: MOTChallenge's ground truth.
        num_frames: The last labelled frame; nothing is tracked behind it.
    """

    name: str
    source: Path
    truth: Path
    num_frames: int


def find_clips(clips: Path, labels: Path) -> list[Clip]:
    """Find the clips that have labels, NAME.gt.txt.

    Raises:
        FileNotFoundError: There are no labels, or labels have no clip.
    """
    found = []
    for truth in sorted(labels.glob(f"*{_TRUTH_SUFFIX}")):
        name = truth.name.removesuffix(_TRUTH_SUFFIX)
        candidates = [*(clips / f"{name}{suffix}" for suffix in _VIDEO_SUFFIXES), clips / name]
        source = next((path for path in candidates if path.exists()), None)
        if source is None:
            raise FileNotFoundError(f"{clips}: no video or folder '{name}' for {truth}; put it there")
        found.append(Clip(name, source, truth, int(read_true_boxes(truth).boxes.frames.max())))
    if not found:
        raise FileNotFoundError(f"{labels}: no labels in it; expected NAME{_TRUTH_SUFFIX}")
    return found


class ClipBench:
    """Tracks labelled clips by recipes and by other trackers.

    Args:
        clips: The clips.
        cache: Folder for detections and tracks; detections in it are used again.
        compute: Device, engine and precision.
        peers: Folder of the other library; without, there are no other trackers.
    """

    def __init__(self, clips: list[Clip], cache: Path, compute: Compute, peers: Path | None = None) -> None:
        self._clips, self._cache, self._compute, self._peers = clips, cache, compute, peers
        self._networks: dict[str, Networks] = {}

    def run(self, recipes: list[Recipe]) -> Iterator[tuple[str, dict[str, Path]]]:
        """Track every clip in every way.

        Yields:
            What the way is called, and the file of the tracks of each clip by its name.
        """
        for recipe in recipes:
            for name, stitched in ((recipe.name, False), (f"{recipe.name}, stitched", True)):
                yield name, {clip.name: self._track(clip, recipe, name, stitched) for clip in self._clips}
        if self._peers is not None:
            for recipe in _choose_one_for_networks(recipes):
                for name in PEERS:
                    yield (
                        f"{name} on {recipe.name}",
                        {clip.name: self._track_by_peer(clip, recipe, name) for clip in self._clips},
                    )

    def evaluate(self, tracked: dict[str, Path], min_iou: float) -> BoxEvaluation:
        """Compare tracks with the labels."""
        return evaluate_mot(
            {clip.name: (clip.truth, tracked[clip.name]) for clip in self._clips}, min_iou=min_iou
        )

    def _detect(self, clip: Clip, recipe: Recipe) -> SavedPoses:
        """The poses of a clip without tracks, from the cache if they are there."""
        path = self._cache / "detections" / f"{clip.name}.{clip.num_frames}.{_name_networks(recipe)}.jsonl"
        if not path.exists():
            networks = self._build(recipe)
            before = _make_finders(recipe, networks)
            part = path.with_suffix(".part")
            with open_video(clip.source) as video:
                info = video.info
                header = Header(
                    str(clip.source), info.width, info.height, info.fps, networks.skeleton, recipe.name
                )
                labelled = takewhile(lambda frame: frame.index < clip.num_frames, video)
                with JsonlWriter(part, header) as writer, closing(stream(labelled, before)) as frames:
                    for frame in frames:
                        writer.write(frame.index, frame.time_s, frame.instances)
            part.replace(path)
        return SavedPoses(path)

    def _track(self, clip: Clip, recipe: Recipe, name: str, stitched: bool) -> Path:
        poses = self._detect(clip, recipe)
        out = self._cache / "tracks" / name / f"{clip.name}.jsonl"
        out.parent.mkdir(parents=True, exist_ok=True)
        with open_video(clip.source) as video:
            estimator = self._build(recipe).estimator
            retrack(poses, out, recipe, video=video, estimator=estimator, stitched=stitched)
        return out

    def _track_by_peer(self, clip: Clip, recipe: Recipe, name: str) -> Path:
        poses = self._detect(clip, recipe)
        tracker, settings = PEERS[name]
        folder = self._cache / "tracks" / f"{name} on {recipe.name}"
        folder.mkdir(parents=True, exist_ok=True)
        detections, out = folder / f"{clip.name}.detections.txt", folder / f"{clip.name}.txt"
        lines = [line for frame in poses for line in format_detections(frame, recipe.tracker)]
        detections.write_text("".join(f"{line}\n" for line in lines))
        options = [f"--setting={setting}={value}" for setting, value in settings.items()]
        subprocess.run(
            [
                sys.executable,
                str(_PEER_SCRIPT),
                str(detections),
                str(out),
                f"--tracker={tracker}",
                f"--fps={float(poses.header.fps)}",
                f"--frames={clip.num_frames}",
                *options,
            ],
            env={**os.environ, "PYTHONPATH": str(self._peers)},
            check=True,
        )
        return out

    def _build(self, recipe: Recipe) -> Networks:
        name = _name_networks(recipe)
        if name not in self._networks:
            batch_frames = recipe.detector.batch_frames
            networks = build_networks(recipe, self._compute, batch_frames=batch_frames)
            self._networks[name] = clip_scores(networks)
        return self._networks[name]


def format_detections(frame: Frame, config: FlowTrackerConfig) -> list[str]:
    """The people of a frame as MOTChallenge has detections, without those found twice.

    Our tracker leaves these out as well, by their poses, which the others do not know. The score is that by
    which it decides who starts a track, box and keypoints together.
    """
    if len(frame.instances) == 0:
        return []
    people = People(**{field.name: getattr(frame.instances, field.name) for field in fields(People)})
    people = people.hide_keypoints(config.min_keypoint_score)
    people = people[box_nms(people.boxes_xyxy, people.person_scores, config.nms_iou)]
    kept = oks_nms(
        people.keypoints_xy,
        people.visible,
        people.person_scores,
        areas_px2=people.areas_px2,
        sigmas=np.asarray(frame.skeleton.sigmas, np.float32),
        max_oks=config.nms_oks,
    )
    boxes, scores = people.boxes_xyxy[kept], people.person_scores[kept]
    return [
        f"{frame.index + 1},-1,{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f},{score:.4f},-1,-1,-1"
        for (x1, y1, x2, y2), score in zip(boxes.tolist(), scores.tolist(), strict=True)
    ]


def _make_finders(recipe: Recipe, networks: Networks) -> list[Stage]:
    """Make the stages before the tracker. All poses are estimated: other trackers may need them."""
    frames = recipe.detector.batch_frames
    stages = [Stage("detect", make_detection(recipe.detector, networks.detector, frames))]
    if networks.estimator is not None and recipe.estimator is not None:
        pose = estimate(networks.estimator, batch_crops=recipe.estimator.batch_crops, batch_frames=frames)
        stages.append(Stage("estimate", pose))
    return stages


def _name_networks(recipe: Recipe) -> str:
    """A name that recipes share whose networks and their settings are the same."""
    return hashlib.sha256(repr(recipe.networks).encode()).hexdigest()[:12]


def _choose_one_for_networks(recipes: list[Recipe]) -> list[Recipe]:
    """The first recipe of each set of networks."""
    return list({_name_networks(recipe): recipe for recipe in reversed(recipes)}.values())[::-1]
