"""Transcripts: a spoken sentence is roughly heard, silence is not, watched words follow their threshold, nothing is lost in JSON."""

import itertools
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_pipeline.audio import language, transcribers
from crm_pipeline.audio.recordings import read
from crm_pipeline.audio.sphinx import PocketSphinx
from crm_pipeline.audio.spotting import Spotter
from crm_pipeline.audio.transcribers import RATE, Transcript, Word, transcriber_of
from crm_pipeline.audio.transcripts import LONGEST, from_json, joined, to_json, transcribed
from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.sample import recordings as sample

SENTENCE = (
    Path(os.environ.get("CRM_REAL_DATA", "../shared/data"))
    / "speech_samples/librivox/sense_and_sensibility_01_austen_64kb-0880.wav"
)
SECONDS = st.floats(0, 100)


@pytest.fixture(scope="module")
def sphinx() -> PocketSphinx:
    return PocketSphinx(("cancel", "refund"))


class Parrot:
    """Says one word in the middle of whatever it hears."""

    key = "parrot"

    def transcribe(self, signal: np.ndarray, recorded: int = RATE) -> Transcript:
        middle = len(signal) / RATE / 2
        return Transcript((Word("ah", middle - 0.01, middle + 0.01, 0.25),))


@pytest.mark.skipif(not SENTENCE.exists(), reason="needs the real data that CRM_REAL_DATA names")
def test_a_sentence_that_a_person_reads_is_roughly_heard(sphinx: PocketSphinx) -> None:
    signal = read(SENTENCE)[0]
    whole = np.concatenate([np.zeros(2 * RATE, np.float32), signal])
    (said,) = transcribed(whole, [(2.0, len(whole) / RATE)], sphinx)
    assert len({"he", "was", "not", "man"} & set(said.text.split())) >= 3
    assert 2 <= said.start < 3 < said.end <= len(whole) / RATE
    assert transcribed(whole, [(2.0, len(whole) / RATE)], sphinx) == (said,)


def test_how_sure_words_are_differs(sphinx: PocketSphinx) -> None:
    _, sound = sample.caller("en-us+m1", "angry", np.random.default_rng(1))
    sure = [word.confidence for word in sphinx.transcribe(np.repeat(sound, 2).astype(np.float32), sample.RATE).words]
    assert min(sure) < 0.5 < max(sure)
    assert all(0 <= one <= 1 for one in sure)


@pytest.mark.parametrize("samples", [0, 1, RATE])
def test_nothing_is_heard_where_nothing_is_said(sphinx: PocketSphinx, samples: int) -> None:
    silent = np.zeros(samples, np.float32)
    assert sphinx.transcribe(silent) == Transcript()
    assert sphinx.transcribe(silent, 8000) == Transcript()
    assert transcribed(silent, [], sphinx) == ()
    assert transcribed(silent, [(0.0, samples / RATE), (5.0, 6.0)], sphinx) == ()


def test_a_watched_word_that_is_not_english_is_told_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert PocketSphinx(("cancel", "kündigen"), everything=True).watched == ("cancel",)
    assert "The watched word 'kündigen' is not in pocketsphinx's dictionary" in caplog.text


@given(st.lists(st.tuples(SECONDS, SECONDS).map(sorted).map(tuple)).map(sorted), st.floats(0.1, 110))
def test_what_is_listened_to_holds_every_stretch_once(stretches: list[tuple[float, float]], seconds: float) -> None:
    pieces = list(joined(stretches, seconds))
    assert all(0 <= start < end <= seconds for start, end in pieces)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(pieces))
    assert all(end - start <= LONGEST + 0.3 for start, end in pieces)
    for start, end in stretches:
        inside = min(end, seconds) - min(start, seconds)
        heard = sum(max(0.0, min(end, right) - max(start, left)) for left, right in pieces)
        assert heard == pytest.approx(inside, abs=1e-6)


@given(
    st.lists(st.tuples(st.sampled_from(("I", "cancelled", "my", "refund.", "order")), st.floats(0, 1))), st.floats(0, 1)
)
def test_a_watched_word_is_found_from_its_threshold_on(said: list[tuple[str, float]], least: float) -> None:
    words = tuple(Word(text, i, i + 1, sure) for i, (text, sure) in enumerate(said))
    hits = Spotter(("cancel", "refund"), {"cancel": least, "refund": 0}).spot(Transcript(words))
    assert [(hit.word, hit.start, hit.score) for hit in hits] == [
        ("cancel" if word.text == "cancelled" else "refund", word.start, word.confidence)
        for word in words
        if word.text == "refund." or (word.text == "cancelled" and word.confidence >= least)
    ]


def test_a_phrase_is_found_as_sure_as_its_least_sure_word() -> None:
    words = tuple(
        Word(text, i, i + 1, sure) for i, (text, sure) in enumerate((("my", 0.9), ("Lawyers", 0.4), ("my", 1)))
    )
    (hit,) = Spotter(("my lawyer",), {"my lawyer": 0.4}).spot(Transcript(words))
    assert (hit.start, hit.end, hit.score) == (0, 2, 0.4)
    assert not Spotter(("my lawyer",)).spot(Transcript(words))
    with pytest.raises(UsageError, match="no letter"):
        Spotter(("!",))


def test_forms_are_regular() -> None:
    assert {"cancels", "canceled", "cancelled", "cancelling", "cancellation"} <= language.forms("cancel")
    assert {"closed", "closing", "closes"} <= language.forms("close")
    assert "can" not in language.forms("cancel")


def test_words_that_follow_each_other_are_expected_together() -> None:
    written = language.arpa(("cancel", "my", "order"), lambda *words: 0.1, [("cancel", "my", "order")], {"cancel": 0.5})
    probabilities = [10 ** float(line.split()[0]) for line in written.split("\\2-grams:")[0].splitlines()[6:] if line]
    assert sum(probabilities) == pytest.approx(1, abs=0.001)
    assert " my order" in written
    assert " order cancel" not in written.replace("<s>", "")


def test_json_keeps_everything() -> None:
    said = transcribed(np.zeros(9 * RATE, np.float32), [(1, 2), (2.2, 3), (6, 7)], Parrot())
    assert [round(one.start, 2) for one in said] == [1.99, 6.49]
    assert all(one.low for one in said)
    assert from_json(to_json(said)) == said
    assert from_json(to_json(())) == ()
    with pytest.raises(CrmError, match="build it again"):
        from_json('[{"text": 1}]')


def test_a_setting_names_a_transcriber(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert transcriber_of("none") is None
    for setting in ("siri", "vosk", "vosk:", "none:x", "pocketsphinx:x"):
        with pytest.raises(UsageError, match="is not known: give pocketsphinx"):
            transcriber_of(setting)
    assert transcriber_of("pocketsphinx:everything").key != transcriber_of("pocketsphinx").key
    with pytest.raises(UsageError, match="names no folder"):
        transcriber_of(f"vosk:{tmp_path / 'absent'}")
    monkeypatch.setattr(transcribers, "_engine", lambda module, package: _ENGINES[module])
    signal = np.zeros(RATE, np.float32)
    for setting in (f"vosk:{tmp_path}", f"faster-whisper:{tmp_path}"):
        transcriber = transcriber_of(setting)
        assert transcriber is not None
        assert str(tmp_path) in transcriber.key
        assert transcriber.transcribe(signal).words == (Word("hello", 0.1, 0.4, 0.75),)


def test_an_engine_that_is_missing_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vosk", None)
    with pytest.raises(UsageError, match="pip install vosk"):
        transcriber_of(f"vosk:{tmp_path}")


class _Recogniser:
    def __init__(self, *given: object) -> None:
        self.heard = 0

    def SetWords(self, on: bool) -> None: ...

    def AcceptWaveform(self, data: bytes) -> bool:
        self.heard += len(data)
        return False

    def FinalResult(self) -> str:
        assert self.heard == 2 * RATE
        return '{"result": [{"word": "hello", "start": 0.1, "end": 0.4, "conf": 0.75}]}'


class _Whisper:
    def __init__(self, folder: str, **settings: object) -> None: ...

    def transcribe(self, signal: np.ndarray, **settings: object) -> tuple[list[SimpleNamespace], None]:
        word = SimpleNamespace(word=" hello", start=0.1, end=0.4, probability=0.75)
        return [SimpleNamespace(words=[word])], None


_ENGINES = {
    "vosk": SimpleNamespace(SetLogLevel=lambda level: None, Model=str, KaldiRecognizer=_Recogniser),
    "faster_whisper": SimpleNamespace(WhisperModel=_Whisper),
}
