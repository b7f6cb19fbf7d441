"""The command train-emotion: measures, judges, records in MLflow, keeps what it measured; wrong files write nothing."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from crm_pipeline import cli
from crm_pipeline.audio import emotion_cnn
from crm_pipeline.audio.emotion import KINDS
from crm_pipeline.audio.emotion_features import RATE
from crm_pipeline.audio.emotion_labels import Labelled, parse, taken, trainable
from crm_pipeline.console import show_emotions
from crm_pipeline.errors import UsageError
from crm_pipeline.home.emotions import NO_NETWORK, kept_recordings, read_recordings, train_emotion
from crm_pipeline.home.labels import EMOTIONS, TOLD
from crm_pipeline.tracking import Tracker

soundfile = pytest.importorskip("soundfile", reason="needs the extra 'audio'")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:mlflow")

PITCHES = {"calm": (100, 2), "cross": (180, 7)}


def spoken(pitch: float, rate: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Return something like a voice: harmonics that come and go."""
    at = np.arange(int(seconds * RATE)) / RATE
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * rate * at)
    pitch = pitch * (1 + 0.05 * np.sin(2 * np.pi * rate / 2 * at))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    return (0.1 * swell * sum(np.sin(k * phase) / k for k in range(1, 9)) + 0.003 * rng.normal(size=len(at))).astype(
        "f4"
    )


def labelled(
    folder: Path, speakers: int = 4, each: int = 3, header: str = "path,emotion,speaker", seed: int = 0
) -> Path:
    rng, rows = np.random.default_rng(seed), []
    folder.mkdir(parents=True, exist_ok=True)
    for speaker in range(speakers):
        for emotion, (pitch, rate) in PITCHES.items():
            for n in range(each):
                name = f"{seed}-{speaker}-{emotion}-{n}.wav"
                sound = spoken(pitch * rng.uniform(0.9, 1.1), rate, rng.uniform(0.6, 1), rng)
                soundfile.write(folder / name, sound, RATE)
                rows.append((name, emotion, f"s{speaker}")[: header.count(",") + 1])
    path = folder / "labels.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])
    return path


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        cli.main(list(arguments))
    return int(left.value.code or 0)


def test_it_learns_judges_records_and_keeps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, file = tmp_path / "home", labelled(tmp_path / "train")
    assert call("train-emotion", str(file), "--home", str(home), "--without-network", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["recordings"], said["speakers"], said["labels"]) == (24, 4, ["calm", "cross"])
    figures = said["judgement"]["metrics"]
    assert figures["uar"] > 0.9
    assert {"accuracy", "log_loss", "calibration_error", "answered", "accuracy_answered"} <= set(figures)
    assert sum(row["recordings"] for row in said["judgement"]["confusions"]) == 24
    assert {row["speaker"] for row in said["judgement"]["speakers"]} == {"s0", "s1", "s2", "s3"}
    run = Tracker(home).client.get_run(said["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["uar"] == pytest.approx(figures["uar"])
    model = Tracker(home).load(said["model_uri"])
    read = read_recordings(file)
    assert (model.predict(read.stretches)["likeliest"] == read.rows["emotion"]).mean() > 0.9
    rows, normalised = kept_recordings(home)
    assert rows.equals(read.rows[rows.columns])
    assert not normalised
    told = json.loads((home / TOLD).read_text())
    assert told["counts"] == {"calm": 12, "cross": 12}
    assert told["model"] == "svm"

    assert "deep" not in "".join(said["notes"])
    monkeypatch.setattr(emotion_cnn, "available", lambda: False)
    done = train_emotion(home, file, labelled(tmp_path / "test", seed=1), normalised=True)
    assert NO_NETWORK in done.notes
    assert [*done.compared] == ["svm"]
    assert done.earlier is not None  # the same recordings, but otherwise compared
    assert any("4 of its 4 speakers" in note for note in done.notes)
    assert done.judgement.metrics["uar"] > 0.9
    assert kept_recordings(home)[1]
    assert json.loads((home / TOLD).read_text())["version"] != told["version"]


def guessing(images: np.ndarray, codes: np.ndarray, classes: int, seed: int) -> emotion_cnn.Network:
    """Return a network that learned nothing."""
    rng = np.random.default_rng(seed)
    sizes = ((5, 5, 1, 4), (4,), (8, classes), (classes,))
    return emotion_cnn.Network([rng.normal(0, 0.1, size) for size in sizes])


def test_a_network_is_held_against_the_machines_and_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "cnn", ("images", guessing))
    monkeypatch.setattr(emotion_cnn, "available", lambda: True)
    home, file = tmp_path / "home", labelled(tmp_path / "train")
    done = train_emotion(home, file, labelled(tmp_path / "test", 2, 2, seed=1))
    show_emotions(done, home)
    shown = capsys.readouterr().out
    for words in ("SVM", "convolutional network", "average of both", "Runs use the SVM", "calibration error"):
        assert words in shown
    assert [*done.compared] == ["svm", "cnn", "average"]
    losses = {kind: figures["log_loss"] for kind, figures in done.compared.items()}
    assert losses["svm"] < losses["average"] < losses["cnn"]
    assert done.compared["svm"] == done.judgement.metrics
    assert (done.chosen, [*done.other_runs]) == ("svm", ["cnn"])
    tracker = Tracker(home)
    assert tracker.client.get_run(done.other_runs["cnn"]).data.metrics["log_loss"] == pytest.approx(losses["cnn"])
    (model,) = (m for m in tracker.client.search_logged_models(["0", "1"]) if m.source_run_id == done.other_runs["cnn"])
    stretches = read_recordings(file).stretches
    assert tracker.load(model.model_uri).probabilities(stretches).shape == (24, 2)


def test_what_cannot_be_used_is_left_out_and_said(tmp_path: Path) -> None:
    file = labelled(tmp_path, speakers=2, each=2)
    (tmp_path / "text.wav").write_text("not sound")
    (tmp_path / "empty.wav").touch()
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE, "f4"), RATE)
    outside = labelled(tmp_path.with_name(f"{tmp_path.name}-outside"), 1, 1).parent / "0-0-calm-0.wav"
    with file.open("a") as more:
        more.write(
            "text.wav,calm,s0\nempty.wav,calm,s0\nsilent.wav,calm,s1\nnowhere.wav,calm,s1\n,calm,s1\ntext.wav,,s1\n"
        )
        more.write(f"0-0-calm-0.wav,calm,s0\n{outside},calm,s7\n")
    found = read_recordings(file, within=tmp_path)
    assert len(found) == 8
    told = "\n".join(found.notes)
    for line, why in ((10, "no audio"), (11, "empty"), (12, "silent"), (13, "no such file"), (17, "outside")):
        assert any(f"line {line}" in note and why in note for note in found.notes), told
    assert "1 line without path left out, the first is line 14" in told
    assert "1 line without emotion left out, the first is line 15" in told
    assert "1 repetition of a recording left out, the first in line 16" in told
    assert "s7" in set(read_recordings(file).rows["speaker"])


def test_without_speakers_each_recording_is_its_own_and_this_is_said(tmp_path: Path) -> None:
    found = read_recordings(labelled(tmp_path, 2, 1, "file;label".replace(";", ",")))
    assert found.rows["speaker"].nunique() == 4
    assert not found.known_speakers
    assert any("no column with the speaker" in note and "may be too good" in note for note in found.notes)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "no column with the path"),
        ("path,speaker\na.wav,b\n", "no column with the emotion"),
        ("path,emotion\na.wav,b,c\n", "line 2: 3 columns where the header has 2"),
        (
            "path,emotion,speaker\na.wav,calm,b\n",
            "0 labels: at least two are needed (labels.csv, line 2: a.wav left out",
        ),
    ],
)
def test_a_file_that_teaches_nothing_is_refused_in_a_sentence(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        trainable(taken(parse(content.encode(), "labels.csv"), tmp_path))
    assert says in str(refused.value)


def test_one_label_or_one_speaker_is_too_few(tmp_path: Path) -> None:
    found = read_recordings(labelled(tmp_path, 2, 1))
    for column, one in (("emotion", "calm"), ("speaker", "s0")):
        few = Labelled(found.name, found.rows[found.rows[column] == one], True)
        with pytest.raises(UsageError, match="at least two are needed"):
            trainable(few)


def test_nothing_is_written_for_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert call("train-emotion", str(tmp_path / "no.csv"), "--home", str(tmp_path / "home")) == 2
    assert not (tmp_path / "home" / EMOTIONS).parent.exists()
