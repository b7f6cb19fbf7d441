"""Measures recordings by librosa, one after the other, and by `measured_many`: ``python -m benchmarks.bench_audio``.

The recordings are real speech in the folder that ``CRM_REAL_DATA`` names (all of speech_samples, every tenth spoken digit of fsdd,
every second acted sentence of emodb). The plain loop is ``librosa.load(sr=16000, mono=False)``, ``librosa.feature.mfcc(n_mfcc=13)``, its
deltas, centroid, roll-off, zero crossings and level, and ``librosa.pyin`` on the same stretches of speech, which it is told, as it is
told offset and gain; what else `measured` finds (stretches, syllables, vectors of windows, pictures) it leaves out. numba has compiled
before the clock starts. Equal is a value within 0.2 % or 0.002 of the other, pitch within 0.01 Hz. The hour is a stereo telephone
call (8 kHz) of these recordings, made here and measured in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(os.environ.get("CRM_REAL_DATA", "../shared/data"))
PROCESSES, SEED, TELEPHONE = 2, 7, 8_000
NEAR = {"rtol": 2e-3, "atol": 2e-3}
HOUR = """
import sys, time
from benchmarks.meter import high_water
from crm_pipeline.audio.features import measured
began = time.process_time()
found = measured(sys.argv[1])
print(time.process_time() - began, high_water(), sum(len(one.windows) for one in found.channels))
"""


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_audio", description=__doc__)
    parser.add_argument("--minutes", type=int, default=60, help="Of the long call.")
    parser.add_argument("--rounds", type=int, default=2, help="Of each way; the fastest counts.")
    parser.add_argument("--result", type=Path)
    given = parser.parse_args()
    paths = recordings()
    found: dict[str, Any] = {"recordings": len(paths)}
    if paths:
        found |= compared(paths, given.rounds) | {"long": long_call(paths, given.minutes)}
    print(json.dumps(found, indent=1))
    if given.result:
        given.result.write_text(json.dumps(found), encoding="utf-8")


def recordings() -> list[Path]:
    """Return the recordings that are there."""
    digits, sentences = sorted((DATA / "fsdd" / "recordings").glob("*.wav")), sorted((DATA / "emodb").glob("*/*.wav"))
    return [*sorted((DATA / "speech_samples").glob("*/*.wav")), *digits[::10], *sentences[::2]]


def compared(paths: list[Path], rounds: int) -> dict[str, Any]:
    """Return how long both ways take, and whether their values are equal."""
    from crm_pipeline.audio.many import measured_many
    from crm_pipeline.audio.measured import Measured
    from crm_pipeline.audio.recordings import outline

    told = [(path, outline(path)) for path in paths]
    ours, plain = np.inf, np.inf
    for _ in range(rounds):
        began = time.perf_counter()
        table = measured_many(paths, PROCESSES)
        ours = min(ours, time.perf_counter() - began)
    found = [Measured.from_bytes(stored) for stored in table["measured"].to_pylist()]
    by_librosa(*told[0], found[0])
    for _ in range(rounds):
        began = time.perf_counter()
        values = [by_librosa(*one, each) for one, each in zip(told, found, strict=True)]
        plain = min(plain, time.perf_counter() - began)
    pairs = [
        (value, each.channels[channel].values[name])
        for each, of_channels in zip(found, values, strict=True)
        for channel, named in enumerate(of_channels)
        for name, value in named.items()
    ]
    left, right = np.array(pairs).T
    seconds = sum(each.seconds for each in found)
    return {"seconds": seconds, "plain": plain, "ours": ours, "ratio": plain / ours, "values": len(pairs)} | {
        "equal": float(np.isclose(left, right, equal_nan=True, **NEAR).mean())
    }


def by_librosa(path: Path, known: Any, found: Any) -> list[dict[str, float]]:
    """Return the values of each channel in which speech is heard."""
    import librosa

    from crm_pipeline.audio.features import GAP, PIECE, aligned
    from crm_pipeline.audio.pitch import HIGHEST, LOWEST
    from crm_pipeline.audio.recordings import RATE
    from crm_pipeline.audio.spectra import HOP
    from crm_pipeline.audio.speech import pieces

    whole = np.atleast_2d(librosa.load(path, sr=RATE, mono=False)[0])[: known.channels, known.start : known.stop]
    values = []
    for signal, channel in zip((whole - known.offset[:, None]) * known.gain[:, None], found.channels, strict=True):
        values.append({})
        if channel.values is None:
            continue
        mfcc = librosa.feature.mfcc(y=signal, sr=RATE, n_mfcc=13)
        lines = {f"mfcc_{n}": line for n, line in enumerate(mfcc, 1)}
        lines |= {f"mfcc_delta_{n}": line for n, line in enumerate(librosa.feature.delta(mfcc), 1)}
        lines["centroid"] = librosa.feature.spectral_centroid(y=signal, sr=RATE)[0]
        lines["roll_off"] = librosa.feature.spectral_rolloff(y=signal, sr=RATE)[0]
        lines["crossings"] = librosa.feature.zero_crossing_rate(signal)[0]
        lines["level"] = 20 * np.log10(np.maximum(librosa.feature.rms(y=signal)[0], 1e-5) / known.gain[len(values) - 1])
        spoken = channel.speech - known.start / RATE
        pitch = np.full(mfcc.shape[1], np.nan)
        for start, end in aligned(pieces(spoken, GAP, PIECE), len(signal)).tolist():
            hertz = librosa.pyin(signal[start:end], fmin=LOWEST, fmax=HIGHEST, sr=RATE)[0]
            pitch[start // HOP : start // HOP + len(hertz)] = hertz[: len(pitch) - start // HOP]
        times = np.arange(len(pitch)) * HOP / RATE
        speaks = np.any((times >= spoken[:, :1]) & (times < spoken[:, 1:]), axis=0)
        for name, line in lines.items():
            values[-1] |= {
                f"{name}_mean": line[speaks].mean(dtype=float),
                f"{name}_spread": line[speaks].std(dtype=float),
            }
        voiced = pitch[speaks & np.isfinite(pitch)]
        values[-1]["voiced_share"] = len(voiced) / np.count_nonzero(speaks)
        values[-1]["pitch_median"] = float(np.median(voiced)) if len(voiced) else np.nan
    return values


def long_call(paths: list[Path], minutes: int) -> dict[str, Any]:
    """Return the processor seconds and the peak memory (bytes) of a process that measures a long call."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "call.wav"
        write_call(path, paths, minutes)
        done = subprocess.run([sys.executable, "-c", HOUR, str(path)], capture_output=True, text=True, check=True)
    cpu, peak, windows = map(float, done.stdout.split())
    return {"minutes": minutes, "cpu": cpu, "peak": peak, "windows": int(windows)}


def write_call(path: Path, paths: list[Path], minutes: int) -> None:
    """Write a call in which two channels take turns, with noise on the line."""
    import soundfile

    from crm_pipeline.audio.recordings import read

    draw, written = np.random.default_rng(SEED), 0
    with soundfile.SoundFile(path, "w", TELEPHONE, 2, "PCM_16") as call:
        for turn in range(minutes * 60 * TELEPHONE):
            said = read(paths[turn % len(paths)])[0, ::2]
            both = draw.normal(0, 0.002, (len(said) + TELEPHONE // 4, 2))
            both[: len(said), turn % 2] += said
            call.write(both[: minutes * 60 * TELEPHONE - written])
            written += len(both)
            if written >= minutes * 60 * TELEPHONE:
                return


if __name__ == "__main__":
    main()
