"""The MBG/NBD purchase process: likelihood and predictions. Fitting and tables do not belong here.

Buying is Poisson with rate λ ~ Gamma(r, α) while alive; after EVERY purchase, the first included, the customer drops
out with probability p ~ Beta(a, b). So a one-time buyer may be gone, unlike in the BG/NBD.

References
----------
Batislam, Denizel & Filiztekin (2007), "Empirical validation and comparison of models for customer base analysis",
International Journal of Research in Marketing 24(3), 201-209; the same model is the CBG/NBD of Hoppe & Wagner (2007),
Marketing ZFP 29(3), 75-90. Fader, Hardie & Lee (2005), "Counting your customers the easy way", Marketing Science
24(2), 275-284, gives the derivations for the BG/NBD that carry over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from crm_pipeline.modeling.purchase_process.observations import (
    Floats,
    Observations,
    Prediction,
    check_customers,
    check_days,
    one_blas_thread,
    sum_by,
    unique_rows,
)
from crm_pipeline.modeling.purchase_process.observations import weighted_sum as dot

_NODES = 48
_CHUNK = 20_000


@dataclass(frozen=True)
class MBGNBD:
    """A fitted MBG/NBD; ``alpha`` is in days. All methods take arrays or scalars and return one value per customer.

    ``log_likelihood`` is without the penalty of the fit, per day (comparable between models of the same data);
    ``n`` counts the customers fitted on; ``converged`` is False where `fit_mbg_nbd` fell back.
    """

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float
    converged: bool
    n: int

    def probability_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """P(alive at T | x, t_x, T) = 1 / (1 + a/(b+x) · ((α+T)/(α+t_x))^(r+x)), from the two terms of the likelihood.

        Batislam et al. (2007), the probability of being active; the BG/NBD's form, Fader, Hardie & Lee (2008),
        brucehardie.com/notes/021, has b+x-1 for b+x and is 1 at x = 0.
        """
        x_, t_, T_ = check_customers(x, t_x, T)
        return self._alive(x_, t_, T_)

    def probability_no_purchase(self, days: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """P(no purchase in (T, T+days] | x, t_x, T), exact.

        Dropping out happens only at a purchase, so one who is alive at T stays so until the next one, and λ given the
        history is Gamma(r+x, α+T): 1 - P(alive) · (1 - ((α+T)/(α+T+days))^(r+x)).
        """
        x_, t_, T_ = check_customers(x, t_x, T)
        return 1.0 - self._alive(x_, t_, T_) * self._buys_if_alive(check_days(days), x_, T_)

    def expected_purchases(self, days: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """E[purchase days in (T, T+days] | x, t_x, T]: P(alive) × E[(1 - e^(-λ p days)) / p | alive, x, T].

        The closed form is FHL (2005) eq. (10) with b+x+1 for b+x:
        (a+b+x)/(a-1) · [1 - ((α+T)/(α+T+days))^(r+x) · 2F1(r+x, b+x+1; a+b+x; days/(α+T+days))] · P(alive).
        It has a removable pole at a = 1 and cancels for small days/(α+T), so the same integral over p ~ Beta(a, b+x+1)
        is taken by Gauss-Jacobi quadrature.
        """
        x_, t_, T_ = check_customers(x, t_x, T)
        return self._alive(x_, t_, T_) * self._purchases_if_alive(check_days(days), x_, T_)

    def predict(self, days: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Prediction:
        """Give the three predictions in one pass."""
        x_, t_, T_ = check_customers(x, t_x, T)
        alive, days = self._alive(x_, t_, T_), check_days(days)
        return Prediction(
            alive * self._purchases_if_alive(days, x_, T_), alive, 1.0 - alive * self._buys_if_alive(days, x_, T_)
        )

    def _alive(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        log_odds = np.log(self.b + x) - np.log(self.a) - (self.r + x) * np.log1p((T - t_x) / (self.alpha + t_x))
        return np.exp(-np.logaddexp(0.0, -log_odds))

    def _buys_if_alive(self, days: float, x: Floats, T: Floats) -> Floats:
        return -np.expm1(-(self.r + x) * np.log1p(days / (self.alpha + T)))

    def _purchases_if_alive(self, days: float, x: Floats, T: Floats) -> Floats:
        """E[(1 - (1 + p z)^-(r+x)) / p], p ~ Beta(a, b+x+1), z = days/(α+T); once per distinct (x, T)."""
        (ux, uT), code = unique_rows(x, T)
        result = np.empty(len(ux))
        starts = np.flatnonzero(np.diff(ux, prepend=-1.0))
        with one_blas_thread():
            rules = [_beta_rule(self.a, self.b + float(level) + 1.0) for level in ux[starts]]
        for start, stop, (p, weight) in zip(starts, np.append(starts, len(ux))[1:], rules, strict=True):
            shape = self.r + float(ux[start])
            for low in range(start, stop, _CHUNK):
                z = days / (self.alpha + uT[low : min(low + _CHUNK, stop)])
                kernel = -np.expm1(-shape * np.log1p(z[:, None] * p)) / p
                result[low : low + len(z)] = (kernel * weight).sum(axis=1)
        return result[code]


def _beta_rule(a: float, b: float) -> tuple[Floats, Floats]:
    """Nodes in (0, 1) and weights (sum 1) of Gauss-Jacobi quadrature for p ~ Beta(a, b), by Golub & Welsch (1969)."""
    from scipy.linalg import eigh_tridiagonal

    # Jacobi recurrence with the weight (1-y)^(b-1) (1+y)^(a-1) on [-1, 1], p = (1+y)/2
    j = np.arange(1, _NODES, dtype=np.float64)
    s = 2.0 * j + a + b - 2.0
    diagonal = np.empty(_NODES)
    diagonal[0] = (a - b) / (a + b)
    diagonal[1:] = (a - b) * (a + b - 2.0) / (s * (s + 2.0))
    square = np.empty(_NODES - 1)
    square[0] = 4.0 * a * b / ((a + b) ** 2 * (a + b + 1.0))
    j, s = j[1:], s[1:]
    square[1:] = 4.0 * j * (j + a - 1.0) * (j + b - 1.0) * (j + a + b - 2.0) / (s**2 * (s + 1.0) * (s - 1.0))
    y, vectors = eigh_tridiagonal(diagonal, np.sqrt(square))
    return np.clip((1.0 + y) / 2.0, np.finfo(float).tiny, 1.0), vectors[0] ** 2


class Likelihood:
    """The MBG/NBD log-likelihood of observations as a function of (ln r, ln α, ln a, ln b), with its gradient."""

    def __init__(self, data: Observations) -> None:
        self._data = data
        self._levels, code = np.unique(data.x, return_inverse=True)
        self._per_level = sum_by(code, data.weight, len(self._levels))

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        """Value and gradient. Batislam et al. (2007), as FHL (2005) eq. (6) with a dropout at time 0 too:

        L = Γ(r+x) α^r / Γ(r) · { B(a, b+x+1)/B(a, b) · (α+T)^-(r+x) + B(a+1, b+x)/B(a, b) · (α+t_x)^-(r+x) },
        here with Γ(b+x) Γ(a+b) / (Γ(a+b+x+1) Γ(b)) taken out, so that the terms carry (b+x) and a.
        """
        from scipy.special import digamma, gammaln

        r, alpha, a, b = np.exp(theta)
        x, w = self._data.x, self._data.weight
        levels, per_level = self._levels, self._per_level
        common = gammaln(r + levels) - gammaln(r) + r * np.log(alpha)
        common += gammaln(b + levels) - gammaln(b) + gammaln(a + b) - gammaln(a + b + levels + 1.0)

        m, a_T, a_t = r + x, alpha + self._data.T, alpha + self._data.t_x
        log_T, log_t = np.log(a_T), np.log(a_t)
        stays = np.log(b + x) - m * log_T
        leaves = np.log(a) - m * log_t
        both = np.logaddexp(stays, leaves)
        value = dot(per_level, common) + dot(w, both)

        alive = w * np.exp(stays - both)
        gone = w * np.exp(leaves - both)
        total = per_level.sum()
        ends = digamma(a + b) - digamma(a + b + levels + 1.0)
        d_r = dot(per_level, digamma(r + levels) - digamma(r) + np.log(alpha)) - dot(alive, log_T) - dot(gone, log_t)
        d_alpha = total * r / alpha - dot(alive, m / a_T) - dot(gone, m / a_t)
        d_a = dot(per_level, ends) + gone.sum() / a
        d_b = dot(per_level, digamma(b + levels) - digamma(b) + ends) + dot(alive, 1.0 / (b + x))
        return value, np.array([d_r, d_alpha, d_a, d_b]) * np.exp(theta)
