"""The one special function of the Pareto/NBD: dying before the next purchase. No data and no fitting belong here."""

from __future__ import annotations

import numpy as np

from crm_pipeline.modeling.purchase_process.observations import Floats

_DIGITS = 27.0  # e^-27 = 2e-12: where the tails of the integral are cut
_CHUNK = 1 << 20  # elements of a kernel matrix held at once (8 MiB each)


def death_first(m: Floats, s: float, ratio: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """H = E[μ/(λ+μ)] for λ ~ Gamma(m, 1) and μ ~ Gamma(s, ratio), and its derivatives in m, s and ratio.

    ``m`` and ``ratio`` (rate of μ over rate of λ) are equally long, ``s`` is one number; equal ``m`` must stand
    together (they share a grid). H = s/(m+s) · 2F1(1, m; m+s+1; 1-ratio), to about nine digits for any ratio in
    1e-4 … 1e4; the usual double precision 2F1 loses them all at some (m, s).

    With B = μ'/(λ'+μ') ~ Beta(s, m) and y = logit B, H is the integral over the real line of
    e^(sy) (1+e^y)^-(m+s) / B(s, m) · 1/(1 + ratio e^-y): analytic for |Im y| < π and with exponential tails, where the
    trapezoidal rule converges geometrically (Trefethen & Weideman 2014, SIAM Review 56(3), 385-458).
    """
    out = np.empty((4, len(m)))
    starts = np.flatnonzero(np.diff(m, prepend=-1.0))
    for start, stop in zip(starts, np.append(starts, len(m))[1:], strict=True):
        out[:, start:stop] = _one_m(float(m[start]), s, ratio[start:stop])
    out[0] = np.clip(out[0], np.finfo(np.float64).tiny, 1.0 - 2.0**-53)
    return out[0], out[1], out[2], out[3]


def _one_m(m: float, s: float, ratio: Floats) -> Floats:
    if m >= 1.0:
        return _integral(m, s, ratio)
    # a slow right tail: one step of a contiguous relation, H(m) (m+s) = s + (1-ratio) m H(m+1)
    up, up_m, up_s, up_ratio = _integral(m + 1.0, s, ratio)
    rest, total = 1.0 - ratio, m + s
    here = (s + rest * m * up) / total
    return np.stack(
        [
            here,
            (rest * (up + m * up_m) - here) / total,
            (1.0 + rest * m * up_s - here) / total,
            m * (rest * up_ratio - up) / total,
        ]
    )


def _integral(m: float, s: float, ratio: Floats) -> Floats:
    from scipy.special import betaln, digamma

    centre, spread = np.log(s / m), np.sqrt(1.0 / s + 1.0 / m)
    margin, step = min(8.0 * spread, 4.0), min(0.33, 0.55 * spread)
    kink = min(centre, float(np.log(ratio.min())))  # left of it the kernel adds 1 to the decay rate
    low = max(centre - _DIGITS / s, kink - _DIGITS / (1.0 + s)) - margin
    high = max(centre + margin, np.log(_DIGITS / m) + 1.0) + _DIGITS / m  # e^(-m e^y) for small s, then e^(-my)
    y = low + step * np.arange(int((high - low) / step) + 2)
    softplus = np.logaddexp(0.0, y)
    weight = step * np.exp(s * y - (m + s) * softplus - betaln(s, m))
    odds = np.exp(-y)
    by_m = weight * (digamma(m + s) - digamma(m) - softplus)
    by_s = weight * (digamma(m + s) - digamma(s) + y - softplus)
    weights = np.stack([weight, by_m, by_s, -weight * odds])

    out = np.empty((4, len(ratio)))
    rows = max(1, _CHUNK // len(y))
    for start in range(0, len(ratio), rows):
        kernel = 1.0 / (1.0 + ratio[start : start + rows, None] * odds)
        # einsum, not BLAS: a row's sum must not depend on the rows beside it
        out[:3, start : start + rows] = np.einsum("nj,kj->kn", kernel, weights[:3])
        out[3, start : start + rows] = np.einsum("nj,nj,j->n", kernel, kernel, weights[3])
    return out
