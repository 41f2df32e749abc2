"""Flow tracking: matches the people of each frame with those of the last frames, moved along by optical flow.

Source: Xiao et al., "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018, section 3.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trackers.appearance import Corners
from trackers.association import continue_tracks
from trackers.clock import FRAME_S, Clock, Step
from trackers.config import FlowTrackerConfig
from trackers.flow import FlowEstimator, estimate_background_motion
from trackers.flow_boxes import EstimateBoxes, estimate_together, find_flow_boxes
from trackers.gallery import Gallery
from trackers.image_motion import ImageMotion
from trackers.nms import box_nms, oks_nms
from trackers.oks import box_around_keypoints
from trackers.people import People, TrackedPeople
from trackers.track_ids import are_among
from trackers.tracks import PoseQueue

__all__ = ["EstimateBoxes", "FlowTracker", "FlowTrackerConfig", "People", "TrackedPeople"]

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ImageArray = npt.NDArray[np.uint8]

_EXPECTED = 0.1
"""A track may be in a box that overlaps the one expected of it by this much."""


class FlowTracker:
    """Assigns track ids to the people of one video, frame by frame.

    Differs from the paper, unless `propagation = "joint"`: detections take precedence. They come with their
    poses and are matched first; only people of the last frame that match no detection are propagated: poses
    are estimated where flow has moved them. Matching decides this, not overlap of boxes: when two people
    embrace, a detection of one must not suppress the other.

    Differs further with `motion = "flow+velocity"`: of each track only the newest pose is remembered; it is
    also expected where the camera's motion and its own velocity take it, because flow takes a hidden person
    along with whoever passes in front; boxes order the pairs and match whom poses do not; and the time for
    which a person may be missed is in seconds. With `motion = "flow"` none of this happens.

    Args:
        sigmas: (K,), OKS sigmas of the keypoints.
        config: Settings.
        corners: Keypoints at the corners of torso and thighs, see `trackers.appearance.describe_clothes`; used
            with `reappear_s`.
        estimate_flow: Estimates optical flow; needed where `config.flow` is a network.

    Raises:
        ValueError: The sigmas are not K positive numbers, or the flow is not given.
    """

    def __init__(
        self,
        sigmas: npt.ArrayLike,
        config: FlowTrackerConfig | None = None,
        corners: tuple[Corners, Corners] | None = None,
        estimate_flow: FlowEstimator | None = None,
    ) -> None:
        self._sigmas = np.asarray(sigmas, np.float32)
        if self._sigmas.ndim != 1 or not (np.isfinite(self._sigmas).all() and (self._sigmas > 0).all()):
            raise ValueError(f"sigmas: expected K positive numbers, got {sigmas!r}")
        self._config = config or FlowTrackerConfig()
        self._images = ImageMotion(self._config, estimate_flow)
        self._clock = Clock()
        self._step: Step | None = None
        self._queue = PoseQueue(
            len(self._sigmas), self._config.longest_gap, newest_only=self._config.has_velocity
        )
        self._gallery: Gallery | None = None
        if self._config.reappear_s > 0:
            self._gallery = Gallery(
                corners,
                self._config.reappear_s,
                self._config.reappear_min_similarity,
                self._config.reappear_margin,
            )

    def update(
        self,
        image: ImageArray | None,
        people: People,
        estimate_boxes: EstimateBoxes | None = None,
        *,
        time_s: float | None = None,
        size_wh: tuple[int, int] | None = None,
    ) -> TrackedPeople:
        """Track the people of the next frame.

        Args:
            image: (H, W, 3) uint8 RGB. `None`: there is no image, and poses are assumed not to move. When its
                size changes, poses are scaled accordingly and no flow is estimated for this frame.
            people: The people detected in it. With `estimate_boxes`, poses may be missing
                (`People.lack_poses`): they are estimated where a track is expected, and others are left out.
            estimate_boxes: Estimates the poses in given boxes; without it nobody is propagated.
            time_s: Presentation time of the frame; `None`: 1/25 s after the last one.
            size_wh: Width and height of the frame, needed without an image only, if they change.

        Returns:
            The detections that are no duplicates and match or start a track, and the propagated people, with
            their ids; and the camera's motion since the last frame.

        Raises:
            ValueError: The image is not (H, W, 3) uint8, or the people have another number of keypoints
                than there are sigmas.
        """
        self._check(image, people)
        background = self._start_frame(image, time_s, size_wh)
        if self._config.propagation == "joint" and image is not None and estimate_boxes is not None:
            return TrackedPeople(*self._update_jointly(image, people, estimate_boxes), background)
        whole, rows = people, np.arange(len(people))
        if image is not None and estimate_boxes is not None:
            whole, rows = self._estimate_expected(image, people, estimate_boxes)
        people = whole.hide_keypoints(self._config.min_keypoint_score)
        rows = rows[self._drop_duplicates(people[rows])]
        track_ids = self._associate(image, people[rows])
        kept = track_ids > 0
        rows, track_ids = rows[kept], track_ids[kept]
        self._queue.add(people[rows], track_ids, np.zeros(len(rows), np.float32))

        propagated, propagated_ids = People.empty(len(self._sigmas)), np.zeros(0, np.int64)
        if image is not None and estimate_boxes is not None:
            propagated, propagated_ids = self._propagate(image, people[rows], track_ids, estimate_boxes)
        self._note(image, people[rows], track_ids)
        track_ids = np.concatenate([track_ids, propagated_ids])
        return TrackedPeople(rows, whole[rows], propagated, track_ids, background)

    def adopt(
        self,
        image: ImageArray | None,
        people: People,
        track_ids: IntArray,
        *,
        time_s: float | None = None,
        size_wh: tuple[int, int] | None = None,
    ) -> FloatArray | None:
        """Continue from a frame that was tracked before, with its ids.

        Args:
            image: As for `update`.
            people: The people in it.
            track_ids: (N,); people without one, 0 or less, are not queued. Ids of later new tracks are higher
                than all of these.
            time_s: As for `update`.
            size_wh: As for `update`.

        Returns:
            The camera's motion since the last frame, as in `TrackedPeople`.

        Raises:
            ValueError: As for `update`.
        """
        self._check(image, people)
        background = self._start_frame(image, time_s, size_wh)
        rows = np.flatnonzero(track_ids > 0)
        self._queue.reserve_ids(track_ids[rows])
        people = people[rows].hide_keypoints(self._config.min_keypoint_score)
        self._queue.add(people, track_ids[rows], np.zeros(len(rows), np.float32))
        self._note(image, people, track_ids[rows])
        return background

    def _note(self, image: ImageArray | None, people: People, track_ids: IntArray) -> None:
        if self._gallery is not None and image is not None:
            self._gallery.note(image, people, track_ids, self._clock.time_s)

    def _check(self, image: ImageArray | None, people: People) -> None:
        K = len(self._sigmas)
        if people.keypoints_xy.shape[1] != K:
            raise ValueError(f"people: expected {K} keypoints, one a sigma, got {people.keypoints_xy.shape[1]}")
        if image is not None and (image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8):
            raise ValueError(f"image: expected (H, W, 3) uint8, got {image.shape} {image.dtype}")

    def _start_frame(
        self, image: ImageArray | None, time_s: float | None, size_wh: tuple[int, int] | None
    ) -> FloatArray | None:
        """Age the queue and move its poses to where they should be; returns the camera's motion."""
        is_first = self._step is None
        self._step = self._clock.tick(time_s)
        is_pause = self._step.is_pause(self._config.max_pause_s)
        if is_pause:
            # Nobody knows who is here now; the gallery may.
            self._queue.clear()
        self._queue.start_frame(self._step)
        background = self._follow_image(image, size_wh)
        return None if is_first or is_pause else background

    def _follow_image(self, image: ImageArray | None, size_wh: tuple[int, int] | None) -> FloatArray | None:
        """Move the queued poses to where they should be in this image; forget them across a cut.

        Returns:
            The camera's motion since the last frame, (2, 3); none (`np.eye`) where it is not known, and `None`
            across a cut.
        """
        motion = np.eye(2, 3, dtype=np.float32)
        change = self._images.follow(image, size_wh)
        if change.ratio_xy is not None:
            self._queue.rescale(change.ratio_xy)
            motion[:, :2] = np.diag(change.ratio_xy)
        if change.is_cut:
            self._queue.clear()
            if self._gallery is not None:
                self._gallery.clear()
            return None
        if change.flow is None:
            return motion
        last_boxes = self._queue.people.boxes_xyxy[self._queue.ages == 1]
        motion = estimate_background_motion(change.flow, change.scale_xy, last_boxes)
        self._queue.move(change.flow, change.scale_xy, motion)
        return motion

    def _estimate_expected(
        self, image: ImageArray, people: People, estimate_boxes: EstimateBoxes
    ) -> tuple[People, IntArray]:
        """Estimate the missing poses that may be a track's.

        Returns:
            The people (N,), and the rows of those who have poses.
        """
        lacking = people.lack_poses
        if not lacking.any():
            return people, np.arange(len(people))
        overlaps = self._queue.compare_boxes(people).max(axis=1, initial=0)
        asked = np.flatnonzero(lacking & (overlaps >= _EXPECTED))
        if len(asked):
            people = people.with_poses(asked, *estimate_boxes(image, people.boxes_xyxy[asked]))
            lacking[asked] = False
        return people, np.flatnonzero(~lacking)

    def _drop_duplicates(self, people: People) -> IntArray:
        """Rows of the detections that are not another one found again, ascending."""
        rows = np.sort(box_nms(people.boxes_xyxy, people.person_scores, self._config.nms_iou))
        return rows[np.sort(self._nms(people[rows], people.person_scores[rows], self._config.nms_oks))]

    def _nms(self, people: People, scores: FloatArray, max_oks: float) -> IntArray:
        return oks_nms(
            people.keypoints_xy,
            people.visible,
            scores,
            areas_px2=people.areas_px2,
            sigmas=self._sigmas,
            max_oks=max_oks,
        )

    def _associate(self, image: ImageArray | None, people: People) -> IntArray:
        """Ids of the detections (N,): a track's, a new one, or 0 for one too weak to start a track."""
        config = self._config
        scores = people.person_scores
        may_start = config.may_start(scores, people.visible_scores)
        track_ids, known = continue_tracks(self._queue, people, may_start, self._sigmas, config)
        new = np.flatnonzero((track_ids == 0) & may_start)
        # The highest-scoring first, whatever the order of the rows.
        new = new[np.argsort(-scores[new], kind="stable")]
        if self._gallery is not None and image is not None:
            here = np.union1d(known, track_ids)
            track_ids[new] = self._gallery.recognise(image, people[new], here=here)
            new = new[track_ids[new] == 0]
        track_ids[new] = self._queue.make_ids(len(new))
        return track_ids

    def _propagate(
        self, image: ImageArray, people: People, track_ids: IntArray, estimate_boxes: EstimateBoxes
    ) -> tuple[People, IntArray]:
        """Propagate people of the last frame that match no detection, and queue them.

        Args:
            image: The frame's.
            people: The detections of this frame that were kept.
            track_ids: Theirs.
            estimate_boxes: Estimates the poses in the boxes that flow has moved.

        Returns:
            P people and their ids (P,).
        """
        config, queue = self._config, self._queue
        boxes, missing, step = self._find_flow_boxes(image)
        missing &= ~are_among(queue.track_ids, track_ids)
        if not missing.any():
            return People.empty(len(self._sigmas)), np.zeros(0, np.int64)
        propagated = self._make_people(*estimate_boxes(image, boxes[missing]))
        compared = propagated.hide_keypoints(config.min_keypoint_score)
        similarity = compared.compare(people, self._sigmas).max(axis=1, initial=0)
        is_scored = propagated.box_scores >= config.propagation_min_score
        rows = np.flatnonzero(is_scored & (similarity <= config.propagation_max_oks))
        rows = rows[self._nms(compared[rows], propagated.box_scores[rows], config.propagation_max_oks)]
        queued = np.flatnonzero(missing)[rows]
        ids = queue.track_ids[queued]
        queue.add(compared[rows], ids, queue.propagated_s[queued] + np.float32(step.watched_s))
        return propagated[rows], ids

    def _find_flow_boxes(self, image: ImageArray) -> tuple[FloatArray, BoolArray, Step]:
        """As `find_flow_boxes`, and the time since the last frame."""
        step = self._step or Step(0.0, FRAME_S)
        size_wh = (image.shape[1], image.shape[0])
        return *find_flow_boxes(self._queue, self._config, step, size_wh), step

    def _update_jointly(
        self, image: ImageArray, people: People, estimate_boxes: EstimateBoxes
    ) -> tuple[IntArray, People, People, IntArray]:
        """Track detections and flow boxes, as in the paper: they are the same but for where they come from.

        Returns:
            As `TrackedPeople`, without the camera's motion.
        """
        queue = self._queue
        boxes, may, step = self._find_flow_boxes(image)
        moved = queue.people[may]
        blank = np.full_like(moved.keypoints_xy, np.nan)
        flow_boxes = People(boxes[may], moved.person_scores, blank, np.zeros_like(moved.keypoint_scores))
        propagated_s = np.concatenate(
            [np.zeros(len(people), np.float32), queue.propagated_s[may] + np.float32(step.watched_s)]
        )
        whole, places = estimate_together(image, people, flow_boxes, estimate_boxes, self._config)
        hidden = whole.hide_keypoints(self._config.min_keypoint_score)
        kept = np.sort(self._nms(hidden, hidden.person_scores, self._config.nms_oks))
        track_ids = self._associate(image, hidden[kept])
        kept, track_ids = kept[track_ids > 0], track_ids[track_ids > 0]
        queue.add(hidden[kept], track_ids, propagated_s[places[kept]])
        self._note(image, hidden[kept], track_ids)
        num_detected = int((places[kept] < len(people)).sum())
        detected, propagated = whole[kept[:num_detected]], whole[kept[num_detected:]]
        return places[kept[:num_detected]], detected, propagated, track_ids

    def _make_people(self, keypoints_xy: FloatArray, keypoint_scores: FloatArray) -> People:
        """Give estimated poses a box around their keypoints, and their mean keypoint score as its score."""
        visible = np.asarray(keypoint_scores) >= self._config.min_keypoint_score
        return People(
            boxes_xyxy=box_around_keypoints(keypoints_xy, visible, self._config.propagation_padding),
            box_scores=np.mean(keypoint_scores, axis=1),
            keypoints_xy=keypoints_xy,
            keypoint_scores=keypoint_scores,
        )
