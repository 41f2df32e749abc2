"""The watch over the packets and images of a video file: what is missing, and the index of what is there."""

from __future__ import annotations

import heapq
import math
from collections import deque
from fractions import Fraction
from functools import partial

import av

from posetrack.video.avi import AviIndex, read_avi_index
from posetrack.video.base import Selection
from posetrack.video.container import can_open_again, find_path
from posetrack.video.gif import survey_gif
from posetrack.video.image_pages import count_png_images
from posetrack.video.missing import MissingImages, add_missing
from posetrack.video.places import Places
from posetrack.video.rhythm import survey_rhythm
from posetrack.video.seek import has_packet_per_image
from posetrack.video.structure import is_cut

# Decoders on several threads give an image up to that many packets after its own.
_NEARBY_PACKETS = 64
_NEARBY_IMAGES = 40
_LATE_IMAGES = 3
_LAST_IMAGE = 0.75
_UNSURE_S = 0.5
_UNSURE_IMAGES = 3


class LossWatch:
    """Finds the images that are missing in a file.

    Attributes:
        missing: What is missing in the selected part, so far.
        is_cut: Whether the file ends before its declared end; None if that is not known, or not yet.
    """

    def __init__(
        self, source: str, stream: av.VideoStream, selection: Selection, missing: list[MissingImages]
    ) -> None:
        """Begin with the file's first packet.

        Args:
            source: The file or URL.
            stream: Its video stream.
            selection: The selected part.
            missing: Where to note what is missing.
        """
        self.missing = missing
        self.is_cut: bool | None = None
        self._source = source
        self._selection = selection
        self._format = stream.container.format.name
        self._time_base = stream.time_base or Fraction(1, 90000)
        self._survey = partial(survey_rhythm, source, stream.index)
        self._has_packet_per_image = has_packet_per_image(stream)
        self._durations: deque[int] = deque(maxlen=_NEARBY_PACKETS)
        self._waiting: list[int] = []
        self._num_faults = 0
        self._images_after_fault = _NEARBY_IMAGES
        self._last_image: int | None = None
        self._hole: tuple[int, int] | None = None  # stamps of the images before and behind the last one
        self._images_after_hole = 0
        self._ends_in_packet = False
        self._last_packet = -math.inf
        is_avi = self._format == "avi"
        self._avi: AviIndex | None = None
        if is_avi and can_open_again(source):
            self._avi = read_avi_index(find_path(source), stream.index)
        self._is_avi = is_avi

    def begin(self, step_s: float) -> Places:
        """Begin to count images.

        Args:
            step_s: Time from one image to the next by the frame rate.

        Returns:
            The count, which may be advanced to a later start.
        """
        self.places = Places(step_s=step_s, resolution_s=float(self._time_base), survey=self._survey)
        return self.places

    def note_packet(self, packet: av.Packet[av.VideoStream]) -> None:
        """Take the next packet, before it is decoded."""
        if self._avi is not None:
            self._avi.correct(packet)
        if packet.is_corrupt:
            self.note_fault()
        self._durations.append(packet.duration or 0)
        if self._has_packet_per_image and packet.pts is not None and not packet.is_discard:
            heapq.heappush(self._waiting, packet.pts)
            self._last_packet = max(self._last_packet, packet.pts)

    def note_fault(self) -> None:
        """Note that the packet now being read or decoded is damaged."""
        self._num_faults += 1
        self._images_after_fault = 0

    def land(self, stamp: int) -> None:
        """Leave out what was decoded before the image that a seek was for."""
        self._num_lost_before(stamp)
        self._images_after_fault = _NEARBY_IMAGES

    def note_cut_packet(self) -> None:
        """Note that the last packet is not whole."""
        self._ends_in_packet = True
        self.note_fault()

    def is_late(self, stamp: int | None) -> bool:
        """Whether the next decoded image is one of those that were missing, and comes out behind later ones.

        Decoders do that where they lost the order of images; such an image has no place any more.
        """
        if stamp is None or self._hole is None or self._images_after_hole > _LATE_IMAGES:
            return False
        return self._hole[0] < stamp < self._hole[1]

    def place(self, stamp: int | None, time_s: float) -> int:
        """Take the next decoded image.

        Args:
            stamp: Its time stamp.
            time_s: Its time from the source's first image.

        Returns:
            Its index in the source.
        """
        is_damaged = self._images_after_fault < _NEARBY_IMAGES
        self._images_after_fault += 1
        num_lost = 0 if stamp is None else self._num_lost_before(stamp)
        longest_s = float(max(self._durations, default=0) * self._time_base)
        if self._is_avi:
            longest_s = math.inf if not is_damaged else 0.0  # empty chunks: the image before is repeated
            num_lost = self._count_lost_chunks(stamp)
        is_torn = self._avi is not None and self._avi.is_torn
        run = self.places.advance(
            time_s,
            longest_s=longest_s,
            num_lost=num_lost if is_damaged or is_torn else 0,
            is_damaged=is_damaged,
        )
        self._images_after_hole += 1
        if run is not None:
            if self._last_image is not None and stamp is not None:
                self._hole, self._images_after_hole = (self._last_image, stamp), 0
            self._add(run)
        self._last_image = stamp
        return self.places.index

    def finish(self, end_s: float, length_s: float | None, num_stored: int) -> None:
        """Look for images that are missing behind the last one, once all packets are read.

        Args:
            end_s: The end of the last image.
            length_s: Where the container says that the images end; None if it does not.
            num_stored: How many images it says that it has; 0 if it does not.
        """
        formats = self._format.split(",")
        if can_open_again(self._source):
            if "gif" in formats:
                self._finish_gif(end_s)
                return
            if "apng" in formats:
                num_stored = count_png_images(find_path(self._source))
                num_missing = num_stored - self.places.index - 1
                if num_missing > 0:  # each may last as long as it likes
                    length_s = num_missing * self.places.step_s
                    self._add(MissingImages(end_s, length_s, num_missing, is_estimate=True))
                return
            self.is_cut = is_cut(find_path(self._source), self._format)
        if self.is_cut is None and self._ends_in_packet:
            self.is_cut = True
        if not {"mpegts", "mpeg"}.isdisjoint(
            formats
        ):  # no length declared: FFmpeg looks for the last time stamp
            length_s = None
        missing_s = max(0.0 if length_s is None else length_s - end_s, 0.0)
        if missing_s <= self._choose_tolerance_s(missing_s):
            missing_s = 0.0
        step_s = self.places.step_s
        if self._last_image is not None:
            # Images that were read but not decoded.
            unseen_s = (self._last_packet - self._last_image) * float(self._time_base)
            missing_s = max(missing_s, unseen_s if unseen_s > _LAST_IMAGE * step_s else 0.0)
        num_frames = round(missing_s / step_s)
        if num_frames and num_stored and self.places.index < num_stored:
            num_frames = max(num_stored - 1 - self.places.index, 1)
        if num_frames:
            self._add(MissingImages(end_s, missing_s, num_frames))
        if self.is_cut and length_s is None:
            self._add(MissingImages(end_s + missing_s, None, None))

    def _choose_tolerance_s(self, missing_s: float) -> float:
        step_s = self.places.step_s
        if self.is_cut or self._num_faults:
            return _LAST_IMAGE * step_s
        unsure_s = max(_UNSURE_S, _UNSURE_IMAGES * step_s)
        if self.is_cut is False and not self._is_avi and missing_s > unsure_s:
            rhythm = self.places.find_rhythm()
            is_matroska = "matroska" in self._format.split(",")
            # Otherwise the last image lasts longer than the others.
            return unsure_s if is_matroska and rhythm is not None and rhythm.is_steady else math.inf
        return unsure_s

    def _finish_gif(self, end_s: float) -> None:
        try:
            survey = survey_gif(find_path(self._source))
        except (OSError, ValueError):  # removed or emptied meanwhile
            return
        step_s = self.places.step_s
        num_frames = survey.num_images - self.places.index - 1
        self.is_cut = survey.is_cut
        if survey.is_whole:
            return
        if num_frames > 0:
            self._add(MissingImages(end_s, num_frames * step_s, num_frames, is_estimate=True))
        if survey.is_cut or num_frames <= 0:
            self._add(MissingImages(end_s, None, None))

    def _num_lost_before(self, stamp: int) -> int:
        """Number of packets before an image that gave none themselves; they are forgotten."""
        num_lost = 0
        while self._waiting and self._waiting[0] <= stamp:
            num_lost += heapq.heappop(self._waiting) < stamp
        return num_lost

    def _count_lost_chunks(self, stamp: int | None) -> int:
        if self._avi is None or stamp is None or self._last_image is None:
            return 0
        return self._avi.count_between(self._last_image, stamp)

    def _add(self, run: MissingImages) -> None:
        part = run.clip(self._selection.start_s, self._selection.end_s)
        if part is not None:
            add_missing(self.missing, part)
