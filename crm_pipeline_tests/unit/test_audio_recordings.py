"""Recordings: any format, any state, one signal; a file that is none is refused with its reason."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.audio import extra, recordings
from crm_pipeline.errors import UsageError

soundfile = pytest.importorskip("soundfile", reason="the extra 'audio' is not installed")


def tone(seconds: float = 1.0, rate: int = 16_000, level: float = 0.2, hertz: float = 220) -> np.ndarray:
    return level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


def written(folder: Path, signal: np.ndarray, rate: int = 16_000, subtype: str = "PCM_16", name: str = "a.wav") -> Path:
    soundfile.write(folder / name, signal, rate, subtype=subtype)
    return folder / name


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000])
def test_every_depth_and_rate_gives_the_same_signal(tmp_path, subtype, rate):
    path = written(tmp_path, tone(rate=rate), rate, subtype)

    assert recordings.inspect(path) == recordings.Header(rate, rate, 1, f"WAV {subtype}")
    signal = recordings.read(path)

    assert signal.dtype == np.float32
    assert signal.shape == (1, 16_000)
    expected = tone(level=np.sqrt(2) * 10 ** (recordings.LEVEL / 20))
    assert np.abs(signal[0, 800:-800] - expected[800:-800]).max() < 0.004


def test_flac_and_ogg_are_read(tmp_path):
    assert recordings.inspect(written(tmp_path, tone(), name="a.flac")).format == "FLAC PCM_16"
    assert recordings.read(written(tmp_path, tone(), subtype="VORBIS", name="a.ogg")).shape == (1, 16_000)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.wav", b"", r"it is empty \(0 bytes\)"),
        ("text.wav", b"Dear customer, hello " * 30, "no audio in a format that is known"),
        ("headerless.raw", b"\0" * 64, "no header that tells its rate"),
        ("missing.wav", None, "there is no such file"),
    ],
)
def test_what_is_no_recording_is_refused_with_its_reason(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    for opened in (recordings.inspect, recordings.read):
        with pytest.raises(recordings.Unreadable, match=rf"{name} cannot be read as a recording: .*{said}"):
            opened(tmp_path / name)


def test_a_recording_without_a_sample_is_refused(tmp_path):
    with pytest.raises(recordings.Unreadable, match="it holds no sample"):
        recordings.inspect(written(tmp_path, np.zeros(0)))


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_a_truncated_recording_is_read_as_far_as_it_goes(tmp_path, name):
    path = written(tmp_path, tone(20), subtype="VORBIS" if name.endswith("ogg") else "PCM_16", name=name)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])

    assert 5 * 16_000 < recordings.outline(path).samples < 15 * 16_000
    assert recordings.read(path).shape[1] > 5 * 16_000


def test_one_sample_is_a_recording(tmp_path):
    assert recordings.read(written(tmp_path, np.array([0.5]))).shape == (1, 1)


def test_silence_is_not_made_louder(tmp_path):
    assert not recordings.read(written(tmp_path, np.zeros(8_000))).any()
    hiss = np.random.default_rng(0).normal(0, 1e-4, 8_000)
    assert np.abs(recordings.read(written(tmp_path, hiss, subtype="FLOAT"))).max() < 1e-3


def test_loudness_is_one_but_for_the_greatest_gain(tmp_path):
    for level in (0.005, 0.2, 0.99):
        active = recordings.read(written(tmp_path, tone(level=level)))
        assert 10 * np.log10((active**2).mean()) == pytest.approx(recordings.LEVEL, abs=0.1)
    faint = recordings.outline(written(tmp_path, tone(level=0.002), subtype="FLOAT"))
    assert faint.gain[0] == pytest.approx(10 ** (recordings.GREATEST_GAIN / 20), rel=0.3)


def test_an_offset_changes_nothing(tmp_path):
    plain = recordings.read(written(tmp_path, tone(), subtype="FLOAT", name="plain.wav"))
    shifted = recordings.read(written(tmp_path, tone() + 0.3, subtype="FLOAT", name="shifted.wav"))

    np.testing.assert_allclose(plain, shifted, atol=1e-6)


def test_the_share_of_clipped_samples_is_told(tmp_path):
    loud = np.clip(tone(level=2.0), -1, 1)
    found = recordings.outline(written(tmp_path, np.stack([loud, tone()], axis=1))).clipped

    assert found[0] == pytest.approx(2 / 3, abs=0.01)
    assert found[1] == 0


def test_silence_at_both_ends_is_cut_alike_on_both_channels(tmp_path):
    silence = np.zeros(16_000)
    early, late = (
        np.concatenate([silence, tone(), silence, silence]),
        np.concatenate([silence, silence, tone(), silence]),
    )
    signal = recordings.read(written(tmp_path, np.stack([early, late], axis=1)))

    assert signal.shape == (2, 2 * 16_000 + 2 * recordings.MARGIN * recordings.FRAME)


def test_what_is_no_number_is_silence(tmp_path):
    broken = tone()
    broken[100:200], broken[300] = np.nan, np.inf

    assert np.isfinite(recordings.read(written(tmp_path, broken, subtype="FLOAT"))).all()


def test_two_equal_channels_are_one_and_a_third_is_left_out(tmp_path):
    assert len(recordings.read(written(tmp_path, np.stack([tone(), tone()], axis=1)))) == 1
    three = np.stack([tone(), tone(hertz=300), tone(hertz=400)], axis=1)
    np.testing.assert_array_equal(
        recordings.read(written(tmp_path, three, name="three.wav")), recordings.read(written(tmp_path, three[:, :2]))
    )


def test_the_signal_is_librosas_load_without_offset_at_one_loudness(tmp_path):
    librosa = pytest.importorskip("librosa")
    noise = np.random.default_rng(1).normal(0.05, 0.1, (44_100 * 2 + 7, 2))
    path = written(tmp_path, noise, 44_100, "FLOAT")
    known = recordings.outline(path)

    loaded = librosa.load(path, sr=recordings.RATE, mono=False)[0][:, known.start : known.stop]

    np.testing.assert_array_equal(recordings.read(path), (loaded - known.offset[:, None]) * known.gain[:, None])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30_000), st.sampled_from([8_000, 16_000, 44_100]), st.integers(1, 2), st.floats(0.01, 3))
def test_blocks_put_together_are_the_whole(tmp_path_factory, length, rate, channels, seconds):
    noise = np.random.default_rng(length).normal(0, 0.1, (length, channels))
    path = written(tmp_path_factory.mktemp("blocks"), noise, rate)
    parts = list(recordings.blocks(path, seconds))

    assert {part.shape[1] for part in parts[:-1]} <= {max(1, round(seconds * recordings.RATE))}
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), recordings.read(path))


def test_a_missing_package_is_said_in_one_sentence():
    with pytest.raises(
        UsageError, match=r"^nowhere, .* needs the extra 'audio': pip install --editable '\.\[audio\]' in the clone\.$"
    ):
        extra.imported("nowhere.deep")
    assert extra.imported("json").dumps(1) == "1"
