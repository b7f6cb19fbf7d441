"""A small neural network, fitted and asked in NumPy alone; its attributions are exact integrated gradients."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from crm_pipeline.modeling.calibration import expit, logit
from crm_pipeline.modeling.estimators.inputs import Inputs
from crm_pipeline.modeling.estimators.learner import ProbabilityLearner, Tabular
from crm_pipeline.modeling.estimators.rows import sampled
from crm_pipeline.modeling.estimators.stopping import best_epoch, known_and_asked, log_loss
from crm_pipeline.modeling.preprocessing import learnable, matrix

FADING = (0.9, 0.999)
"""Shares that the moments of the gradient keep from step to step (Kingma & Ba 2015)."""


class NetworkChurn(Tabular, ProbabilityLearner):
    """The average, in log-odds, of networks with one hidden layer (ReLU) that start from different weights.

    They are fitted by AdamW (Loshchilov & Hutter 2019), for as many steps as foretold later rows of other customers best
    (`stopping`); with too few rows for that, half of the epochs.

    An average of such networks is one network with a wider layer. On the straight way from the average customer to a customer each
    hidden unit is linear but for one bend, so that integrated gradients (Sundararajan et al. 2017) have a closed form,
    the rescale rule of DeepLIFT (Shrikumar et al. 2017), and are complete.

    Parameters
    ----------
    networks, hidden : int
        Networks averaged, and hidden units of each.
    rate, decay : float
        Learning rate, and decay of the weights in units of it.
    batch, epochs : int
        Rows of one step, and passes over the rows at most.
    rows : int
        Rows fitted at most: those of a fixed sample of customers.
    seed : int
        Same seed, same model.
    """

    def __init__(
        self,
        networks: int = 3,
        hidden: int = 16,
        rate: float = 2e-3,
        decay: float = 1.0,
        batch: int = 256,
        epochs: int = 30,
        rows: int = 100_000,
        seed: int = 0,
    ):
        self.networks = networks
        self.hidden = hidden
        self.rate = rate
        self.decay = decay
        self.batch = batch
        self.epochs = epochs
        self.rows = rows
        self.seed = seed

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> NetworkChurn:
        """Fit on the columns of ``X`` (n × features) and labels 0/1."""
        from threadpoolctl import threadpool_limits  # comes with scikit-learn

        self.columns_ = learnable(X)
        at = sampled(X, self.rows)
        X, y = X.iloc[at], np.asarray(y, dtype="float32")[at]
        values = matrix(X, self.columns_)
        self.inputs_ = Inputs().fit(values)
        shown = self.inputs_.of(values).astype("float32")
        known, asked = known_and_asked(X)
        with threadpool_limits(limits=1, user_api="blas"):  # the order of its sums is then the same anywhere
            self.steps_ = self._best_steps(shown, y, known, asked)
            weights = self._start(shown, y)
            for _ in self._epochs(weights, shown, y, self.steps_):
                pass
        into, offsets, out, levels = (w.astype("float64") for w in weights)
        self.into_, self.offsets_, self.out_, self.level_ = into, offsets, out / self.networks, float(levels.mean())
        return self

    def _best_steps(self, shown: np.ndarray, y: np.ndarray, known: np.ndarray, asked: np.ndarray) -> int:
        """Return after how many steps on the known rows the networks foretold the asked ones best."""
        if not known.any():
            return self.epochs // 2 * -(-len(y) // self.batch)
        weights, each = self._start(shown[known], y[known]), -(-int(known.sum()) // self.batch)
        epochs = self._epochs(weights, shown[known], y[known], each * self.epochs)
        return each * best_epoch(
            log_loss(y[asked], self._log_odds(weights, shown[asked])[0].mean(axis=1)) for _ in epochs
        )

    def _start(self, shown: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        """Return weights into the hidden units, their offsets, their weights in the answer, and each network's level."""
        draw, size, width = np.random.default_rng(self.seed), shown.shape[1], self.networks * self.hidden
        share = (y.sum() + 1) / (len(y) + 2)
        weights = [
            draw.normal(0, np.sqrt(1 / size), (size, width)),
            np.zeros(width),
            draw.normal(0, np.sqrt(1 / self.hidden), width),
            np.full(self.networks, logit(share)),
        ]
        return [w.astype("float32") for w in weights]

    def _epochs(self, weights: list[np.ndarray], shown: np.ndarray, y: np.ndarray, steps: int) -> Iterator[None]:
        """Take so many steps of AdamW with ``weights``, changed in place; pause after each epoch."""
        draw = np.random.default_rng([self.seed, 1])
        moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
        each, step = -(-len(y) // self.batch), 0
        while step < steps:
            for rows in np.array_split(draw.permutation(len(y)), each)[: steps - step]:
                step += 1
                gradient = self._gradient(weights, shown[rows], y[rows])
                for w, g, (first, second) in zip(weights, gradient, moments, strict=True):
                    first += (1 - FADING[0]) * (g - first)
                    second += (1 - FADING[1]) * (g * g - second)
                    if w.ndim > 1:
                        w *= 1 - self.rate * self.decay
                    own = np.sqrt(second / (1 - FADING[1] ** step)) + 1e-8
                    w -= self.rate / (1 - FADING[0] ** step) * first / own
            yield

    def _log_odds(self, weights: list[np.ndarray], shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the log-odds of each network (n × networks), and the hidden units behind them."""
        hidden = np.maximum(shown @ weights[0] + weights[1], 0)
        return (hidden * weights[2]).reshape(len(shown), self.networks, self.hidden).sum(axis=2) + weights[3], hidden

    def _gradient(self, weights: list[np.ndarray], shown: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        """Return the gradient of the networks' mean log losses by each of the weights."""
        z, hidden = self._log_odds(weights, shown)
        gap = (expit(z) - y[:, None]).astype("float32") / np.float32(len(y))
        wide = np.repeat(gap, self.hidden, axis=1)
        back = wide * weights[2] * (hidden > 0)
        return [shown.T @ back, back.sum(axis=0), (wide * hidden).sum(axis=0), gap.sum(axis=0)]

    def _raw(self, values: np.ndarray) -> np.ndarray:
        return self.level_ + np.maximum(self.inputs_.of(values) @ self.into_ + self.offsets_, 0) @ self.out_

    def _terms(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        shown = self.inputs_.of(values)
        moved, start = shown @ self.into_, np.maximum(self.offsets_, 0)
        near = np.abs(moved) < 1e-9
        rise = np.maximum(moved + self.offsets_, 0) - start
        slope = np.where(near, self.offsets_ > 0, rise / np.where(near, 1.0, moved))
        terms = shown * ((slope * self.out_) @ self.into_.T)
        return self.inputs_.by_column(terms), float(self.level_ + start @ self.out_)
