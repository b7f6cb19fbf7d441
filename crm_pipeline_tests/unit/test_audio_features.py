"""What is measured of a recording: librosa's values on speech, however it is read; and what cannot be measured says why."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.audio import features
from crm_pipeline.audio.features import measured
from crm_pipeline.audio.many import measured_many
from crm_pipeline.audio.measured import Measured, from_images, to_image
from crm_pipeline.audio.recordings import RATE, Unreadable, outline, read
from crm_pipeline.contracts.calls import CALL, CHANNEL

soundfile = pytest.importorskip("soundfile", reason="the extra 'audio' is not installed")


def voice(seconds: float, hertz: float = 140.0, rate: int = RATE) -> np.ndarray:
    """Return four syllables a second of a harmonic voice, one phrase."""
    t = np.arange(round(seconds * rate)) / rate
    swell = 0.02 + np.sin(np.pi * 4 * t) ** 2
    return 0.1 * swell * sum(np.sin(2 * np.pi * hertz * n * t) / n for n in range(1, 9))


def line(seconds: float, *spoken: tuple[float, float], hertz: float = 140.0, rate: int = RATE) -> np.ndarray:
    """Return a noisy line on which somebody speaks from, to."""
    signal = np.random.default_rng(1).normal(0, 0.001, round(seconds * rate))
    for start, end in spoken:
        at = round(start * rate)
        said = voice(end - start, hertz, rate)
        signal[at : at + len(said)] += said
    return signal


@pytest.fixture
def written(tmp_path):
    def write(signal: np.ndarray, name: str = "call.wav", rate: int = RATE):
        soundfile.write(tmp_path / name, signal, rate, subtype="PCM_16")
        return tmp_path / name

    return write


@pytest.fixture(scope="module")
def call(tmp_path_factory):
    signal = np.stack([line(6, (0.5, 2), (4, 5.5)), line(6, (1.5, 3.5), hertz=220)], axis=1)
    path = tmp_path_factory.mktemp("call") / "call.wav"
    soundfile.write(path, signal, RATE, subtype="PCM_16")
    return path


def test_two_speakers_are_told_apart(call):
    found = measured(call)
    agent, caller = found.channels

    assert (found.seconds, found.n_channels, found.rate, found.format) == (6.0, 2, RATE, "WAV PCM_16")
    np.testing.assert_allclose(agent.speech, [[0.5, 2], [4, 5.5]], atol=0.1)
    np.testing.assert_allclose(caller.speech, [[1.5, 3.5]], atol=0.1)
    assert agent.values["pitch_median"] == pytest.approx(140, rel=0.01)
    assert caller.values["pitch_median"] == pytest.approx(220, rel=0.01)
    assert agent.values["speaking_rate"] == pytest.approx(4, abs=0.5)
    assert found.call["overlap_share"] == pytest.approx(0.5 / 6, abs=0.02)
    assert found.call["longest_silence"] == pytest.approx(0.5, abs=0.15)
    assert len(agent.windows) == len(agent.vectors) == len(agent.images) == 2


def test_names_are_the_contracts(call):
    found = measured(call)

    assert list(found.call) == [column.name for column in CALL]
    assert [list(one.values) for one in found.channels] == [[column.name for column in CHANNEL]] * 2


def test_values_are_librosas_on_speech(call):
    librosa = pytest.importorskip("librosa", reason="the extra 'audio' is not installed")
    signal, known, found = read(call)[1], outline(call), measured(call).channels[1]
    mfcc = librosa.feature.mfcc(y=signal, sr=RATE, n_mfcc=13)
    times = np.arange(mfcc.shape[1]) * 512 / RATE + known.start / RATE
    speaks = (times >= found.speech[0, 0]) & (times < found.speech[0, 1])
    expected = {
        "mfcc_{}_mean": mfcc[:, speaks].mean(axis=1),
        "mfcc_{}_spread": mfcc[:, speaks].std(axis=1),
        "mfcc_delta_{}_mean": librosa.feature.delta(mfcc)[:, speaks].mean(axis=1),
        "mfcc_delta_{}_spread": librosa.feature.delta(mfcc)[:, speaks].std(axis=1),
    }

    for name, values in expected.items():
        np.testing.assert_allclose([found.values[name.format(n)] for n in range(1, 14)], values, atol=2e-3)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.003, 3))
def test_the_length_of_what_is_read_at_once_changes_nothing(call, seconds):
    whole, cut = measured(call), measured(call, seconds)

    assert cut.call == whole.call
    for one, other in zip(whole.channels, cut.channels, strict=True):
        assert other.values == pytest.approx(one.values, rel=1e-4, abs=1e-4)
        for name in ("speech", "windows", "vectors", "images", "envelope", "pitch"):
            np.testing.assert_array_equal(getattr(other, name), getattr(one, name))


def test_what_is_not_held_is_read_again(call, monkeypatch):
    held = measured(call)
    monkeypatch.setattr(features, "HELD", 0)

    assert measured(call).to_bytes() == held.to_bytes()


def test_bytes_hold_everything(call):
    found = measured(call)
    again = Measured.from_bytes(found.to_bytes())

    assert again.to_bytes() == found.to_bytes()
    assert (again.call, again.seconds, again.format) == (found.call, found.seconds, found.format)
    for one, other in zip(found.channels, again.channels, strict=True):
        assert other.values == one.values
        np.testing.assert_array_equal(other.vectors, one.vectors)


def test_windows_are_what_a_model_of_voices_takes(call):
    from crm_pipeline.audio import emotion_stretches

    found = measured(call).channels[0]
    start = round((found.windows[0, 0] - outline(call).start / RATE) * RATE)
    end = round((found.windows[0, 1] - outline(call).start / RATE) * RATE)
    expected = emotion_stretches.measured([read(call)[0, start:end]])

    np.testing.assert_array_equal(found.stretches().vectors[0], expected.vectors[0])
    np.testing.assert_allclose(found.stretches().images[0], expected.images[0].clip(-8, 8), atol=0.05)
    assert (found.lengths[0], found.levels[0]) == (expected.seconds[0], expected.levels[0])


def test_images_are_kept_to_a_twentieth():
    picture = np.linspace(-8, 8, 40 * 64, dtype=np.float32).reshape(40, 64)

    np.testing.assert_allclose(from_images(to_image(picture)[None])[0], picture, atol=0.05)


@pytest.mark.parametrize(
    "signal",
    [np.zeros(RATE), np.zeros(1), np.full(RATE, 0.3), np.full(1, 0.3), line(1), 0.3 * np.sin(np.arange(3 * RATE) / 10)],
    ids=["silent", "one sample of nothing", "offset", "one sample", "noise", "tone"],
)
def test_where_nobody_speaks_there_is_a_reason(written, signal):
    found = measured(written(signal))

    assert found.channels[0].values is None
    assert "0.00 s of speech" in found.channels[0].reason
    assert math.isnan(found.call["overlap_share"])
    assert Measured.from_bytes(found.to_bytes()).to_bytes() == found.to_bytes()


def test_one_channel_equals_two_that_are_equal(written):
    signal = line(3, (0.5, 2.5))
    one, two = measured(written(signal, "1.wav")), measured(written(np.stack([signal] * 2, axis=1), "2.wav"))

    assert two.n_channels == 2
    assert len(two.channels) == 1
    assert two.channels[0].values == one.channels[0].values


def test_what_is_clipped_is_said(written):
    found = measured(written(np.clip(line(3, (0.5, 2.5)) * 30, -1, 1)))

    assert found.channels[0].values["clipped_share"] > 0.01


def test_hold_is_counted_from_ten_seconds_on(written):
    found = measured(written(line(26, (1, 3), (14.5, 16), (20, 22), rate=8000), rate=8000))

    assert found.call["hold_seconds"] == pytest.approx(11.5, abs=0.2)
    assert found.call["longest_silence"] == pytest.approx(11.5, abs=0.2)
    assert found.channels[0].values["silence_share"] == pytest.approx(1 - 5.5 / 26, abs=0.02)


def test_a_long_call_is_measured_in_pieces(written):
    found = measured(written(line(50, (0.5, 49.5), rate=8000), rate=8000), seconds=1)

    assert found.channels[0].values["pitch_median"] == pytest.approx(140, rel=0.01)
    assert found.channels[0].windows[-1, 1] == pytest.approx(49.5, abs=0.2)
    assert np.diff(found.channels[0].windows).max() <= 4


def test_of_many_each_is_measured_or_has_a_reason(call, tmp_path):
    (tmp_path / "text.wav").write_text("no sound")
    table = measured_many([tmp_path / "none.wav", call, tmp_path / "text.wav"], processes=2)

    assert table["measured"].to_pylist() == [None, measured(call).to_bytes(), None]
    assert table["reason"][0].as_py() == "there is no such file"
    assert "no audio in a format that is known" in table["reason"][2].as_py()
    with pytest.raises(Unreadable):
        measured(tmp_path / "text.wav")
