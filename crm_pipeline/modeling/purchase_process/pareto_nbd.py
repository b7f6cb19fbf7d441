"""The Pareto/NBD purchase process: likelihood and predictions. Fitting and tables do not belong here.

Buying is Poisson with rate λ ~ Gamma(r, α) while alive; the lifetime is exponential with rate μ ~ Gamma(s, β).

Everything hangs on one number between 0 and 1: the probability that a customer alive at time u with x repeat purchases
dies before buying again,

    H(u, x) = E[μ/(λ+μ)],  λ ~ Gamma(r+x, α+u), μ ~ Gamma(s, β+u)
            = s/(r+s+x) · ((β+u)/(α+u))^s · 2F1(r+s+x, s+1; r+s+x+1; (α-β)/(α+u)),

since s/(r+s+x) · (A_1 - A_2) of Fader & Hardie (2014), eq. (3), is D(t_x) H(t_x) - D(T) H(T) with
D(u) = (α+u)^-(r+x) (β+u)^-s. It needs no case distinction between α and β, no difference of large numbers, and
depends on (x, u) alone, so that a million customers need some ten thousand values.

References
----------
Schmittlein, Morrison & Colombo (1987), "Counting your customers: who are they and what will they do next?",
Management Science 33(1), 1-24. Fader & Hardie (2005), "A note on deriving the Pareto/NBD model and related
expressions", brucehardie.com/notes/009. Fader & Hardie (2014), "Deriving the conditional PMF of the
Pareto/NBD model", brucehardie.com/notes/028.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crm_pipeline.modeling.purchase_process.death_first import death_first
from crm_pipeline.modeling.purchase_process.observations import (
    Floats,
    Observations,
    Prediction,
    check_customers,
    check_days,
    sum_by,
    unique_rows,
)
from crm_pipeline.modeling.purchase_process.observations import weighted_sum as dot


@dataclass(frozen=True)
class ParetoNBD:
    """A fitted Pareto/NBD; ``alpha`` and ``beta`` are in days. Methods take arrays or scalars, one value per customer.

    ``log_likelihood`` is without the penalty of the fit, per day (comparable between models of the same data);
    ``n`` counts the customers fitted on; ``converged`` is False where `fit_pareto_nbd` fell back.
    """

    r: float
    alpha: float
    s: float
    beta: float
    log_likelihood: float
    converged: bool
    n: int

    def probability_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """P(alive at T | x, t_x, T); Fader & Hardie (2005), eqs. (35) to (37), SMC (1987), eqs. (11) to (13)."""
        x_, t_, T_ = check_customers(x, t_x, T)
        return self._alive(x_, t_, T_, self._death_first(x_, T_))

    def probability_no_purchase(self, days: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """P(no purchase in (T, T+days] | x, t_x, T), exact; Fader & Hardie (2014), eq. (16) at x* = 0.

        No purchase until T+days is the history (x, t_x, T+days), so it is L(x, t_x, T+days) / L(x, t_x, T); written as
        1 - P(alive) · [(1 - H(T)) - (1 - H(T+days)) · D(T+days)/D(T)], where the bracket is P(buys | alive).
        """
        x_, t_, T_ = check_customers(x, t_x, T)
        death = self._death_first(x_, T_)
        return 1.0 - self._alive(x_, t_, T_, death) * self._buys_if_alive(check_days(days), x_, T_, death)

    def expected_purchases(self, days: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """E[purchase days in (T, T+days] | x, t_x, T]; Fader & Hardie (2005), eq. (41), without its pole at s = 1."""
        x_, t_, T_ = check_customers(x, t_x, T)
        alive = self._alive(x_, t_, T_, self._death_first(x_, T_))
        return alive * self._purchases_if_alive(check_days(days), x_, T_)

    def predict(self, days: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Prediction:
        """Give the three predictions in one pass."""
        x_, t_, T_ = check_customers(x, t_x, T)
        days, death = check_days(days), self._death_first(x_, T_)
        alive = self._alive(x_, t_, T_, death)
        buys = self._buys_if_alive(days, x_, T_, death)
        return Prediction(alive * self._purchases_if_alive(days, x_, T_), alive, 1.0 - alive * buys)

    def _death_first(self, x: Floats, u: Floats) -> Floats:
        """H(u, x), computed once per distinct (x, u)."""
        (ux, uu), code = unique_rows(x, u)
        ratio = (self.beta + uu) / (self.alpha + uu)
        return death_first(self.r + ux, self.s, ratio)[0][code]

    def _log_decay(self, x: Floats, start: Floats, stop: Floats) -> Floats:
        """ln D(start) - ln D(stop), not negative."""
        gap = stop - start
        return (self.r + x) * np.log1p(gap / (self.alpha + start)) + self.s * np.log1p(gap / (self.beta + start))

    def _alive(self, x: Floats, t_x: Floats, T: Floats, death_T: Floats) -> Floats:
        """1 / (1 - H(T) + H(t_x) D(t_x)/D(T))."""
        late = self._log_decay(x, t_x, T) + np.log(self._death_first(x, t_x))
        return np.exp(-np.maximum(np.logaddexp(np.log1p(-death_T), late), 0.0))

    def _buys_if_alive(self, days: float, x: Floats, T: Floats, death_T: Floats) -> Floats:
        later = T + days
        stays = np.exp(-self._log_decay(x, T, later)) * (1.0 - self._death_first(x, later))
        return np.clip((1.0 - death_T) - stays, 0.0, 1.0)

    def _purchases_if_alive(self, days: float, x: Floats, T: Floats) -> Floats:
        """(r+x)/(α+T) · (β+T) · (1 - e^(-(s-1) g)) / (s-1), g = ln((β+T+days)/(β+T))."""
        growth = np.log1p(days / (self.beta + T))
        power = (self.s - 1.0) * growth
        small = np.abs(power) < 1e-8
        safe = np.where(small, 1.0, power)
        mean = np.where(small, 1.0 - power / 2.0, -np.expm1(-safe) / safe)
        return (self.r + x) / (self.alpha + T) * (self.beta + T) * growth * mean


class Likelihood:
    """The Pareto/NBD log-likelihood of observations as a function of (ln r, ln α, ln s, ln β), with its gradient."""

    def __init__(self, data: Observations) -> None:
        self._data = data
        self._levels, level = np.unique(data.x, return_inverse=True)
        self._per_level = sum_by(level, data.weight, len(self._levels))
        n = len(data.x)
        pairs, code = unique_rows(np.concatenate([data.x, data.x]), np.concatenate([data.t_x, data.T]))
        self._pair_x, self._pair_u = pairs
        self._at_t: NDArray[np.intp] = code[:n]
        self._at_T: NDArray[np.intp] = code[n:]

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        """Value and gradient; Fader & Hardie (2014), eq. (3), in the form of the module's docstring:

        ln L = ln Γ(r+x) - ln Γ(r) + r ln α + s ln β + ln D(T) + ln(1 - H(T) + H(t_x) D(t_x)/D(T)).
        """
        from scipy.special import digamma, gammaln

        r, alpha, s, beta = np.exp(theta)
        data, m = self._data, r + self._data.x
        w, levels, per_level = data.weight, self._levels, self._per_level
        a_T, a_t, b_T, b_t = alpha + data.T, alpha + data.t_x, beta + data.T, beta + data.t_x
        u = self._pair_u
        ratio = (beta + u) / (alpha + u)
        H, H_m, H_s, H_ratio = death_first(r + self._pair_x, s, ratio)
        pair_d = np.stack([H_m, H_ratio * -ratio / (alpha + u), H_s, H_ratio / (alpha + u)])

        log_a_T, log_b_T = np.log(a_T), np.log(b_T)
        fade_a, fade_b = log_a_T - np.log(a_t), log_b_T - np.log(b_t)
        H_T, H_t = H[self._at_T], H[self._at_t]
        late = m * fade_a + s * fade_b + np.log(H_t)
        log_sum = np.logaddexp(np.log1p(-H_T), late)
        front = gammaln(r + levels) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
        value = dot(per_level, front) + dot(w, log_sum - m * log_a_T - s * log_b_T)

        dead = w * np.exp(late - log_sum)
        # the pairs' share of the gradient: -dH(T)/S + dead · dH(t_x)/H(t_x)
        on_pairs = sum_by(self._at_t, dead / H_t, len(H))
        on_pairs -= sum_by(self._at_T, w * np.exp(-log_sum), len(H))
        total = per_level.sum()
        d_r = dot(per_level, digamma(r + levels) - digamma(r) + np.log(alpha)) - dot(w, log_a_T) + dot(dead, fade_a)
        d_alpha = total * r / alpha - dot(w, m / a_T) + dot(dead, m * (1.0 / a_T - 1.0 / a_t))
        d_s = total * np.log(beta) - dot(w, log_b_T) + dot(dead, fade_b)
        d_beta = total * s / beta - s * dot(w, 1.0 / b_T) + s * dot(dead, 1.0 / b_T - 1.0 / b_t)
        gradient = np.array([d_r, d_alpha, d_s, d_beta]) + (pair_d * on_pairs).sum(axis=1)
        return value, gradient * np.exp(theta)
