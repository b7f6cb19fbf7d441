"""Columns of the audio room: what is measured of a recording, and what is understood of each call. No values here."""

from __future__ import annotations

from collections.abc import Iterable

from crm_pipeline.contracts.column import Output
from crm_pipeline.contracts.outputs import CARD

CEPSTRA = 13
_SPREAD = "standard deviation of the same over the frames in which somebody speaks"


def _line(name: str, meaning: str, unit: str = "") -> tuple[Output, Output]:
    """Return the columns of what is measured in each frame."""
    return (
        Output(f"{name}_mean", "float64", f"{meaning}, mean over the frames in which somebody speaks", unit),
        Output(f"{name}_spread", "float64", f"{meaning}, {_SPREAD}", unit),
    )


CHANNEL = (
    *(
        one
        for n in range(1, CEPSTRA + 1)
        for one in _line(f"mfcc_{n}", f"mel-frequency cepstral coefficient {n}", "dB")
    ),
    *(
        one
        for n in range(1, CEPSTRA + 1)
        for one in _line(
            f"mfcc_delta_{n}", f"change of mel-frequency cepstral coefficient {n}", "dB per frame of 32 ms"
        )
    ),
    *_line("centroid", "spectral centroid", "Hz"),
    *_line("roll_off", "spectral roll-off, below which lie 85 % of the spectrum", "Hz"),
    *_line("crossings", "zero crossings", "share of samples"),
    *_line("level", "level as recorded", "dB of full scale"),
    Output("pitch_median", "float64", "pitch of the voice, median; null where nothing is voiced", "Hz"),
    Output(
        "pitch_range",
        "float64",
        "from the 5th to the 95th percentile of the pitch; null where nothing is voiced",
        "semitones",
    ),
    Output("voiced_share", "float64", "share of the speech that is voiced", "share"),
    Output("speaking_rate", "float64", "syllables per second of speech, counted by their nuclei", "1/s"),
    Output("speech_seconds", "float64", "how long somebody speaks", "s"),
    Output("silence_share", "float64", "share of the recording in which nobody speaks in the channel", "share"),
    Output("clipped_share", "float64", "share of the recorded samples at full scale", "share"),
)
"""Of each channel in which enough is heard."""

CALL = (
    Output("seconds", "float64", "length of the recording", "s"),
    Output("overlap_share", "float64", "share of the recording in which both channels speak; null with one channel", "share"),
    Output("hold_seconds", "float64", "stretches of 10 s and more in which nobody speaks, or only a steady tone sounds", "s"),
    Output("longest_silence", "float64", "longest stretch in which nobody speaks", "s"),
)  # fmt: skip
"""Of the recording as a whole."""

CALLER, AGENT, BOTH = "caller", "agent", "both"
"""Whose voice a channel has; with one channel it has both."""

CALLS = (
    Output("call_id", "text", "which call"),
    Output("channel", "int64", "channel of its recording, from 1; two that are equal are one"),
    Output("speaker", "text", "whose voice it has: caller or agent, or both where there is one channel"),
    Output("customer_id", "text", "the customer; null where the source does not tell who"),
    Output("event_at", "timestamp", "when the call began", "UTC"),
    Output("recording", "text", "SHA-256 of the recording"),
    Output("reason", "text", "why nothing is measured in the channel; null where something is"),
    *CALL,
    *CHANNEL,
    Output("emotion", "text", "how the voice sounds, by the labels it was learned from; unknown where that cannot be said"),
    Output("emotion_probability", "float64", "calibrated probability of the likeliest label; null where there is none", "probability"),
    Output("emotion_reason", "text", "why the emotion is unknown"),
    Output("emotion_windows", "text", "emotion over time: start, end, emotion and probability of each window, as JSON"),
    Output("transcript", "text", "what is said, as heard by the transcriber, masked as messages are; null where nothing is heard"),
    Output("confidence", "float64", "how sure that is: of its words, by their length", "probability"),
    Output("low_confidence", "bool", "it is so unsure that it should be heard before it is believed"),
    Output("watched", "text", "the watched words in it, separated by commas; null where there is none"),
    Output("utterances", "text", "start, end, text and confidence of what is said without a pause, as JSON, masked"),
)  # fmt: skip
"""The table ``audio/calls``: a row for each channel of each call that has a recording."""

LABELS = (
    Output("path", "text", "a labelled recording, as the file of labels names it"),
    Output("emotion", "text", "how it sounds"),
    Output("speaker", "text", "who speaks in it"),
    Output("seconds", "float64", "its length without the silence before and after", "s"),
    Output("level", "float64", "root mean square of its active frames", "share of full scale"),
    Output("vector", "binary", "what is measured of it: 591 numbers of 4 bytes"),
    Output("image", "binary", "its log-mel spectrogram: 40 bands by 64 columns of 4 bytes"),
    Output("normalised", "bool", "what is measured is held against the speaker's other recordings"),
)  # fmt: skip

AUDIO: dict[str, tuple[Output, ...]] = {"calls": CALLS, "labels": LABELS, "emotion_model": CARD}
"""The tables ``audio/<name>``."""

HEARD_OF_A_CUSTOMER = (
    Output("customer_id", "text", "the customer"),
    Output("period_start", "date32", "first day of the period"),
    Output("n_heard", "int64", "calls with a recording in which something is measured", "calls"),
    Output("call_ms", "int64", "their length, added up", "ms"),
    Output("speech_ms", "int64", "how long the caller speaks in them", "ms"),
    Output("silence_ms", "int64", "how long the caller does not", "ms"),
    Output("overlap_ms", "int64", "how long both speak at once", "ms"),
    Output("hold_ms", "int64", "how long nobody speaks for 10 s and more", "ms"),
    Output("syllables", "int64", "syllables of the caller", "thousandths"),
    Output("n_pitched", "int64", "calls in which the caller's voice has a pitch", "calls"),
    Output("pitch_range_sum", "int64", "range of that pitch, added up", "thousandths of a semitone"),
    Output("level_spread_sum", "int64", "spread of the caller's level, added up over the calls", "thousandths of a dB"),
    Output("n_watched", "int64", "calls in which a watched word is heard", "calls"),
    Output("n_felt", "int64", "calls in which it is known how the caller sounds", "calls"),
)  # fmt: skip

EMOTION_COLUMN = "emotion_"
"""Prefix of the column that counts the calls in which the caller sounds like a label."""


def heard_columns(emotions: Iterable[tuple[str, str]]) -> tuple[Output, ...]:
    """Return the columns of ``activity/audio``; ``emotions`` are those with a column of their own, as (slug, label)."""
    counted = (
        Output(f"{EMOTION_COLUMN}{slug}", "int64", f"calls in which the caller sounds {label}", "calls")
        for slug, label in emotions
    )
    return (*HEARD_OF_A_CUSTOMER, *counted)
