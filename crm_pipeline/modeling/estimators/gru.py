"""A gated recurrent unit over short sequences beside a linear term: fitted by Keras on JAX (the extra ``deep``), asked in NumPy alone.

What the sequences are of, and which customers they belong to, is not here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import islice
from typing import Any

import numpy as np

from crm_pipeline.modeling.calibration import logit
from crm_pipeline.modeling.estimators.stopping import best_epoch, log_loss

UNITS = 8
"""Of the state."""

EPOCHS, TOGETHER, RATE, DECAY = 30, 256, 1e-2, 0.3
"""Of the fit: passes over the rows at most, rows of one step, rate of learning, decay of weights. Set beforehand, not searched."""

PADDED = 128
"""Columns beside the sequence are filled up to a multiple of so many: one program, compiled once, fits tables of about the same width."""

DECIMALS = 4
"""Of the weights that are kept."""

BIAS, LEVEL = 2, 4
"""Places of the gates' bias and of the level among Keras's weights."""


def available() -> bool:
    """Return whether what fits a network is installed."""
    return all(find_spec(name) is not None for name in ("keras", "jax"))


@dataclass
class Network:
    """A fitted network: log-odds = state after the sequence · ``out`` + beside · ``linear`` + ``level``.

    Attributes
    ----------
    kernel, recurrent, bias : array (1, 3 units), (units, 3 units), (3 units,)
        Of the update gate, the reset gate and the candidate state, in this order (Cho et al. 2014).
    out, linear : array (units,), (columns,)
    level : float
    """

    kernel: np.ndarray
    recurrent: np.ndarray
    bias: np.ndarray
    out: np.ndarray
    linear: np.ndarray
    level: float

    def step(self, state: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Return the state (units × n) after one more value (n,) of each sequence."""
        units = len(self.out)
        given = self.kernel.T * seen + self.bias[:, None]
        asked = given[: 2 * units] + self.recurrent[:, : 2 * units].T @ state
        keep, reset = np.split(1 / (1 + np.exp(-np.clip(asked, -60, 60))), 2)
        candidate = np.tanh(given[2 * units :] + self.recurrent[:, 2 * units :].T @ (reset * state))
        return candidate + keep * (state - candidate)

    def run(self, state: np.ndarray, sequences: np.ndarray) -> np.ndarray:
        """Return the state (units × n) after sequences (n × length)."""
        for seen in np.ascontiguousarray(sequences.T):
            state = self.step(state, seen)
        return state

    def of_sequences(self, sequences: np.ndarray) -> np.ndarray:
        """Return what the sequences (n × length) add to the log-odds (n,)."""
        return self.out @ self.run(np.zeros((len(self.out), len(sequences)), sequences.dtype), sequences)

    def log_odds(self, sequences: np.ndarray, beside: np.ndarray) -> np.ndarray:
        """Return the log-odds (n,)."""
        return self.of_sequences(sequences) + beside @ self.linear + self.level

    def shares(self, sequences: np.ndarray) -> np.ndarray:
        """Return what each place of the sequences adds (n × length), against a sequence of zeros.

        The mean of two of the orders over which a Shapley value is the mean (Castro et al. 2009): places come to be known
        from the first to the last, and from the last to the first. Each order's terms sum to the whole, in single precision.
        """
        parts = (self.kernel, self.recurrent, self.bias, self.out, self.linear)
        kernel, recurrent, bias, out, linear = (part.astype("float32") for part in parts)
        light = Network(kernel, recurrent, bias, out, linear, self.level)
        return light._shares(sequences.astype("float32")).astype(float)

    def _shares(self, sequences: np.ndarray) -> np.ndarray:
        n, length = sequences.shape
        nothing = np.zeros_like(sequences)
        empty = np.zeros((len(self.out), n), sequences.dtype)
        forward, backward = (np.empty((n, length + 1), sequences.dtype) for _ in range(2))
        state = empty
        for known in range(length + 1):
            forward[:, known] = self.out @ self.run(state, nothing[:, known:])
            unknown = self.run(empty[:, :1], nothing[:1, known:])
            backward[:, known] = self.out @ self.run(unknown + empty, sequences[:, length - known :])
            if known < length:
                state = self.step(state, sequences[:, known])
        return (np.diff(forward, axis=1) + np.diff(backward, axis=1)[:, ::-1]) / 2


def fit(
    sequences: np.ndarray, beside: np.ndarray, y: np.ndarray, known: np.ndarray, asked: np.ndarray, seed: int
) -> Network:
    """Return a network fitted to sequences (n × length), columns beside them (n × columns) and labels 0/1 (n,).

    All rows are learned, for as many steps as, of the known rows alone, foretold the asked ones best (half of the epochs without any).
    """
    columns = beside.shape[1]
    width = columns + -columns % PADDED
    shown = np.pad(beside, ((0, 0), (0, width - columns))).astype("float32")
    data = (sequences[..., None].astype("float32"), shown, y.astype("float32"))

    def epochs(rows: np.ndarray) -> Iterator[Network]:
        draw = np.random.default_rng(seed)
        start, step = _program(sequences.shape[1], width)
        weights, moments = start(draw, float(logit((y[rows].sum() + 1) / (len(rows) + 2))))
        while True:
            for batch in np.resize(rows[draw.permutation(len(rows))], (-(-len(rows) // TOGETHER), TOGETHER)):
                weights, moments = step(weights, moments, *(part[batch] for part in data))
            kernel, recurrent, bias, out, level, linear = (
                np.round(np.asarray(w, np.float64), DECIMALS) for w in weights
            )
            yield Network(kernel, recurrent, bias, out[:, 0], linear[:columns, 0], float(level[0]))

    every, some = np.arange(len(y)), np.flatnonzero(known)
    best = EPOCHS // 2
    if len(some):
        said = (network.log_odds(sequences[asked], beside[asked]) for network in islice(epochs(some), EPOCHS))
        steps = best_epoch(log_loss(y[asked], z) for z in said) * -(-len(some) // TOGETHER)
        best = max(1, round(steps / -(-len(y) // TOGETHER)))
    return next(islice(epochs(every), best - 1, None))


def in_keras(length: int, columns: int) -> Any:
    """Return the network as a Keras model, not fitted."""
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    sequence, beside = keras.Input((length, 1)), keras.Input((columns,))
    state = keras.layers.GRU(UNITS, reset_after=False)(sequence)
    parts = [keras.layers.Dense(1)(state), keras.layers.Dense(1, use_bias=False)(beside)]
    return keras.Model([sequence, beside], keras.layers.add(parts))


@cache
def _program(length: int, columns: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return what gives the first weights and moments, and what changes both by a step on sequences, columns and labels."""
    model = in_keras(length, columns)
    import jax
    import keras

    optimizer = keras.optimizers.AdamW(RATE, weight_decay=DECAY)
    optimizer.build(model.trainable_variables)
    fresh = [variable.value for variable in optimizer.variables]
    unused = [variable.value for variable in model.non_trainable_variables]  # of dropout, which there is none of
    sizes = [variable.shape for variable in model.trainable_variables]

    def start(draw: np.random.Generator, level: float) -> tuple[list[Any], list[Any]]:
        scales = [0.0 if len(size) == 1 or size[0] == columns else 1 / np.sqrt(size[0]) for size in sizes]
        weights = [
            (scale * draw.normal(size=size)).astype("float32") for scale, size in zip(scales, sizes, strict=True)
        ]
        weights[BIAS][:UNITS] = np.log(
            draw.uniform(1, max(length - 1, 1), UNITS)
        )  # states that last (Tallec & Ollivier 2018)
        weights[LEVEL] += np.float32(level)
        return weights, fresh

    def loss(weights: Any, sequences: Any, beside: Any, y: Any) -> Any:
        z, _ = model.stateless_call(weights, unused, [sequences, beside])
        return keras.losses.binary_crossentropy(y[:, None], z, from_logits=True).mean()

    @jax.jit
    def step(weights: Any, moments: Any, sequences: Any, beside: Any, y: Any) -> Any:
        return optimizer.stateless_apply(moments, jax.grad(loss)(weights, sequences, beside, y), weights)

    return start, step
