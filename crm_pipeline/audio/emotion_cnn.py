"""A small convolutional network over the images of stretches of speech. Calibration and choosing do not belong here.

It is fitted by Keras on JAX (the extra ``deep``) and asked in NumPy alone. Images are what is kept of a recording, so it is they
that are varied: noise is added to their power, the bands below a telephone's are emptied, a part of them is stretched to their width.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

LAYERS = ((5, 12), (3, 24), (3, 48))
"""Side of the filters and their number, layer by layer; each halves the image."""

STEPS, TOGETHER, RATE, DECAY = 200, 32, 3e-3, 1e-2
"""Of the fit: steps, images in each, rate of learning (falling to 0 as a cosine), decay of weights. Set beforehand, not searched."""

COPIES, NOISE, LOW_BANDS, SHORTEST = 3, (-2.0, 1.5), 7, 0.75
"""Varied copies of an image; log power of their noise; bands below 300 Hz; least part of an image that is stretched."""

SCALE, PADDED = 3.0, 512
"""Log power that is 1 to the network; images are filled up to a multiple of so many, so that all folds are fitted by one program."""

DECIMALS = 4
"""Of the weights that are kept."""


@dataclass
class Network:
    """A fitted network.

    Attributes
    ----------
    weights : list of arrays
        Filters (side, side, from, to) and offsets of each layer, then those of the labels.
    """

    weights: list[np.ndarray]

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Return a score of each label (n × labels)."""
        found = (images / SCALE)[..., None].astype(np.float64)
        for filters, offsets in zip(self.weights[:-2:2], self.weights[1:-2:2], strict=True):
            found = np.maximum(_convolved(found, filters) + offsets, 0)
        pooled = np.concatenate([found.mean(axis=(1, 2)), found.max(axis=(1, 2))], axis=1)
        return pooled @ self.weights[-2] + self.weights[-1]


def available() -> bool:
    """Return whether what fits a network is installed."""
    return all(find_spec(name) is not None for name in ("keras", "jax"))


def fit(images: np.ndarray, codes: np.ndarray, classes: int, seed: int) -> Network:
    """Return a network fitted to images (n, bands, columns) and the numbers of their labels, each of which occurs."""
    rng = np.random.default_rng(seed)
    shown = np.concatenate([images, *(varied(images, rng) for _ in range(COPIES))]) / SCALE
    labels = np.tile(codes, 1 + COPIES)
    batches = rng.permuted(np.tile(np.arange(len(shown)), (-(-STEPS * TOGETHER // len(shown)), 1)), axis=1)
    batches = batches.ravel()[: STEPS * TOGETHER].reshape(STEPS, TOGETHER)
    spare = -len(shown) % PADDED
    shown = np.pad(shown, ((0, spare), (0, 0), (0, 0)))[..., None].astype(np.float32)
    start, learn = _program(classes, images.shape[1:], STEPS)
    weights = learn(start(seed), shown, np.pad(labels, (0, spare)), batches)
    return Network([np.round(np.asarray(one, np.float64), DECIMALS) for one in weights])


def in_keras(classes: int, shape: tuple[int, ...]) -> Any:
    """Return the network as a Keras model, not fitted; its weights are in the order of `Network.weights`."""
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    inputs = keras.Input((*shape, 1))
    found = inputs
    for side, filters in LAYERS:
        found = keras.layers.Conv2D(filters, side, strides=2, padding="same", activation="relu")(found)
    pooled = [keras.layers.GlobalAveragePooling2D()(found), keras.layers.GlobalMaxPooling2D()(found)]
    return keras.Model(inputs, keras.layers.Dense(classes)(keras.layers.concatenate(pooled)))


def varied(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return each image with noise, half of them without what a telephone leaves out, and a part of it stretched to its width."""
    count, bands, width = images.shape
    part = rng.uniform(SHORTEST, 1, (count,))
    begins = (1 - part) * rng.uniform(size=(count,))
    at = (begins[:, None] + part[:, None] * (np.arange(width) + 0.5) / width) * width - 0.5
    before = np.clip(np.floor(at).astype(int), 0, width - 2)
    share = np.clip(at - before, 0, 1)[:, None, :]
    places = np.broadcast_to(before[:, None, :], (count, bands, width))
    found = np.take_along_axis(images, places, 2) * (1 - share) + np.take_along_axis(images, places + 1, 2) * share
    noise = rng.uniform(*NOISE, (count, 1, 1)) + rng.normal(0, 0.5, found.shape)
    found = np.logaddexp(found, noise)
    found -= found.mean(axis=2, keepdims=True)
    found[rng.random(count) < 0.5, :LOW_BANDS] = 0
    return found


def _convolved(images: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Return images (n, rows, columns, from) under filters (side, side, from, to), at every second place; the rim is 0."""
    side = filters.shape[0]
    rim = [max(0, (-(-size // 2) - 1) * 2 + side - size) for size in images.shape[1:3]]
    padded = np.pad(images, ((0, 0), *((one // 2, one - one // 2) for one in rim), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))[:, ::2, ::2]
    return np.tensordot(windows, filters, axes=((3, 4, 5), (2, 0, 1)))


@cache
def _program(classes: int, shape: tuple[int, ...], steps: int) -> tuple[Callable[[int], Any], Callable[..., Any]]:
    """Return what gives the first weights by seed, and what fits them to images, labels and the places of each step's images."""
    model = in_keras(classes, shape)
    import jax
    import keras

    optimizer = keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(RATE, steps), weight_decay=DECAY)
    optimizer.build(model.trainable_variables)
    fresh = [variable.value for variable in optimizer.variables]

    def start(seed: int) -> list[Any]:
        draw = np.random.default_rng(seed)
        sizes = [variable.shape for variable in model.trainable_variables]
        return [
            draw.normal(0, np.sqrt(2 / np.prod(size[:-1])), size).astype(np.float32)
            if len(size) > 1
            else np.zeros(size, np.float32)
            for size in sizes
        ]

    def loss(weights: Any, images: Any, labels: Any) -> Any:
        scores, _ = model.stateless_call(weights, [], images)
        return keras.losses.sparse_categorical_crossentropy(labels, scores, from_logits=True).mean()

    @jax.jit
    def step(weights: Any, moments: Any, images: Any, labels: Any) -> Any:
        return optimizer.stateless_apply(moments, jax.grad(loss)(weights, images, labels), weights)

    def learn(weights: Any, images: Any, labels: Any, batches: Any) -> Any:
        moments = fresh
        for batch in batches:
            weights, moments = step(weights, moments, images[batch], labels[batch])
        return weights

    return start, learn
