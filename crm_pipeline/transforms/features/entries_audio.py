"""The customer features of what was said on the telephone, each once, as in `entries`. How they become a table is in `table`.

All are shares and means of the calls with a recording: recordings are kept for a while only, and to count them would tell of that.
"""

from __future__ import annotations

from collections.abc import Callable

from ibis.expr.types import Value

from crm_pipeline.contracts.calls import EMOTION_COLUMN
from crm_pipeline.transforms.features.feature import Feature, Rows, Shape, ratio

AUDIO = "audio"

SOUNDS = "heard_as_"
"""Prefix of the features that tell how the customer sounds."""


def audio(shape: Shape) -> list[Feature]:
    """How the customer speaks in calls, and how these go."""
    y = shape.year
    of = f"the recorded calls of the last {y} periods"

    def feature(name: str, what: str, unit: str, value: Callable[[Rows], Value]) -> Feature:
        return Feature(f"{name}_{y}", f"{what} {of}", unit, AUDIO, "calls", value, y)

    return [
        feature("heard_speech", "Share of the time in which the customer speaks, in", "share", _over("speech_ms", "call_ms")),
        feature("heard_overlap", "Share of the time in which both speak at once, in", "share", _over("overlap_ms", "call_ms")),
        feature("heard_hold", "Share of the time in which nobody speaks for 10 s and more, in", "share", _over("hold_ms", "call_ms")),
        feature("heard_rate", "Syllables per second of the customer's speech in", "1/s", _over("syllables", "speech_ms")),
        feature(
            "heard_pitch_range", "Range of the customer's pitch, on average over", "semitones",
            lambda a: ratio(a.sum("pitch_range_sum"), a.sum("n_pitched")) / 1000,
        ),
        feature(
            "heard_level_spread", "Spread of the customer's level, on average over", "dB",
            lambda a: ratio(a.sum("level_spread_sum"), a.sum("n_heard")) / 1000,
        ),
        feature("heard_watched", "Share with a watched word, of", "share", _over("n_watched", "n_heard")),
        *(
            feature(f"{SOUNDS}{slug}", f"Share that sounds {label}, of", "share", _over(f"{EMOTION_COLUMN}{slug}", "n_felt"))
            for slug, label in shape.emotions
        ),
    ]  # fmt: skip


def _over(part: str, whole: str) -> Callable[[Rows], Value]:
    return lambda a: ratio(a.sum(part), a.sum(whole))
