"""Whether a live session keeps up with its source, what holds it up, and what would help."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WAIT = "wait"
"""The stage in which the session waits for the source."""

DRAW = "draw"
"""The stage of drawing and of the outputs."""

_WINDOW_S = 5.0
_SLOW = 0.8
_FAST = 0.95
"""It is too slow under the first fraction of the source's rate, until it is above the second again."""
_STEADY = 1.3
_LEAST_FPS = 1.0
"""Sources slower than this are not measured: a second has no image."""
_EXPENSIVE_FROM_PEOPLE = 3
_FASTEST = "fast"
_WORDS = {
    "detect": "finding people",
    "estimate": "the poses in their boxes",
    "track": "tracking",
    "dense": "dense poses",
    DRAW: "drawing and the outputs",
}


@dataclass(frozen=True)
class SessionPace:
    """How a session keeps up with its source, over the last 5 seconds.

    Attributes:
        source_fps: Images a second that the source delivers; 0 as long as it is not known.
        fps: Images a second that are processed.
        slowest: The stage that takes most time.
        fraction: Fraction of the time that it takes.
        is_too_slow: Whether so many images are left out that it shows.
    """

    source_fps: float = 0.0
    fps: float = 0.0
    slowest: str = ""
    fraction: float = 0.0
    is_too_slow: bool = False


@dataclass(frozen=True)
class _Sample:
    now_s: float
    num_captured: int
    num_finished: int
    busy_s: dict[str, float]


class PaceMeter:
    """Measures the pace of a session."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget everything, as after a change of recipe or a pause."""
        self._samples: deque[_Sample] = deque()
        self._num_finished = 0
        self.pace = SessionPace()

    def add(self, now_s: float, num_captured: int, busy_s: Mapping[str, float]) -> SessionPace:
        """Count an image that is finished now.

        Args:
            now_s: The time on any clock.
            num_captured: Images that the source has delivered so far.
            busy_s: Time that each stage has taken so far.

        Returns:
            The pace; without a rate of the source until 5 seconds are measured.
        """
        self._num_finished += 1
        samples = self._samples
        samples.append(_Sample(now_s, num_captured, self._num_finished, dict(busy_s)))
        while len(samples) > 2 and now_s - samples[1].now_s >= _WINDOW_S:
            samples.popleft()
        first, last = samples[0], samples[-1]
        passed_s = last.now_s - first.now_s
        if passed_s >= _WINDOW_S:
            self.pace = self._measure(first, last, passed_s)
        return self.pace

    def _measure(self, first: _Sample, last: _Sample, passed_s: float) -> SessionPace:
        source_fps = (last.num_captured - first.num_captured) / passed_s
        fps = (last.num_finished - first.num_finished) / passed_s
        limit = _FAST if self.pace.is_too_slow else _SLOW
        is_too_slow = source_fps >= _LEAST_FPS and fps < limit * source_fps
        busy_s = {
            name: seconds - first.busy_s.get(name, 0.0) for name, seconds in last.busy_s.items() if name != WAIT
        }
        # The one of before, unless another one takes clearly more: the advice should not waver.
        before = self.pace.slowest
        slowest = max(busy_s, key=lambda name: busy_s[name] * (_STEADY if name == before else 1), default="")
        fraction = min(busy_s.get(slowest, 0.0) / passed_s, 1.0)
        return SessionPace(source_fps, fps, slowest, fraction, is_too_slow)


class Adviser:
    """Says that a session is too slow, and what would help; the words stay until something else would help.

    Args:
        recipes: The recipes that the session offers.
    """

    def __init__(self, recipes: Sequence[str]) -> None:
        self._recipes = recipes
        self._key: tuple[str, str] | None = None
        self._words = ""

    def advise(self, pace: SessionPace, *, recipe: str, num_people: int = 0, is_plain_cpu: bool = False) -> str:
        """Find the advice.

        Args:
            pace: The pace.
            recipe: The current recipe.
            num_people: People in the image.
            is_plain_cpu: Whether torch runs the networks on a CPU, for which there are faster engines.

        Returns:
            A few sentences in one line; empty where it is fast enough.
        """
        key = (recipe, pace.slowest) if pace.is_too_slow else None
        if key != self._key:
            self._key = key
            self._words = ""
            if key is not None:
                remedies = _find_remedies(
                    pace.slowest, recipe, self._recipes, num_people, is_plain_cpu=is_plain_cpu
                )
                self._words = _describe(pace, remedies)
        return self._words


def _describe(pace: SessionPace, remedies: Sequence[str]) -> str:
    what = _WORDS.get(pace.slowest, pace.slowest)
    return (
        f"too slow for this source: {pace.fps:.1f} of its {pace.source_fps:.1f} images a second, the others "
        f"are left out. Of the time {100 * pace.fraction:.0f} % goes into {what}. "
        f"What helps: {', or '.join(remedies)}"
    )


def _find_remedies(
    stage: str, recipe: str, recipes: Sequence[str], num_people: int, *, is_plain_cpu: bool
) -> list[str]:
    """What would help, the most effective first."""
    if stage == DRAW:
        return ["a smaller image from the camera", "masks and dense poses switched off (m, u)", "no recording"]
    remedies = []
    if stage == "dense":
        remedies.append("a recipe without dense poses")
    if recipe != _FASTEST and _FASTEST in recipes:
        remedies.append(f"--recipe {_FASTEST}")
    if is_plain_cpu:
        remedies.append("--engine openvino (pip install openvino)")
    if stage in ("estimate", "dense") and num_people >= _EXPENSIVE_FROM_PEOPLE:
        remedies.append("fewer people (--max-people, --roi)")
    if stage in ("detect", "track"):
        remedies.append("a smaller longest_side_px in a recipe of your own")
    if stage == "track":
        remedies.append("a smaller image from the camera")
    return [*remedies, "--precision bf16 on a CPU that computes in it, or a GPU"]
