"""What a transcriber is, those whose model the user brings, and which one a setting names. The default is in `sphinx`."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from crm_pipeline.errors import UsageError

RATE = 16_000
"""Samples per second of every signal that is transcribed."""

NONE, EVERYTHING = "none", "everything"


@dataclass(frozen=True)
class Word:
    """A word that was heard: seconds from the signal's start, confidence from 0 to 1."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Transcript:
    """What was heard in a signal, in the order of time."""

    words: tuple[Word, ...] = ()

    @property
    def text(self) -> str:
        """The words with blanks between them."""
        return " ".join(word.text for word in self.words)


class Transcriber(Protocol):
    """What writes down speech.

    Attributes
    ----------
    key : str
        Engine, model and settings: the same key and signal give the same words.
    """

    @property
    def key(self) -> str:
        """Engine, model and settings."""
        ...

    def transcribe(self, signal: np.ndarray, recorded: int = RATE) -> Transcript:
        """Return what is said in a signal.

        Parameters
        ----------
        signal : ndarray of float32, shape (samples,)
            At `RATE`, speech at `recordings.LEVEL`.
        recorded : int
            Samples per second of the recording it comes from.
        """
        ...


class Vosk:
    """Vosk with a model that the user has on disk."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = _folder("vosk", folder)
        self.vosk = _engine("vosk", "vosk")
        self.vosk.SetLogLevel(-1)
        self.model: Any = self.vosk.Model(str(self.folder))

    @property
    def key(self) -> str:
        """Engine, its version, and the model's folder."""
        return f"vosk {getattr(self.vosk, '__version__', '')} {self.folder}"

    def transcribe(self, signal: np.ndarray, recorded: int = RATE) -> Transcript:
        """Return what is said in a signal."""
        del recorded
        recogniser = self.vosk.KaldiRecognizer(self.model, RATE)
        recogniser.SetWords(True)
        data, size = pcm(signal), RATE  # half a second a time
        said = []
        for start in range(0, len(data), size):
            if recogniser.AcceptWaveform(data[start : start + size]):
                said.append(recogniser.Result())
        said.append(recogniser.FinalResult())
        words = (word for part in said for word in json.loads(part).get("result", ()))
        return Transcript(tuple(Word(w["word"], w["start"], w["end"], float(w["conf"])) for w in words))


class FasterWhisper:
    """faster-whisper with a model that the user has on disk."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = _folder("faster-whisper", folder)
        self.whisper = _engine("faster_whisper", "faster-whisper")
        self.model: Any = self.whisper.WhisperModel(
            str(self.folder), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True
        )

    @property
    def key(self) -> str:
        """Engine, its version, and the model's folder."""
        return f"faster-whisper {getattr(self.whisper, '__version__', '')} int8 {self.folder}"

    def transcribe(self, signal: np.ndarray, recorded: int = RATE) -> Transcript:
        """Return what is said in a signal."""
        del recorded
        if not len(signal):
            return Transcript()
        parts, _ = self.model.transcribe(
            np.ascontiguousarray(signal, np.float32), word_timestamps=True, temperature=0.0, beam_size=5
        )
        words = (word for part in parts for word in part.words or ())
        return Transcript(tuple(Word(w.word.strip(), w.start, w.end, float(w.probability)) for w in words))


def transcriber_of(setting: str, watched: Sequence[str] = ()) -> Transcriber | None:
    """Return what a setting names; nothing for ``none``.

    Parameters
    ----------
    setting : str
        ``pocketsphinx``, ``pocketsphinx:everything``, ``vosk:FOLDER``, ``faster-whisper:FOLDER`` or ``none``.
    watched : sequence of str
        Words and phrases that are to be heard above all; only pocketsphinx makes use of them.

    Raises
    ------
    UsageError
        If it names something else, or a package or a model that is not there.
    """
    engine, colon, folder = setting.strip().partition(":")
    if engine == NONE and not colon:
        return None
    if engine == "pocketsphinx" and (not colon or folder == EVERYTHING):
        from crm_pipeline.audio.sphinx import PocketSphinx  # it needs the types above

        return PocketSphinx(watched, everything=bool(colon))
    if engine in _WITH_FOLDER and folder:
        return _WITH_FOLDER[engine](folder)
    raise UsageError(
        f"The transcriber '{setting}' is not known: give pocketsphinx, pocketsphinx:everything, vosk:FOLDER, faster-whisper:FOLDER or none."
    )


def pcm(signal: np.ndarray) -> bytes:
    """Return a signal as 16-bit samples."""
    return (np.clip(signal, -1, 1) * 32767).astype("<i2").tobytes()


_WITH_FOLDER: dict[str, type[Vosk] | type[FasterWhisper]] = {"vosk": Vosk, "faster-whisper": FasterWhisper}


def _folder(engine: str, folder: Path | str) -> Path:
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise UsageError(f"The transcriber {engine}:{folder} names no folder: give the folder of a {engine} model.")
    return place


def _engine(module: str, package: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise UsageError(f"The transcriber {package} is not installed: pip install {package}") from error
