"""Watched words as a synthesizer says them, and finding them by their sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crm_pipeline.audio import exemplars, keywords, listening
from crm_pipeline.audio.exemplars import material
from crm_pipeline.audio.extra import imported
from crm_pipeline.audio.recordings import RATE
from crm_pipeline.audio.synthesis import Delivery, EspeakNg, Speech, write_wav
from crm_pipeline.errors import UsageError

pytest.importorskip("espeakng_loader")
pytest.importorskip("pocketsphinx")

KNOWN = ["refund", "refunds", "refunded", "reform", "reflect", "fund", "hello"]
SENTENCES = [["where", "is", "my", "parcel"], ["please", "refund", "it"], ["thank", "you", "for", "your", "help"]]
VOICES = ("m1", "f1", "m5")


@pytest.fixture(scope="module")
def known() -> keywords.Keywords:
    with pytest.MonkeyPatch.context() as cheaper:
        cheaper.setattr(keywords, "NETS", 1)
        return keywords.learned(("refund",), 60, VOICES)


def signal(text: str, voice: str = "en-us+m1") -> np.ndarray:
    spoken = EspeakNg().say(text, Delivery(voice, rate=150))
    return imported("soxr").resample(spoken.samples.astype(np.float32) / 32768, spoken.rate, RATE)


def test_what_is_said_holds_the_word_and_its_forms_and_no_sentence_with_it() -> None:
    said = material(["refund"], KNOWN, SENTENCES, np.random.default_rng(0))
    assert said.wanted == [["refund", "refunded", "refunds"]]
    assert SENTENCES[1] not in said.sentences
    assert {"reform", "reflect"} <= set(said.near)
    assert not set(said.near) & {"refund", "refunds", "refunded"}


def test_of_a_phrase_the_last_word_takes_its_forms() -> None:
    said = material(["want refund"], KNOWN, SENTENCES, np.random.default_rng(0))
    assert said.wanted == [["want refund", "want refunded", "want refunds"]]


def test_words_lie_inside_the_recording_one_after_the_other() -> None:
    said = material(["refund"], KNOWN, SENTENCES, np.random.default_rng(0))
    made = list(exemplars.exemplars(said, VOICES, 12, np.random.default_rng(1)))
    words = [(one, word) for one in made for word in one.words]
    assert len(words) >= 10
    for one, (which, start, end) in words:
        assert which == 0
        assert 0 <= start < end <= len(one.signal) / RATE
        assert 0.2 < end - start < 1.5


def test_the_synthesizer_tells_where_words_begin() -> None:
    speech, begins = EspeakNg().timed("Please cancel my order", Delivery())
    assert [place for place, _ in begins] == [0, 7, 14, 17]
    times = [second for _, second in begins]
    assert times == sorted(times)
    assert times[-1] < len(speech.samples) / speech.rate


def test_the_judging_voices_teach_nothing() -> None:
    assert not {"m3", "m7", "f2", "f3"} & set(exemplars.VARIANTS)


def test_a_word_is_found_where_it_is_said(known: keywords.Keywords) -> None:
    before, after = signal("I would like a"), signal("refund for the chair")
    hits = known.find([(10.0, keywords.levels(np.concatenate([before, after])))])
    assert [hit.word for hit in hits] == ["refund"]
    assert hits[0].start == pytest.approx(10 + len(before) / RATE, abs=0.3)
    assert 0.5 < hits[0].score < 1


def test_a_word_of_a_recording_is_told_with_its_channel_and_time(known: keywords.Keywords, tmp_path: Path) -> None:
    before, said = signal("I would like a"), signal("refund for the chair")
    whole = np.concatenate([np.zeros(RATE, np.float32), before, said])
    write_wav(Speech(np.stack([0 * whole, whole], axis=1) * 32767, RATE), tmp_path / "call.wav")
    nobody, somebody = np.zeros((0, 2)), np.array([[1.0, len(whole) / RATE]])
    first, second = listening.spotted(tmp_path / "call.wav", [nobody, somebody], known)
    assert first == []
    assert [hit.word for hit in second] == ["refund"]
    assert second[0].start == pytest.approx(1 + len(before) / RATE, abs=0.3)


def test_nothing_is_found_in_silence_or_in_nothing(known: keywords.Keywords) -> None:
    assert known.find([]) == []
    assert known.find([(0.0, keywords.levels(np.zeros(RATE, np.float32)))]) == []


def test_the_same_words_teach_the_same() -> None:
    one, again = (keywords.learned.__wrapped__(("refund",), 6, VOICES) for _ in range(2))
    assert one.threshold == again.threshold
    assert all((a == b).all() for a, b in zip(one.nets[0], again.nets[0], strict=True))


def test_without_a_synthesizer_one_warning_says_so(caplog: pytest.LogCaptureFixture) -> None:
    def missing(words: tuple[str, ...]) -> keywords.Keywords:
        raise UsageError("espeakng_loader is not installed.")

    assert listening._keywords("pocketsphinx", ("refund",), missing) is None
    assert caplog.messages == [
        "Watched words are looked for in what is written down, where fewer are found: espeakng_loader is not installed."
    ]


@pytest.mark.parametrize(
    ("setting", "watched"), [("none", ("refund",)), ("vosk:here", ("refund",)), ("pocketsphinx", ())]
)
def test_other_transcribers_use_their_own_words(setting: str, watched: tuple[str, ...]) -> None:
    assert listening._keywords(setting, watched, keywords.learned) is None
