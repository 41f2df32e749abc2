"""What became of trainings with several losses and learning rates, for scripts/compare_dense_losses.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

# A loss of the dense head this many times that of the start has run away.
_RUNAWAY = 3.0
# Curves are drawn from a tenth of the first value up to where they have run away; powers of ten.
_BOTTOM, _TOP = -1.0, math.log10(_RUNAWAY)


@dataclass(frozen=True)
class Outcome:
    """What became of one run.

    Attributes:
        loss: Name of the loss, or of the head.
        factor: Of the learning rate.
        seed: Of the training.
        seconds: Of the training.
        parameters: Of the dense head.
        gps: Mean GPS of the dev people in their annotated boxes; 0 where training failed.
        gps_inside: Likewise without background.
        failed_at: The step at which a loss was not finite any more; None if none was.
        curve: Sums of the dense losses, every ten steps.
    """

    loss: str
    factor: float
    seed: int
    seconds: float
    parameters: int
    gps: float
    gps_inside: float
    failed_at: int | None
    curve: list[float]

    @property
    def is_collapsed(self) -> bool:
        """Whether training failed, or ended with losses far above those of its start."""
        if self.failed_at is not None or not self.curve or not all(map(math.isfinite, self.curve)):
            return True
        return self.curve[-1] > _RUNAWAY * max(self.curve[0], 1e-6)


def print_table(outcomes: list[Outcome], measure: Callable[[Outcome], float], base_rate: float) -> None:
    """Print a measure by loss and learning rate, each seed beside the other, in Markdown."""
    factors = sorted({outcome.factor for outcome in outcomes})
    print("| loss | " + " | ".join(f"{base_rate * factor:g}" for factor in factors) + " | parameters | s |")
    print("|---|" + "---|" * (len(factors) + 2))
    for name in dict.fromkeys(outcome.loss for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.loss == name]
        cells = [
            " / ".join(describe(each, measure(each)) for each in own if each.factor == factor)
            for factor in factors
        ]
        seconds = float(np.median([outcome.seconds for outcome in own]))
        print(f"| {name} | " + " | ".join(cells) + f" | {own[0].parameters:,} | {seconds:.0f} |")


def describe(outcome: Outcome, measured: float) -> str:
    """The cell of a table: percent, or the step at which training failed."""
    if outcome.failed_at is not None:
        return f"failed at {outcome.failed_at}"
    return f"{100 * measured:.1f}" + (" (collapsed)" if outcome.is_collapsed else "")


def draw_curves(outcomes: list[Outcome], path: Path, base_rate: float) -> None:
    """Draw the sums of the dense losses of all runs: a row for each loss, a column for each learning rate.

    A grey line is the first value; heights are logarithmic.
    """
    names = list(dict.fromkeys(outcome.loss for outcome in outcomes))
    factors = sorted({outcome.factor for outcome in outcomes})
    wide, high, edge = 220, 110, 40
    image = np.full((high * len(names) + edge, wide * len(factors), 3), 255, np.uint8)
    for column, factor in enumerate(factors):
        _write(image, f"rate {base_rate * factor:g}", (column * wide + 8, 24))
    for outcome in outcomes:
        row, column = names.index(outcome.loss), factors.index(outcome.factor)
        corner = np.array([column * wide + 10, edge + row * high + 16])
        _write(image, outcome.loss, (column * wide + 8, edge + row * high + 12), 0.32)
        curve = np.array(outcome.curve)
        curve = curve[np.isfinite(curve)]
        if len(curve) < 2:
            continue
        heights = np.log10(np.maximum(curve, 1e-9) / max(curve[0], 1e-9))
        depths = (_TOP - np.clip(heights, _BOTTOM, _TOP)) / (_TOP - _BOTTOM)
        across = np.linspace(0, wide - 20, len(curve))
        points = corner + np.stack([across, depths * (high - 26)], axis=1)
        start_y = round(corner[1] + _TOP / (_TOP - _BOTTOM) * (high - 26))
        cv2.line(image, (int(corner[0]), start_y), (int(corner[0]) + wide - 20, start_y), (220, 220, 220))
        color = ((200, 90, 30), (30, 90, 200))[outcome.seed % 2]
        cv2.polylines(
            image, [points.round().astype(np.int32)], isClosed=False, color=color, lineType=cv2.LINE_AA
        )
    cv2.imwrite(str(path), image)


def _write(image: npt.NDArray[np.uint8], text: str, corner: tuple[int, int], size: float = 0.45) -> None:
    cv2.putText(image, text, corner, cv2.FONT_HERSHEY_SIMPLEX, size, (40, 40, 40), 1, cv2.LINE_AA)
