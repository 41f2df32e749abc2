"""Notes of a part of a video: what the joining of parts needs of its frames besides their poses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from posetrack.errors import ResultsError
from posetrack.frame import FloatArray, Frame, Instances
from posetrack.processors.tracklets import ClothesDescriber, TrackletCollector
from posetrack.results.files import cannot_write, open_whole_bytes
from posetrack.skeleton import Skeleton
from trackers.appearance import NUM_BINS, PARTS


class NoteTaker:
    """A sink that notes the camera's motion in each frame, and people's clothes where a run describes them.

    Args:
        skeleton: The keypoints.
        look_at_images: Whether clothes are described.
    """

    def __init__(self, skeleton: Skeleton, *, look_at_images: bool) -> None:
        self._describe = ClothesDescriber(skeleton)
        self._collect = TrackletCollector(
            skeleton, max_interpolated_s=0.0, look_at_images=look_at_images, describe=self._note
        )
        self._frames: list[int] = []
        self._motions: list[FloatArray] = []
        self._seen: list[tuple[int, int]] = []
        self._clothes: list[FloatArray] = []

    def __call__(self, frame: Frame) -> None:
        """Note the next frame."""
        motion = frame.background_motion
        self._frames.append(frame.index)
        self._motions.append(np.full((2, 3), np.nan, np.float32) if motion is None else motion)
        self._collect(frame)

    def __len__(self) -> int:
        return len(self._frames)

    def write(self, path: Path) -> None:
        """Write the notes, as a whole.

        Raises:
            ResultsError: They cannot be written.
        """
        with open_whole_bytes(path) as file:
            np.savez(
                file,
                frames=np.array(self._frames, np.int64),
                motions=np.array(self._motions, np.float32).reshape(-1, 2, 3),
                seen=np.array(self._seen, np.int64).reshape(-1, 2),
                clothes=np.concatenate([np.zeros((0, PARTS, NUM_BINS), np.float32), *self._clothes]),
            )

    def _note(self, frame: Frame, people: Instances) -> FloatArray:
        clothes = self._describe(frame, people)
        assert people.track_ids is not None
        self._seen += [(frame.index, track_id) for track_id in people.track_ids.tolist()]
        self._clothes.append(clothes)
        return clothes


@dataclass(frozen=True, eq=False)
class PartNotes:
    """The notes of a part.

    Attributes:
        motions: The camera's motion (2, 3) by the index of a frame; None across a cut.
        clothes: Descriptions of clothes by the index of a frame and the track id in the part.
    """

    motions: dict[int, FloatArray | None]
    clothes: dict[tuple[int, int], FloatArray]


def read_notes(path: Path) -> PartNotes:
    """Read the notes of a part.

    Raises:
        ResultsError: The file cannot be read.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            arrays: dict[str, npt.NDArray[np.generic]] = {name: saved[name] for name in saved.files}
        frames, seen = arrays["frames"].tolist(), arrays["seen"].tolist()
        motions = [
            None if np.isnan(motion).any() else motion for motion in arrays["motions"].astype(np.float32)
        ]
        clothes = arrays["clothes"].astype(np.float32)
        return PartNotes(
            dict(zip(frames, motions, strict=True)),
            {(index, track_id): each for (index, track_id), each in zip(seen, clothes, strict=True)},
        )
    except OSError as error:
        raise cannot_write(path, error) from error
    except (ValueError, KeyError, BadZipFile, EOFError) as error:
        raise ResultsError(f"{path}: damaged; remove it, and run again") from error
