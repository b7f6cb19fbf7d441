"""The sample company's recordings: they change no other table, say what the truth says, and nothing of a customer at no effect."""

import csv
import re
import wave
from pathlib import Path

import numpy as np
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from crm_pipeline.audio.language import words_of
from crm_pipeline.audio.sphinx import STARTER
from crm_pipeline.errors import UsageError
from crm_pipeline.readiness import readiness
from crm_pipeline.sample import recordings, write_company
from crm_pipeline.sample.wordings_calls import CALLS as CALLS_SAY
from crm_pipeline.sample.wordings_calls import FEELINGS
from crm_pipeline.settings import load_settings
from crm_pipeline.sources.spec import load_source

CALLS = 12


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("recorded")
    write_company(out, customers=60, periods=6, recordings=CALLS)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_no_other_table_changes(company: Path, tmp_path: Path) -> None:
    write_company(tmp_path, customers=60, periods=6)
    without, recorded = contents(tmp_path), contents(company)
    new = {name for name in recorded if name not in without}
    assert {name.split("/")[0] for name in new} == {"recordings", "training", "truth"}
    assert {name for name, content in without.items() if recorded[name] != content} == {
        "calls.csv",
        "source.yaml",
        "README.txt",
        "truth/summary.json",
    }


def test_the_last_calls_have_a_recording_on_two_channels(company: Path) -> None:
    calls = pc.read_csv(company / "calls.csv")
    named = {row["audio_path"] for row in calls.to_pylist() if row["audio_path"]}
    said = pq.read_table(company / "truth" / "recordings.parquet").to_pylist()
    assert named == {f"recordings/{row['call_id']}.wav" for row in said}
    assert len(said) == CALLS
    for row in said:
        with wave.open(str(company / "recordings" / f"{row['call_id']}.wav")) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
            sound = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2).astype(float)
        begins = int(row["caller_begins"] * 8000)
        assert np.sqrt((sound[begins:, 1] ** 2).mean()) > 5 * np.sqrt((sound[: begins - 400, 1] ** 2).mean())
        assert row["watched"] == [word for word in ("cancel", "refund", "lawyer", "supervisor") if word in row["text"]]
        assert 2 < row["seconds"] < 15


def test_callers_are_in_no_labelled_recording(company: Path) -> None:
    place = load_source(company).labels["emotion"]
    with place.open(encoding="utf-8") as file:
        labelled = list(csv.DictReader(file))
    assert not {row["speaker"] for row in labelled} & {*recordings.VOICES, *recordings.AGENT_VOICES}
    assert {row["emotion"] for row in labelled} == set(recordings.MOODS)
    assert all((place.parent / row["path"]).is_file() for row in labelled)


def test_recordings_are_told_apart_by_arousal_alone() -> None:
    assert [recordings.mood_of(arousal) for arousal in (-2.0, 0.0, 2.0)] == ["calm", "neutral", "angry"]
    same = [recordings.caller("en-us+m3", "angry", np.random.default_rng(5)) for _ in range(2)]
    assert same[0][0] == same[1][0]
    np.testing.assert_array_equal(same[0][1], same[1][1])


def test_labels_outside_the_sources_files_are_refused_in_one_sentence(company: Path, tmp_path: Path) -> None:
    text = (company / "source.yaml").read_text(encoding="utf-8").replace("training/emotions.csv", "../x.csv")
    (tmp_path / "source.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="outside"):
        load_source(tmp_path / "source.yaml", company)


@pytest.mark.slow
def test_check_counts_the_recordings_of_a_source_where_some_calls_have_none(company: Path, tmp_path: Path) -> None:
    found = readiness(load_source(company), load_settings(tmp_path))
    audio = next(task for task in found.tasks if task.name.startswith("audio"))
    assert not any("no recording" in reason for reason in audio.blocks)


def test_callers_say_no_sentence_that_the_recogniser_or_the_intents_learn_from() -> None:
    slot = re.compile(r"\{\w+\}")
    with STARTER.open(encoding="utf-8", newline="") as file:
        learned = [" ".join(words_of(row["text"])) for row in csv.DictReader(file) if row["language"] == "en"]
    for sentence in (sentence for said in (*CALLS_SAY.values(), *FEELINGS.values()) for sentence in said):
        pattern = re.compile(".+".join(re.escape(" ".join(words_of(part))) for part in slot.split(sentence)))
        assert not [text for text in learned if pattern.fullmatch(text)], sentence
