"""How a voice sounds: any signal can be described, speakers stay together, and unseen speakers are recognised."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skops import io

from crm_pipeline.audio.emotion import (
    AVERAGE,
    KINDS,
    LEAST,
    UNSURE,
    EmotionModel,
    figures,
    fit,
    folds_of,
    kinds_of,
    normalised,
    unheard,
    untold,
)
from crm_pipeline.audio.emotion_cnn import Network
from crm_pipeline.audio.emotion_features import RATE, described, frames_of, pictured
from crm_pipeline.audio.emotion_judging import best, compared
from crm_pipeline.audio.emotion_limits import SHORT, SILENT, UNLIKE
from crm_pipeline.audio.emotion_stretches import Stretches, measured
from crm_pipeline.contracts.texts import UNKNOWN
from crm_pipeline.home.labels import MODELS

DATA = Path(os.environ.get("CRM_REAL_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")


def voice(pitch: float, seconds: float = 0.6) -> np.ndarray:
    at = np.arange(int(seconds * RATE)) / RATE
    return (sum(np.sin(2 * np.pi * pitch * k * at) / k for k in range(1, 9)) * 0.1).astype(np.float32)


@pytest.mark.parametrize("signal", [[], [0.5], np.zeros(RATE), np.ones(RATE), np.full(50, 1e-9)])
def test_any_signal_is_described_by_finite_numbers(signal: np.ndarray) -> None:
    found = frames_of(np.asarray(signal, np.float32))
    assert np.isfinite(described(found)).all()
    assert np.isfinite(pictured(found)).all()


@pytest.mark.parametrize("pitch", [80.0, 120.0, 220.0, 400.0])
def test_pitch_is_that_of_the_voice(pitch: float) -> None:
    found = frames_of(voice(pitch))
    assert np.median(found.pitch) == pytest.approx(pitch, rel=0.01)
    assert found.voiced.mean() > 0.9


def test_loudness_and_silence_around_do_not_matter() -> None:
    plain = frames_of(voice(150))
    other = frames_of(np.pad(voice(150) * 0.1, 800))  # five hops: the frames are the same
    middle = slice(6, -10)
    assert np.median(other.pitch[middle]) == pytest.approx(np.median(plain.pitch[middle]), rel=0.01)
    assert other.energy[20:40] == pytest.approx(plain.energy[20:40], abs=0.3)


@given(st.lists(st.integers(0, 30), min_size=2, max_size=200))
def test_a_speaker_is_in_one_fold_and_no_fold_is_empty(names: list[int]) -> None:
    folds = folds_of(np.array(names))
    assert len({*zip(names, folds.tolist(), strict=True)}) == len(set(names))
    assert set(folds) == set(range(min(10, len(set(names)))))


def made(count: int, shift: float, seed: int = 0) -> tuple[Stretches, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels, speakers = rng.integers(3, size=count), rng.integers(5, size=count)
    vectors = rng.normal(size=(count, 8)) + 3 * np.eye(8)[labels] + shift * rng.normal(size=(5, 8))[speakers]
    stretches = Stretches(vectors, np.zeros((count, 40, 64)), rng.uniform(0.4, 3, size=count), np.full(count, 0.05))
    return stretches, np.array(["calm", "cross", "glad"])[labels], speakers.astype(str)


def test_it_learns_with_calibrated_probabilities_and_the_same_twice() -> None:
    stretches, labels, speakers = made(240, 0.0)
    model, again = (fit(stretches, labels, speakers, seed=1) for _ in range(2))
    probabilities = model.probabilities(stretches)
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert (probabilities == again.probabilities(stretches)).all()
    assert model.measured["uar"] > 0.85
    assert model.measured["calibration_error"] < 0.1


def test_normalising_by_speaker_takes_away_what_differs_between_speakers() -> None:
    stretches, labels, speakers = made(240, 8.0)
    raw, own = (figures(unheard(stretches, labels, speakers, 0, by)) for by in (False, True))
    assert own["uar"] > max(raw["uar"], 0.8)
    assert np.abs(normalised(stretches.vectors, speakers)[speakers == "0"].mean(axis=0)).max() < 1e-9


def test_the_average_is_judged_on_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    stretches, labels, speakers = made(120, 0.0)
    zeros = [np.zeros(size) for size in ((3, 3, 1, 2), 2, (4, 3), 3)]
    monkeypatch.setitem(KINDS, "cnn", ("images", lambda *given: Network(zeros)))  # says the same of everything
    found = compared(["svm", "cnn"], (stretches, labels.tolist(), speakers.tolist()), 0, False)
    assert [*found] == ["svm", "cnn", AVERAGE]
    (svm, _), (cnn, _), (average, judged) = found.values()
    assert cnn.probabilities(stretches) == pytest.approx(1 / 3)
    assert (average.probabilities(stretches).argmax(axis=1) == svm.probabilities(stretches).argmax(axis=1)).all()
    assert judged.metrics["accuracy"] == average.measured["accuracy"] == svm.measured["accuracy"]
    assert best(found) == "svm"
    assert (*KINDS, AVERAGE) == MODELS
    assert kinds_of(AVERAGE) == [*KINDS]
    assert svm.measured["log_loss"] < average.measured["log_loss"] < cnn.measured["log_loss"]


def test_two_labels_and_a_label_of_one_speaker_alone_are_judged() -> None:
    stretches, labels, speakers = made(120, 0.0)
    two = labels != "glad"
    assert figures(unheard(stretches.only(two), labels[two], speakers[two]))["uar"] > 0.85
    labels[speakers == "0"] = "odd"
    assert np.isfinite(list(figures(unheard(stretches, labels, speakers)).values())).all()


def not_speech(seconds: float = 2.0) -> list[np.ndarray]:
    """Return a tone, noise, a chord that swells, a melody and the tone of a line that rings."""
    rng, at = np.random.default_rng(0), np.arange(int(seconds * RATE)) / RATE
    melody = [np.sin(2 * np.pi * 220 * 2 ** (n / 12) * at[: RATE // 4]) for n in rng.integers(0, 13, int(seconds * 4))]
    chord = sum(np.sin(2 * np.pi * f * k * at) / k for f in (220, 277, 330) for k in (1, 2, 3))
    ring = np.sin(2 * np.pi * 425 * at) * (np.sin(np.pi * at) > 0)
    noise = rng.normal(size=len(at))
    sounds = [
        np.sin(2 * np.pi * 440 * at),
        noise,
        chord * (1 + np.sin(2 * np.pi * 2 * at)),
        np.concatenate(melody),
        ring,
    ]
    return [(0.1 * sound + 1e-4 * noise).astype(np.float32) for sound in sounds]


def test_it_says_why_it_says_nothing() -> None:
    stretches, labels, speakers = made(240, 0.0)
    model = fit(stretches, labels, speakers)
    assert model.measured["refused"] <= 0.05
    assert model.limits.shortest == pytest.approx(min(0.5, np.quantile(stretches.seconds, 0.05)))
    odd = stretches.only(np.arange(4))
    odd.levels[:2], odd.seconds[:] = 0, (1, 0.1, 0.1, 1)  # silence comes first
    odd.vectors[3] += 40
    told = model.predict(odd)
    assert told["reason"].tolist() == [SILENT, SILENT, SHORT, UNLIKE]
    assert (told["emotion"] == UNKNOWN).all()
    assert told["probability"].isna().all()
    told = model.predict(stretches)
    answered = told["reason"] == ""
    assert answered.mean() > 0.9
    assert (told["emotion"] == told["likeliest"])[answered].all()
    unsure = told["reason"] == UNSURE
    assert (unsure == (told["probability"] < LEAST)).all()
    assert len(model.predict(stretches.only(np.arange(0)))) == 0
    assert set(untold(2)["emotion"]) == {UNKNOWN}


def test_it_is_stored_without_pickles_and_comes_back_as_it_was() -> None:
    _, labels, speakers = made(60, 0.0)
    stretches = measured([voice(100 + 3 * n) for n in range(60)])
    model = fit(stretches, labels, speakers)
    stored = io.dumps(model)
    again = io.loads(stored, trusted=io.get_untrusted_types(data=stored))
    assert isinstance(again, EmotionModel)
    assert again.predict(stretches).equals(model.predict(stretches))
    assert again.predict(stretches.to_frame()).equals(model.predict(stretches))


@pytest.mark.slow
def test_acted_emotion_of_unseen_speakers() -> None:
    folder = DATA / "emodb"
    if not folder.is_dir():
        pytest.skip(f"real data absent: no {folder} (set CRM_REAL_DATA to its folder)")
    soundfile = pytest.importorskip("soundfile", reason="needs the extra 'audio'")
    paths = sorted(folder.glob("*/*.wav"))
    stretches = measured(soundfile.read(path, dtype="float32")[0] for path in paths)
    labels, speakers = [path.parent.name for path in paths], [path.name[:2] for path in paths]
    raw, own = (figures(unheard(stretches, labels, speakers, 0, by)) for by in (False, True))
    assert raw["uar"] >= 0.80
    assert own["uar"] >= 0.85
    model = fit(stretches, labels, speakers)
    assert 0 < model.measured["refused"] <= 0.05
    told = model.predict(measured(not_speech()))
    assert set(told["reason"]) == {UNLIKE}
