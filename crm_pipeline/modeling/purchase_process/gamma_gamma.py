"""The Gamma-Gamma model of what a customer spends on a purchase day: likelihood, fit, expectation. How often they buy is elsewhere.

The mean of x purchases is Gamma(p x, ν x) given the customer's ν, and ν ~ Gamma(q, γ): spend varies between purchases (p) and
between customers (q, γ), independently of how often a customer buys.

References
----------
Fader, Hardie & Lee (2005), "RFM and CLV: using iso-value curves for customer base analysis", Journal of Marketing Research 42(4),
415-430. Fader & Hardie (2013), "The Gamma-Gamma model of monetary value", brucehardie.com/notes/025.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from crm_pipeline.modeling.purchase_process.fit import PRIOR_SD, descend
from crm_pipeline.modeling.purchase_process.observations import (
    Floats,
    one_blas_thread,
    sum_by,
    unique_rows,
    weighted_sum,
)

_STARTS = ((1.0, 0.5, 0.0), (0.0, 1.5, 1.0), (2.0, -0.5, -1.0))


@dataclass(frozen=True)
class GammaGamma:
    """A fitted Gamma-Gamma; ``gamma`` is in the unit of the amounts, ``q`` above 1, so that a mean exists.

    ``log_likelihood`` is without the penalty of the fit; ``n`` counts the customers fitted on.
    """

    p: float
    q: float
    gamma: float
    log_likelihood: float
    converged: bool
    n: int

    @property
    def population_mean(self) -> float:
        """Mean over customers of what one spends on a purchase day, p γ / (q - 1)."""
        return self.p * self.gamma / (self.q - 1.0)

    def expected_mean(self, x: ArrayLike, mean: ArrayLike) -> Floats:
        """E[mean spend | x, observed mean]; Fader & Hardie (2013), eq. (5): p (γ + m x) / (p x + q - 1).

        A weighted average of the population's mean and the customer's own; the fewer purchases, the more of the first.
        """
        x_, m_ = np.asarray(x, dtype=np.float64), np.asarray(mean, dtype=np.float64)
        return self.p * (self.gamma + m_ * x_) / (self.p * x_ + self.q - 1.0)


def fit_gamma_gamma(x: ArrayLike, mean: ArrayLike) -> GammaGamma:
    """Fit by penalised maximum likelihood, with the penalty and bounds of the purchase processes, in units of the mean spend.

    Parameters
    ----------
    x : array (n,)
        Purchases of each customer, at least 1.
    mean : array (n,)
        Mean amount of these, above 0.

    Raises
    ------
    ValueError
        No customer, a purchase count below 1, or a mean that is not finite and above 0.
    """
    x_, m_ = np.asarray(x, dtype=np.float64), np.asarray(mean, dtype=np.float64)
    if not len(x_) or (x_ < 1).any() or not (np.isfinite(m_).all() and (m_ > 0).all()):
        raise ValueError("every customer needs a purchase or more and a finite mean amount above 0")
    (ux, um), code = unique_rows(x_, m_)  # sorted, so that no sum depends on the order of customers
    weight = sum_by(code, np.ones(len(x_)), len(ux))
    total = float(len(x_))
    scale = weighted_sum(weight, um) / total
    scaled = um / scale

    def objective(theta: Floats) -> tuple[float, Floats]:
        value, gradient = log_likelihood(theta, ux, scaled, weight)
        return (float(theta @ theta) / (2.0 * PRIOR_SD**2) - value) / total, (theta / PRIOR_SD**2 - gradient) / total

    with one_blas_thread():
        ends = [descend(objective, np.array(start)) for start in _STARTS]
    best = min(ends, key=lambda end: (round(end.value, 9), not end.converged))
    p, q, gamma = natural(best.theta)
    value = log_likelihood(best.theta, ux, scaled, weight)[0] - total * float(np.log(scale))
    return GammaGamma(p, q, gamma * scale, value, best.converged, len(x_))


def natural(theta: Floats) -> tuple[float, float, float]:
    """Return p, q and γ of (ln p, ln(q - 1), ln γ)."""
    p, q1, gamma = np.exp(theta)
    return float(p), float(q1 + 1.0), float(gamma)


def log_likelihood(theta: Floats, x: Floats, mean: Floats, weight: Floats) -> tuple[float, Floats]:
    """Value and gradient in (ln p, ln(q - 1), ln γ); Fader & Hardie (2013), eq. (1a):

    ln Γ(px+q) - ln Γ(px) - ln Γ(q) + q ln γ - ln m + px ln(m x) - (px+q) ln(γ + m x), summed over customers.
    """
    from scipy.special import digamma, gammaln

    p, q, gamma = natural(theta)
    px, spend = p * x, mean * x
    both, ratio = np.log(gamma + spend), np.log(spend) - np.log(gamma + spend)
    each = gammaln(px + q) - gammaln(px) - gammaln(q) + q * (np.log(gamma) - both) - np.log(mean) + px * ratio
    common = digamma(px + q)
    d_p = weighted_sum(weight, x * (common - digamma(px) + ratio))
    d_q = weighted_sum(weight, common - digamma(q) + np.log(gamma) - both)
    d_gamma = weighted_sum(weight, q / gamma - (px + q) / (gamma + spend))
    return weighted_sum(weight, each), np.array([d_p * p, d_q * (q - 1.0), d_gamma * gamma])
