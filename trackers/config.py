"""Settings of the flow tracker."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trackers.clock import FRAME_S
from trackers.flow import FLOWS, GIVEN_FLOWS
from trackers.matching import MATCHERS

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

MOTIONS = ("flow", "flow+velocity")
PROPAGATIONS = ("missed", "joint")
_PAPER_QUEUE_FRAMES = 10


@dataclass(frozen=True)
class Gap:
    """A limit for how long a person is missed or propagated.

    Attributes:
        seconds: Time without a detection. Of missed people it is measured from the first frame without them to
            the one where they are back.
        allows_one: Whether one frame is always allowed, however long it lasts.
    """

    seconds: float
    allows_one: bool = True

    @classmethod
    def of_frames(cls, frames: int) -> Gap:
        """Frames at 25 frames a second; none, where 0 frames are allowed."""
        return cls(frames * FRAME_S, allows_one=frames > 0)

    def allows(self, missed_frames: IntArray, missed_s: FloatArray) -> BoolArray:
        """Which of several people are missed for no longer than this, (M,).

        Args:
            missed_frames: (M,), frames without the person.
            missed_s: (M,), seconds from the first of these frames to the current frame.
        """
        # A millisecond more, since times are rounded.
        is_short = (missed_frames <= 0) | (missed_s <= self.seconds + 1e-3)
        if self.allows_one:
            return np.asarray(is_short | (missed_frames <= 1))
        return np.asarray(is_short & ((missed_frames <= 0) | (self.seconds > 0)))

    def allows_propagation(self, propagated_s: FloatArray, step_s: float, usual_s: float) -> BoolArray:
        """Who may be propagated for another frame, (M,).

        Args:
            propagated_s: (M,), for how long they were propagated up to the last frame; 0: detected in it.
            step_s: Time since the last frame.
            usual_s: The usual time from one frame to the next: the limit is rounded to such frames.
        """
        if not self.allows_one:
            return np.zeros(len(propagated_s), np.bool_)
        return np.asarray((propagated_s == 0) | (propagated_s + step_s <= self.seconds + usual_s / 2))


@dataclass(frozen=True)
class FlowTrackerConfig:
    """Settings of `FlowTracker`.

    Attributes:
        flow: Optical flow method: `dis`, `farneback`, or `raft`, a network, for GPUs.
        flow_weights: Weights of RAFT: a name of `posetrack weights list`, `raft-large` or `raft-small`, or a
            file of one of these. Not used with others.
        flow_longest_side_px: Longest side of the image that flow is estimated on.
        motion: Where tracks are expected: `flow`, where flow moves their poses (the paper); or `flow+velocity`,
            there or where the camera's motion and their own velocity move their newest pose.
        queue_s: How long a person may be missed and keep their id (L_Q), in seconds; at least a frame. Not used
            with `queue_frames` or `motion = "flow"`.
        queue_frames: The same in frames at 25 a second: 10 are 0.4 s, whatever the rate of the video; 0: not
            even for a frame. With `motion = "flow"` 10 by default, as in the paper.
        max_pause_s: Longest time without any frame after which people keep their ids: a stream that stands
            still and goes on. After a longer one everybody gets a new id, as after a cut. A usual gap between
            two frames is no pause, however long.
        reappear_s: How long a person may be gone and get their id back because their clothes look the same, in
            seconds; 0: never. Two people in similar clothes cannot be told apart.
        reappear_min_similarity: Least similarity of the clothes (`trackers.appearance`).
        reappear_margin: By how much more alike they have to be to that person's than to anybody else's.
        match: Assignment method, a key of `trackers.matching.MATCHERS`.
        min_oks: Least similarity of a person and a track. With `flow+velocity`, pairs that reach it are
            matched in the order of the mean of OKS and the overlap of their boxes.
        min_iou: Least overlap of the boxes of a person and a track who are matched by no pose: upside-down or
            half-hidden people. Not used with `motion = "flow"`.
        min_keypoint_score: From this score on a keypoint counts as visible.
        new_track_min_score: Least person score (`People.person_scores`) that starts a track; others who match
            no track are left out.
        new_track_min_visible_score: The same for the mean score of the visible keypoints times the fraction of
            keypoints that are visible (`People.visible_scores`): a lamp may be a box of high score with four
            keypoints of high scores, but not a person.
        nms_iou: Of two detections whose boxes overlap more than this, the higher-scoring one stays. Not the
            0.5 of the paper: people who embrace overlap more than that; `nms_oks` tells them from one found
            twice.
        nms_oks: Of two detections whose poses are more alike than this, the higher-scoring one stays.
        propagation: Whose boxes flow adds: of those who are `missed`, after the detections are matched, so that
            poses are estimated in batches over frames; or `joint`, of everyone in the last frame, as in the
            paper: they and the detections go through one NMS (`nms_iou`) before poses are estimated, frame by
            frame.
        propagation_padding: Factor by which the box around a moved pose is made wider and higher.
        propagation_min_score: Least mean keypoint score of a propagated person.
        propagation_max_oks: A propagated pose that is more alike than this to another person's is left out; not
            used with `joint`, where `nms_oks` is.
        propagation_max_s: For how long a person may be propagated without a detection, in seconds, rounded to
            frames; at least a frame. Not used with `propagation_max_frames`.
        propagation_max_frames: The same in frames at 25 a second; 0: never.
        scene_cut_similarity: Images less alike than this (`compute_scene_similarity`) are a cut; -1: never.
            Measured with DIS at 256 pixels on nine clips: 0.62 and more within shots, 0.50 and more when two
            frames of three are left out; across 5 cuts of one clip 0.25 at most, across 576 joins of
            different clips 0.40 at most.

    Raises:
        ValueError: A setting is unknown or out of range.
    """

    flow: str = "dis"
    flow_weights: str = "raft-large"
    flow_longest_side_px: int = 256
    motion: str = "flow+velocity"
    queue_s: float = 1.2
    queue_frames: int | None = None
    max_pause_s: float = 3.0
    reappear_s: float = 0.0
    reappear_min_similarity: float = 0.9
    reappear_margin: float = 0.05
    match: str = "greedy"
    min_oks: float = 0.2
    min_iou: float = 0.2
    min_keypoint_score: float = 0.2
    new_track_min_score: float = 0.1
    new_track_min_visible_score: float = 0.0
    nms_iou: float = 0.9
    nms_oks: float = 0.7
    propagation: str = "missed"
    propagation_padding: float = 1.15
    propagation_min_score: float = 0.7
    propagation_max_oks: float = 0.5
    propagation_max_s: float = 0.4
    propagation_max_frames: int | None = None
    scene_cut_similarity: float = 0.4

    def __post_init__(self) -> None:
        choices: dict[str, tuple[str, ...]] = {
            "flow": (*FLOWS, *GIVEN_FLOWS),
            "match": tuple(MATCHERS),
            "motion": MOTIONS,
            "propagation": PROPAGATIONS,
        }
        for name, known in choices.items():
            value = getattr(self, name)
            if value not in known:
                raise ValueError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
        limits: dict[str, tuple[float, float]] = {
            "flow_longest_side_px": (16, 8192),
            "queue_s": (0, 600),
            "queue_frames": (0, 10_000),
            "max_pause_s": (0, 3600),
            "reappear_s": (0, 3600),
            "reappear_min_similarity": (0.01, 1),
            "reappear_margin": (0, 1),
            "min_oks": (0.01, 1),
            "min_iou": (0.01, 1),
            "min_keypoint_score": (0, 1),
            "new_track_min_score": (0, 1),
            "new_track_min_visible_score": (0, 1),
            "nms_iou": (0, 1),
            "nms_oks": (0, 1),
            "propagation_padding": (1, 5),
            "propagation_min_score": (0, 1),
            "propagation_max_oks": (0, 1),
            "propagation_max_s": (0, 600),
            "propagation_max_frames": (0, 10_000),
            "scene_cut_similarity": (-1, 1),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"{name}: expected a number from {low} to {high}, got {value}")

    def may_start(self, person_scores: FloatArray, visible_scores: FloatArray) -> BoolArray:
        """Which people may start a track, (N,), by `People.person_scores` and `People.visible_scores`."""
        return np.asarray(
            (person_scores >= self.new_track_min_score) & (visible_scores >= self.new_track_min_visible_score)
        )

    @property
    def has_velocity(self) -> bool:
        """Whether tracks are also expected where their own velocity leads."""
        return self.motion == "flow+velocity"

    @property
    def longest_gap(self) -> Gap:
        """How long a person may be missed and keep their id."""
        if self.queue_frames is None and self.has_velocity:
            return Gap(self.queue_s)
        return Gap.of_frames(_PAPER_QUEUE_FRAMES if self.queue_frames is None else self.queue_frames)

    @property
    def longest_propagation(self) -> Gap:
        """For how long a person may be propagated."""
        if self.propagation_max_frames is None:
            return Gap(self.propagation_max_s)
        return Gap.of_frames(self.propagation_max_frames)
