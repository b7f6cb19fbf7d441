"""Makes the recordings of the sample company: who says what in which voice and mood, over a telephone line. No tables of the company.

What is heard follows from the hidden arousal alone, into which the company's ``audio_effect`` goes: with 0 it says nothing of
the customer.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import pyarrow as pa

from crm_pipeline.audio.extra import imported
from crm_pipeline.audio.synthesis import Delivery, EspeakNg, Speech, write_wav
from crm_pipeline.errors import UsageError
from crm_pipeline.sample.files import LABELS
from crm_pipeline.sample.wordings import SLOTS
from crm_pipeline.sample.wordings_calls import AGENT, CALLS, FEELINGS, WATCHED

FOLDER = "recordings"
RATE = 8000
BAND = (250.0, 3600.0)  # of a good telephone line, Hz
TALKING = 0.08  # of full scale: a voice of volume 100, root mean square
LINE_DB, MORE_DB = -42.0, 8.0  # noise below the voice, and what is added to it where a caller is angry
MOODS = ("angry", "calm", "neutral")
ANGRY, CALM = 0.8, -0.8
TRAINING_VOICES = tuple(
    f"{language}+{variant}"
    for language in ("en-us", "en-gb")
    for variant in ("m1", "m2", "m4", "m8", "f1", "f4", "Alex", "Alicia")
)
VOICES = tuple(
    f"{language}+{variant}" for language in ("en-us", "en-gb-x-rp", "en-us-nyc") for variant in ("m3", "m7", "f2", "f3")
)
"""Of callers, who speak plainly: none of them is in the labelled recordings."""

AGENT_VOICES = ("en-us+f5", "en-gb+m5", "en-us+m6", "en-gb+Annie")
SAID_PER_MOOD = 2
SLOW = 150  # words per minute, of a neutral caller

# share of each intent by mood
_INTENTS = (
    "cancel",
    "refund",
    "lawyer",
    "supervisor",
    "delivery",
    "damaged",
    "invoice",
    "account",
    "product",
    "praise",
)
_SHARES = {
    "angry": (0.24, 0.2, 0.08, 0.14, 0.12, 0.14, 0.08, 0.0, 0.0, 0.0),
    "neutral": (0.08, 0.1, 0.01, 0.03, 0.18, 0.1, 0.15, 0.15, 0.2, 0.0),
    "calm": (0.03, 0.05, 0.0, 0.01, 0.1, 0.02, 0.15, 0.2, 0.34, 0.1),
}
# pitch, expression and volume in the synthesizer's units, rate in words per minute: what a mood adds to a voice
_DELIVERY = {"angry": (24, 35, 45, 20), "neutral": (0, 0, 0, 0), "calm": (-14, -30, -30, -20)}


@dataclass(frozen=True)
class Call:
    """What a caller says, and how."""

    intent: str
    mood: str
    text: str
    delivery: Delivery
    noise: float  # dB against the voice


def needed() -> None:
    """Refuse before anything is written if there is no synthesizer."""
    try:
        imported("espeakng_loader")
    except UsageError as error:
        raise UsageError(f"{error} Or make the company without recordings: --recordings 0.") from error


def latest(calls: pa.Table, recordings: int) -> np.ndarray:
    """Return the positions of the last calls by time: recordings are kept for a while only."""
    return np.arange(max(0, len(calls) - recordings), len(calls))


def write_calls(
    out: Path, calls: pa.Table, heard: pa.Table, recordings: int, rng: np.random.Generator
) -> tuple[pa.Table, pa.Table]:
    """Write the last calls as two channels, agent and caller; return the calls with their paths, and what was said.

    Parameters
    ----------
    out : Path
        The company's folder.
    calls, heard : Table
        In order of time, with ``call_id`` and ``customer_id``; ``arousal``.
    """
    kept = latest(calls, recordings)
    (out / FOLDER).mkdir(parents=True, exist_ok=True)
    call_ids, customers = (calls.column(name).to_pylist() for name in ("call_id", "customer_id"))
    arousal = heard.column("arousal").to_numpy()
    paths: list[str | None] = [None] * len(calls)
    rows = []
    for i in kept:
        voice = VOICES[crc32(str(customers[i]).encode()) % len(VOICES)]
        call = _drawn(mood_of(arousal[i]), voice, rng)
        greeting = AGENT[rng.integers(len(AGENT))]
        sound, begins = _conversation(call, greeting, AGENT_VOICES[rng.integers(len(AGENT_VOICES))], rng)
        paths[i] = f"{FOLDER}/{call_ids[i]}.wav"
        write_wav(Speech(sound, RATE), out / str(paths[i]))
        row = {"call_id": call_ids[i], "intent": call.intent, "mood": call.mood, "text": call.text}
        row |= {"watched": [w for w in WATCHED if w in call.text.lower()], "agent_text": greeting}
        rows.append(row | {"voice": voice, "caller_begins": begins, "seconds": len(sound) / RATE})
    place = calls.column_names.index("audio_path")
    return calls.set_column(place, "audio_path", pa.array(paths, pa.string())), pa.Table.from_pylist(rows, _SAID)


def write_labelled(out: Path, rng: np.random.Generator) -> None:
    """Write short recordings of voices that no call has, labelled with their mood; paths are relative to the labels' folder."""
    place = out / LABELS
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("w", newline="", encoding="utf-8") as file:
        labels = csv.writer(file, lineterminator="\n")
        labels.writerow(("path", "emotion", "speaker"))
        for voice in TRAINING_VOICES:
            for mood in MOODS:
                for n in range(SAID_PER_MOOD):
                    name = f"{voice}-{mood}-{n + 1}.wav"
                    write_wav(Speech(_int16(caller(voice, mood, rng)[1]), RATE), place.parent / name)
                    labels.writerow((name, mood, voice))


def caller(voice: str, mood: str, rng: np.random.Generator) -> tuple[Call, np.ndarray]:
    """Return what a caller with this voice in this mood says, and its sound over a line."""
    call = _drawn(mood, voice, rng)
    return call, _with_noise(_line(call.text, call.delivery), call.noise, rng)


def mood_of(arousal: float) -> str:
    """Return how a caller sounds."""
    return "angry" if arousal > ANGRY else "calm" if arousal < CALM else "neutral"


_SAID = pa.schema(
    {
        "call_id": pa.string(),
        "intent": pa.string(),
        "mood": pa.string(),
        "text": pa.string(),
        "watched": pa.list_(pa.string()),
        "agent_text": pa.string(),
        "voice": pa.string(),
        "caller_begins": pa.float64(),
        "seconds": pa.float64(),
    }
)


def _drawn(mood: str, voice: str, rng: np.random.Generator) -> Call:
    intent = _INTENTS[rng.choice(len(_INTENTS), p=_SHARES[mood])]
    said = [CALLS[intent][rng.integers(len(CALLS[intent]))]]
    if rng.random() < 0.5:
        said.insert(int(rng.integers(2)), FEELINGS[mood][rng.integers(len(FEELINGS[mood]))])
    slots = {name: by_language["en"][rng.integers(len(by_language["en"]))] for name, by_language in SLOTS.items()}
    text = " ".join(said).format(**slots)
    own = 42 + crc32(voice.encode()) % 17
    pitch, expression, volume, rate = (
        round(value) for value in np.array(_DELIVERY[mood]) + rng.normal(0, (3, 6, 8, 5))
    )
    delivery = Delivery(
        voice,
        pitch=int(np.clip(own + pitch, 0, 100)),
        expression=int(np.clip(50 + expression, 0, 100)),
        rate=int(np.clip(SLOW + rate, 80, 260)),
        volume=int(np.clip(100 + volume, 40, 170)),
    )
    noise = {"angry": 1.0, "neutral": 0.5, "calm": 0.3}[mood]
    return Call(intent, mood, text, delivery, LINE_DB + MORE_DB * noise + rng.normal(0, 2))


def _conversation(call: Call, greeting: str, agent: str, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Return (samples, 2) of agent and caller, and when the caller begins; the angry sometimes do not wait."""
    said = _line(call.text, call.delivery)
    hello = _greeting(greeting, agent)
    early = call.mood == "angry" and rng.random() < 0.4
    begins = max(0, len(hello) + int(RATE * (-0.35 if early else rng.uniform(0.2, 0.6))))
    sound = np.zeros((begins + len(said) + RATE // 4, 2))
    sound[: len(hello), 0] = hello
    sound[begins : begins + len(said), 1] = said
    noise = np.array([LINE_DB, call.noise])
    sound += TALKING * 10 ** (noise / 20) * rng.standard_normal(sound.shape)
    return _int16(sound), begins / RATE


def _line(text: str, delivery: Delivery) -> np.ndarray:
    """Return speech as a telephone line lets it through, 1.0 being full scale."""
    signal = imported("scipy.signal")
    speech = EspeakNg().say(text, delivery)
    slow = signal.resample_poly(speech.samples / 32768, RATE, speech.rate)
    return signal.sosfilt(signal.butter(2, BAND, "bandpass", fs=RATE, output="sos"), slow)


@functools.cache
def _greeting(text: str, voice: str) -> np.ndarray:
    return _line(text, Delivery(voice, rate=185))


def _with_noise(said: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    return said + TALKING * 10 ** (noise / 20) * rng.standard_normal(len(said))


def _int16(sound: np.ndarray) -> np.ndarray:
    return np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)
