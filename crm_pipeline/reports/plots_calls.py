"""The figures of calls: data frames and what was measured of a recording in, matplotlib figures out. No HTML and no files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_pipeline.contracts.calls import AGENT, CALLER
from crm_pipeline.contracts.texts import UNKNOWN
from crm_pipeline.periods import Grain
from crm_pipeline.reports import theme
from crm_pipeline.reports.words import number, period

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from crm_pipeline.audio.measured import Measured

COLORS = (theme.RAISES, theme.CHAMPION, theme.GOOD, *(style["color"] for style in theme.BASELINES))
NYQUIST = 8_000.0
"""Hz of the highest mel band of a picture; the lowest begins at 0."""

QUIETEST = 64
"""Of a picture's 255: what is quieter, 60 dB below the loudest, is drawn as silence."""


def figures(counts: pd.DataFrame, watched: pd.DataFrame, grain: Grain, synthetic: bool) -> dict[str, Figure]:
    """Return the figures of the year's calls by name, for page and UI."""
    return {"calls": calls_over_time(counts, watched, grain=grain, synthetic=synthetic)}


def colors_of(emotions: Iterable[str]) -> dict[str, str]:
    """Return the colour of each emotion; unknown is grey."""
    known = [name for name in sorted(set(emotions)) if name != UNKNOWN]
    return {name: COLORS[n % len(COLORS)] for n, name in enumerate(known)} | {UNKNOWN: theme.OTHER}


def words_over_time(watched: pd.DataFrame) -> pd.DataFrame:
    """Return in how many calls each watched word was heard: periods by words."""
    counted: Counter[tuple[str, str]] = Counter()
    for key, words, n in watched.itertuples(index=False):
        counted.update({(key, word.strip()): int(n) for word in str(words).split(",")})
    found = pd.DataFrame([(*key, n) for key, n in counted.items()], columns=["period", "word", "n"])
    return found.pivot_table(index="period", columns="word", values="n", aggfunc="sum", fill_value=0)


def calls_over_time(
    counts: pd.DataFrame, watched: pd.DataFrame, *, grain: Grain = "month", synthetic: bool = False
) -> Figure:
    """Draw how many calls were heard by period, by how the caller sounds, and beside it in how many a watched word was said.

    ``counts``: period, emotion, n; ``watched``: period, watched, n.
    """
    from matplotlib.ticker import MaxNLocator

    figure, (left, right) = theme.blank(9.2, 3.2, columns=2, synthetic=synthetic)
    if counts.empty:
        theme.nothing(left, "No call of the last year was heard.")
        right.set_axis_off()
        return figure
    by = counts.pivot_table(index="period", columns="emotion", values="n", aggfunc="sum", fill_value=0)
    at, bottom, colors = range(len(by)), np.zeros(len(by)), colors_of(list(by.columns))
    for name in sorted(by.columns, key=lambda name: (name == UNKNOWN, name)):
        left.bar(at, by[name], bottom=bottom, color=colors[name], width=0.7, label=theme.plain(name))
        bottom = bottom + by[name].to_numpy()
    left.set_ylim(0, float(bottom.max()) * 1.3)
    theme.label(left, "How the caller sounds", "", "calls heard")
    said = words_over_time(watched).reindex(by.index, fill_value=0)
    for n, word in enumerate(said.columns):
        right.plot(
            at, said[word], color=COLORS[n % len(COLORS)], marker="o", linewidth=1.6, label=theme.plain(f"“{word}”")
        )
    right.set_ylim(0, max(float(said.to_numpy().max()) if said.size else 0.0, 1.0) * 1.35)
    theme.label(right, "Watched words", "", "calls with the word")
    step = max(1, -(-len(by) // 6))
    for axis in (left, right):
        axis.set_xticks(list(at)[::step], [period(key, grain) for key in by.index[::step]])
        axis.set_xlim(-0.6, len(by) - 0.4)
        axis.yaxis.set_major_formatter(lambda value, _: number(value))
        axis.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axis.grid(False, axis="x")
        theme.legend(axis, loc="upper left", ncols=3)
    return figure


def recording(
    sound: Measured,
    speakers: list[str],
    emotions: list[dict[str, Any]],
    *,
    known: Iterable[str] = (),
    synthetic: bool = False,
) -> Figure:
    """Draw a recording: waveform of each voice, the caller's mel spectrogram with the pitch, and how the caller sounds over time.

    ``speakers`` has one for each channel; ``emotions`` are windows (start, end, emotion, probability), ``known`` all emotions
    that the page shows, so that each has one colour on it.
    """
    heights = (1.2, 1.4, 0.8, *([0.4] if emotions else []))
    figure, (waves, mel, pitch, *felt) = theme.stacked(9.2, 1.1 * sum(heights), heights, synthetic=synthetic)
    _waves(waves, sound, speakers)
    mine = next((n for n, who in enumerate(speakers) if who != AGENT), 0)
    _spectrogram(mel, sound, sound.channels[mine].picture)
    _pitch(pitch, sound, sound.channels[mine].pitch)
    for axis in felt:
        _emotions(axis, emotions, colors_of([*known, *(str(one["emotion"]) for one in emotions)]))
    last = (felt or [pitch])[0]
    last.set_xlabel("seconds", fontsize=8.5, color=theme.MUTED)
    last.set_xlim(sound.begins, max(sound.ends, sound.begins + 0.1))
    return figure


def _waves(axis: Axes, sound: Measured, speakers: list[str]) -> None:
    for n, (channel, who) in enumerate(zip(sound.channels, speakers, strict=True)):
        level = -2.2 * n
        height = channel.envelope / max(float(channel.envelope.max(initial=0.0)), 1e-6)
        at = np.linspace(sound.begins, sound.ends, max(len(height), 1), endpoint=False)[: len(height)]
        color = theme.OTHER if who == AGENT else theme.CHAMPION
        axis.fill_between(at, level - height, level + height, color=color, linewidth=0, step="post")
    names = [who if who in (AGENT, CALLER) else "both" for who in speakers]
    axis.set_yticks([-2.2 * n for n in range(len(names))], names)
    axis.grid(False)


def _spectrogram(axis: Axes, sound: Measured, picture: np.ndarray) -> None:
    """Draw the mel bands up to what the recording can hold."""
    axis.grid(False)
    axis.set_ylabel("Hz", fontsize=8.5, color=theme.MUTED)
    top = min(sound.rate / 2, NYQUIST)
    if picture.size:
        extent = (sound.begins, sound.ends, 0.0, _slaney(NYQUIST))
        axis.imshow(picture, origin="lower", aspect="auto", cmap="Greys", extent=extent, vmin=QUIETEST, vmax=255)
    shown = [hz for hz in (500, 1000, 2000, 4000, 8000) if hz <= top]
    axis.set_yticks([_slaney(hz) for hz in shown], [number(hz) for hz in shown])
    axis.set_ylim(0, _slaney(top))


def _slaney(hertz: float) -> float:
    """Return the place of a frequency on Slaney's mel scale, as the bands of a picture lie."""
    return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * float(np.log(hertz / 1000) / np.log(6.4))


def _pitch(axis: Axes, sound: Measured, pitch: np.ndarray) -> None:
    at = sound.begins + 0.096 * np.arange(len(pitch))
    axis.plot(at, pitch, color=theme.RAISES, linewidth=2.0, marker=".", markersize=3)
    axis.set_ylabel("pitch, Hz", fontsize=8.5, color=theme.MUTED)
    axis.set_ylim(*(theme.finite_limits(pitch, 0.2) or (0, 1)))
    if not np.isfinite(pitch).any():
        axis.set_yticks([])
    axis.grid(False, axis="x")


def _emotions(axis: Axes, windows: list[dict[str, Any]], colors: dict[str, str]) -> None:
    axis.set_yticks([])
    axis.set_ylim(0, 1)
    axis.grid(False)
    axis.set_ylabel("sounds", fontsize=8.5, color=theme.MUTED, rotation=0, ha="right", va="center")
    for one in windows:
        start, end, name = float(one["start"]), float(one["end"]), str(one["emotion"])
        axis.barh(0.5, end - start, left=start, height=1.0, color=colors[name], alpha=0.55, edgecolor=theme.PAPER)
        sure = "" if one["probability"] is None else f" {one['probability']:.2f}"
        axis.text(
            (start + end) / 2,
            0.5,
            theme.plain(name + sure),
            ha="center",
            va="center",
            fontsize=7.5,
            color=theme.INK,
            clip_on=True,
        )
