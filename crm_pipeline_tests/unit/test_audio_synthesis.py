"""Speech: the same words give the same bytes whatever was said before, and what cannot be said is one sentence."""

import hashlib
import subprocess
import sys
import threading
import wave
from pathlib import Path

import numpy as np
import pytest

from crm_pipeline import cli
from crm_pipeline.audio import extra
from crm_pipeline.audio.synthesis import Delivery, EspeakNg, Speech, write_wav
from crm_pipeline.errors import UsageError

TEXT = "I want to cancel my order."
TREMBLING = Delivery("en-us+f3", pitch=70, rate=220)


def digest(speech: Speech) -> str:
    return hashlib.sha256(speech.samples.tobytes()).hexdigest()


def test_the_same_words_give_the_same_bytes_after_others_and_in_another_process() -> None:
    first = digest(EspeakNg().say(TEXT, TREMBLING))
    EspeakNg().say("Something else entirely.", Delivery("de+whisper"))
    assert digest(EspeakNg().say(TEXT, TREMBLING)) == first
    code = "from crm_pipeline_tests.unit.test_audio_synthesis import *; print(digest(EspeakNg().say(TEXT, TREMBLING)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == first


def test_threads_do_not_disturb_each_other() -> None:
    alone = [digest(EspeakNg().say(TEXT, Delivery(voice))) for voice in ("en-us", "en-gb+f2")]
    found: dict[int, str] = {}

    def work(i: int) -> None:
        found[i] = digest(EspeakNg().say(TEXT, Delivery(("en-us", "en-gb+f2")[i % 2])))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[i] for i in range(8)] == alone * 4


def test_a_long_text_is_said_to_its_end() -> None:
    short, long = (EspeakNg().say(TEXT * n, Delivery()) for n in (1, 300))
    assert len(long.samples) > 200 * len(short.samples)


def test_delivery_is_heard() -> None:
    calm, loud, fast = (EspeakNg().say(TEXT, d) for d in (Delivery(), Delivery(volume=180), Delivery(rate=300)))
    assert np.abs(loud.samples.astype(int)).mean() > 1.2 * np.abs(calm.samples.astype(int)).mean()
    assert len(fast.samples) < 0.75 * len(calm.samples)


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        (TEXT, ["--voice", "en-usa"], "en-us"),
        (TEXT, ["--voice", "en-us+f33"], "try f3"),
        (TEXT, ["--voice", ""], "voice ''"),
        ("  ... ", [], "nothing to say"),
        (TEXT, ["--rate", "9"], "rate"),
    ],
)
def test_what_cannot_be_said_is_one_sentence(
    text: str, options: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["say", "--text", text, "--to", str(tmp_path / "a.wav"), *options])
    said = capsys.readouterr().err
    assert (left.value.code, said.count("\n"), list(tmp_path.iterdir())) == (2, 1, [])
    assert says in said


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        write_wav(Speech(np.zeros(3, np.int16), 8000), tmp_path / "no" / "a.wav")


def test_the_command_writes_a_wav(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["say", "--text", TEXT, "--voice", "en-gb+f2", "--to", str(tmp_path / "a.wav")])
    assert left.value.code == 0
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22050)
        assert file.getnframes() > 22050


def test_a_missing_extra_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UsageError, match=r"\.\[audio\]"):
        extra.imported("espeakng_loader")
