"""Speech: how much of what is said is heard wrong, and how often a watched word is missed or made up.

Usage: ``python -m benchmarks.bench_speech [--calls 240] [--result FILE]``.

Words heard wrong are counted on recordings of real speech (librivox: a novel read aloud; cards: commands), ours beside
pocketsphinx's ``Decoder()`` at its defaults. Watched words are looked for in freshly made calls of the sample company's
callers, whose voices nothing was set on. No sentence of theirs is in the starter texts, from which the recogniser's language is
estimated; they were seen when settings were chosen, said by other voices.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crm_pipeline.audio import keywords
from crm_pipeline.audio.extra import imported
from crm_pipeline.audio.language import words_of
from crm_pipeline.audio.recordings import LEVEL, RATE, read
from crm_pipeline.audio.sphinx import PocketSphinx
from crm_pipeline.audio.spotting import Spotter
from crm_pipeline.audio.transcribers import pcm
from crm_pipeline.sample import recordings as sample

DATA = Path(os.environ.get("CRM_REAL_DATA", "../shared/data")) / "speech_samples"
TRANSCRIPTIONS = {"librivox": "librivox/transcription", "cards": "cards/cards.transcription"}
SEED = 7


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_speech", description=__doc__)
    parser.add_argument("--calls", type=int, default=240)
    parser.add_argument("--result", type=Path)
    given = parser.parse_args()
    started = time.perf_counter()
    sphinx = PocketSphinx(sample.WATCHED)
    found: dict[str, Any] = {"load seconds": time.perf_counter() - started, "real": {}}
    for name in TRANSCRIPTIONS:
        found["real"][name] = compared(sphinx, list(spoken(name)))
    found["watched"] = watched(sphinx, given.calls)
    text = json.dumps(found, indent=1)
    print(text)
    if given.result:
        given.result.write_text(text, encoding="utf-8")


def spoken(name: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield what is said in each real recording, and its signal."""
    place = DATA / TRANSCRIPTIONS[name]
    for line in place.read_text(encoding="utf-8").splitlines():
        said = re.fullmatch(r"<s>\s*(.*?)\s*</s>\s*\((.*)\)\s*", line)
        if said:
            yield said[1], read(place.parent / f"{said[2]}.wav")[0]


def compared(sphinx: PocketSphinx, recordings: Sequence[tuple[str, np.ndarray]]) -> dict[str, float]:
    """Return the word error rate and the processor seconds of ours and of the default decoder."""
    default = imported("pocketsphinx").Decoder(loglevel="FATAL")

    def plain(signal: np.ndarray) -> str:
        default.reinit_feat()
        default.start_utt()
        default.process_raw(pcm(signal), full_utt=True)
        default.end_utt()
        return default.hyp().hypstr if default.hyp() else ""

    found = {"recordings": len(recordings), "seconds": sum(len(signal) for _, signal in recordings) / RATE}
    for way, heard in (("ours", lambda signal: sphinx.transcribe(signal).text), ("Decoder()", plain)):
        started, wrong, said = time.process_time(), 0, 0
        for text, signal in recordings:
            wrong += errors(words_of(text), words_of(heard(signal)))
            said += len(words_of(text))
        found |= {f"{way}: words wrong": wrong / said, f"{way}: cpu seconds": time.process_time() - started}
    return found


def watched(sphinx: PocketSphinx, calls: int) -> dict[str, Any]:
    """Return how many watched words of made-up callers are found, how many are made up, and the cost, by both ways."""
    spotter, cpu = Spotter(sample.WATCHED), {"learning": time.process_time(), "dictation": 0.0, "sound": 0.0}
    known = keywords.learned(sample.WATCHED)
    cpu["learning"] = time.process_time() - cpu["learning"]
    found: dict[str, list[set[str]]] = {"dictation": [], "sound": []}
    there: list[set[str]] = []
    wrong = said = 0
    seconds = 0.0
    for call, signal in called(calls):
        started = time.process_time()
        heard = sphinx.transcribe(signal, sample.RATE)
        between = time.process_time()
        found["sound"].append({hit.word for hit in known.find([(0.0, keywords.levels(signal))])})
        cpu["sound"] += time.process_time() - between
        cpu["dictation"] += between - started
        found["dictation"].append({hit.word for hit in spotter.spot(heard)})
        there.append({word for word in sample.WATCHED if word in call.text.lower()})
        seconds += len(signal) / RATE
        wrong, said = wrong + errors(words_of(call.text), words_of(heard.text)), said + len(words_of(call.text))
    ways = {
        way: judged(there, hits, seconds) | {"cpu seconds per second": cpu[way] / seconds}
        for way, hits in found.items()
    }
    told = {"calls": calls, "hours": seconds / 3600, "words wrong": wrong / said}
    return told | {"cpu seconds of learning": cpu["learning"]} | ways


def called(calls: int) -> Iterator[tuple[sample.Call, np.ndarray]]:
    """Yield made-up calls and their signals."""
    soxr, rng = imported("soxr"), np.random.default_rng(SEED)
    for i in range(calls):
        voice = sample.VOICES[i % len(sample.VOICES)]
        call, sound = sample.caller(voice, sample.MOODS[i // len(sample.VOICES) % 3], rng)
        signal = soxr.resample(sound.astype(np.float32), sample.RATE, RATE)
        yield call, signal * np.float32(10 ** (LEVEL / 20) / np.sqrt(np.square(signal).mean()))


def judged(there: Sequence[set[str]], hits: Sequence[set[str]], seconds: float) -> dict[str, Any]:
    """Return recall and false alarms."""
    pairs = [*zip(there, hits, strict=True)]
    by_word = {
        word: {
            "said": sum(word in said for said in there),
            "found": sum(word in said & heard for said, heard in pairs),
            "made up": sum(word in heard - said for said, heard in pairs),
        }
        for word in sample.WATCHED
    }
    return {
        "recall": sum(c["found"] for c in by_word.values()) / max(1, sum(c["said"] for c in by_word.values())),
        "false alarms an hour": sum(c["made up"] for c in by_word.values()) / seconds * 3600,
        "calls with a false alarm": sum(bool(heard - said) for said, heard in pairs) / len(pairs),
        "by word": by_word,
    }


def errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Return the fewest words to put in, take out or exchange."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        before, row = row, [i]
        for j, other in enumerate(heard, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (word != other)))
    return row[-1]


if __name__ == "__main__":
    main()
