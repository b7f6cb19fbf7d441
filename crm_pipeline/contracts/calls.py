"""What is measured of one recording: of each of its channels, and of the call. No values here."""

from __future__ import annotations

from crm_pipeline.contracts.column import Output

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
