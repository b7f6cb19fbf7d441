"""How a voice sounds: any signal can be described, speakers stay together, and unseen speakers are recognised."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_pipeline.audio.emotion import figures, fit, folds_of, normalised, unheard
from crm_pipeline.audio.emotion_features import RATE, described, frames_of, pictured

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


def made(count: int, shift: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels, speakers = rng.integers(3, size=count), rng.integers(5, size=count)
    vectors = rng.normal(size=(count, 8)) + 3 * np.eye(8)[labels] + shift * rng.normal(size=(5, 8))[speakers]
    return vectors, np.zeros((count, 1, 1)), np.array(["calm", "cross", "glad"])[labels], speakers.astype(str)


def test_it_learns_with_calibrated_probabilities_and_the_same_twice() -> None:
    vectors, images, labels, speakers = made(240, 0.0)
    model, again = (fit(vectors, images, labels, speakers, seed=1) for _ in range(2))
    probabilities = model.probabilities(vectors, images)
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert (probabilities == again.probabilities(vectors, images)).all()
    assert model.measured["uar"] > 0.85
    assert model.measured["calibration_error"] < 0.1


def test_normalising_by_speaker_takes_away_what_differs_between_speakers() -> None:
    vectors, images, labels, speakers = made(240, 8.0)
    raw, own = (figures(unheard(vectors, images, labels, speakers, 0, by)) for by in (False, True))
    assert own["uar"] > max(raw["uar"], 0.8)
    assert np.abs(normalised(vectors, speakers)[speakers == "0"].mean(axis=0)).max() < 1e-9


def test_two_labels_and_a_label_of_one_speaker_alone_are_judged() -> None:
    vectors, images, labels, speakers = made(120, 0.0)
    two = labels != "glad"
    assert figures(unheard(vectors[two], images[two], labels[two], speakers[two]))["uar"] > 0.85
    labels[speakers == "0"] = "odd"
    assert np.isfinite(list(figures(unheard(vectors, images, labels, speakers)).values())).all()


def test_acted_emotion_of_unseen_speakers() -> None:
    folder = DATA / "emodb"
    if not folder.is_dir():
        pytest.skip(f"real data absent: no {folder} (set CRM_REAL_DATA to its folder)")
    soundfile = pytest.importorskip("soundfile", reason="needs the extra 'audio'")
    paths = sorted(folder.glob("*/*.wav"))
    found = [frames_of(soundfile.read(path, dtype="float32")[0]) for path in paths]
    vectors, images = np.stack([described(one) for one in found]), np.stack([pictured(one) for one in found])
    labels, speakers = [path.parent.name for path in paths], [path.name[:2] for path in paths]
    raw, own = (figures(unheard(vectors, images, labels, speakers, 0, by)) for by in (False, True))
    assert raw["uar"] >= 0.80
    assert own["uar"] >= 0.85
