"""The one-euro filter for one number, line by line from Casiez, Roussel and Vogel (CHI 2012), Algorithm 1."""

import math


def naive_one_euro(
    values: list[float], times_s: list[float], min_cutoff: float, beta: float, derivative_cutoff: float
) -> list[float]:
    def alpha(cutoff: float, step: float) -> float:
        tau = 1 / (2 * math.pi * cutoff)
        return 1 / (1 + tau / step)

    out = [values[0]]
    dx_hat = 0.0
    for i in range(1, len(values)):
        step = times_s[i] - times_s[i - 1]
        dx = (values[i] - out[-1]) / step
        a = alpha(derivative_cutoff, step)
        dx_hat = a * dx + (1 - a) * dx_hat
        a = alpha(min_cutoff + beta * abs(dx_hat), step)
        out.append(a * values[i] + (1 - a) * out[-1])
    return out
