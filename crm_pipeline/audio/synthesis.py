"""Speaks a text: the interface of a synthesizer, the default over espeak-ng, and the WAV file. Nothing is recognised here."""

from __future__ import annotations

import _ctypes
import ctypes
import difflib
import functools
import threading
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from crm_pipeline.audio.extra import imported
from crm_pipeline.errors import CrmError, UsageError

DEFAULT_VOICE = "en-us"


@dataclass(frozen=True)
class Delivery:
    """How a text is spoken.

    Parameters
    ----------
    voice : str
        A language or name of the synthesizer, with a variant after a plus where it has some: ``en-us``, ``en-us+f3``.
    pitch, expression : int, 0 to 100
        Height of the voice, and how far it moves.
    rate : int, 80 to 450
        Words per minute.
    volume : int, 0 to 200
        100 is the voice's own.
    """

    voice: str = DEFAULT_VOICE
    pitch: int = 50
    expression: int = 50
    rate: int = 175
    volume: int = 100

    def __post_init__(self) -> None:
        bounds = {"pitch": (0, 100), "expression": (0, 100), "rate": (80, 450), "volume": (0, 200)}
        for name, (low, high) in bounds.items():
            if not low <= (found := getattr(self, name)) <= high:
                raise UsageError(f"The {name} of a voice is from {low} to {high}, found {found}.")


class Speech(NamedTuple):
    """Spoken text: 16-bit samples of one channel, and how many there are a second."""

    samples: np.ndarray
    rate: int


class Synthesizer(Protocol):
    """What speaks: the same text and delivery give the same samples."""

    name: str

    def voices(self) -> list[str]:
        """Return what a delivery may name as its voice, without variants."""
        ...

    def say(self, text: str, delivery: Delivery) -> Speech:
        """Return the spoken text; raises UsageError for a voice it does not have or a text without a word."""
        ...


class EspeakNg:
    """espeak-ng, with the library and the voices of the package espeakng-loader: offline and without a system package."""

    name = "espeak-ng"

    def voices(self) -> list[str]:
        """Return the languages it speaks."""
        with _LOCK:
            return sorted(_library().voices)

    def variants(self) -> list[str]:
        """Return the variants of a voice: ``f3`` in ``en-us+f3``."""
        with _LOCK:
            return sorted(_library().variants)

    def say(self, text: str, delivery: Delivery) -> Speech:
        """Return the spoken text.

        Raises
        ------
        UsageError
            If the voice is unknown, or nothing of the text can be spoken.
        """
        return self.timed(text, delivery)[0]

    def timed(self, text: str, delivery: Delivery) -> tuple[Speech, list[tuple[int, float]]]:
        """Return the spoken text, and of each word the place of its first letter in the text and the second when it begins."""
        text = text.replace("\0", " ")
        if not any(letter.isalnum() for letter in text):
            raise UsageError("There is nothing to say: give a text with at least one word.")
        with _LOCK:
            library = _library()
            voice = library.checked(delivery.voice)
            return Speech(library.spoken(text, voice, delivery), library.rate), library.begins


def write_wav(speech: Speech, path: Path) -> None:
    """Write speech, one channel or one column per channel, as a 16-bit WAV file.

    Raises
    ------
    UsageError
        If the file cannot be written.
    """
    samples = np.asarray(speech.samples, dtype="<i2")
    try:
        with path.open("wb") as out, wave.open(out, "wb") as file:
            file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
            file.setsampwidth(2)
            file.setframerate(speech.rate)
            file.writeframes(samples.tobytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}): name another file with --to.") from error


_LOCK = threading.RLock()  # the library has one state per process

# of speak_lib.h
_SYNCHRONOUS, _NO_EXIT, _UTF8, _END_PAUSE = 2, 0x8000, 1, 0x1000
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_PLACE_BYTES = 160  # the library cuts a longer path to its data

_WORD = 1  # the kind of an event: a word begins


class _Event(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_int),
        ("message", ctypes.c_uint),
        ("place", ctypes.c_int),
        ("length", ctypes.c_int),
        ("milliseconds", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("given", ctypes.c_void_p),
        ("named", ctypes.c_char * 8),
    )


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("kind", ctypes.c_ubyte * 4),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


class _Library:
    def __init__(self) -> None:
        loader = imported("espeakng_loader")
        self.data = str(loader.get_data_path()).encode()
        if len(self.data) > _PLACE_BYTES:
            raise CrmError(
                f"espeak-ng cannot read its voices in {self.data.decode()}: the path has more than 160 bytes."
            )
        self.place = loader.get_library_path()
        self.lib: Any = None
        self.heard: list[bytes] = []
        self.begins: list[tuple[int, float]] = []
        self.callback = _CALLBACK(self._hear)
        self.rate = self._load()
        self.voices = {ctypes.string_at(voice.languages + 1).decode() for voice in self._listed(None)}
        self.variants = {voice.identifier.decode().rpartition("/")[2] for voice in self._listed(b"variant")}

    def _load(self) -> int:
        """Load it anew: what it said before would leave traces, such as the phase of a trembling voice."""
        if self.lib is not None:
            self.lib.espeak_Terminate()
            _ctypes.dlclose(self.lib._handle)
        try:
            self.lib = ctypes.CDLL(self.place)
        except OSError as error:
            raise CrmError(f"espeak-ng cannot be loaded ({error}): install espeakng-loader again.") from error
        self.lib.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        self.lib.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
        rate = self.lib.espeak_Initialize(_SYNCHRONOUS, 0, self.data, _NO_EXIT)
        if rate <= 0:
            raise CrmError(f"espeak-ng cannot read its voices in {self.data.decode()}: install espeakng-loader again.")
        self.lib.espeak_ng_SetRandSeed(1)  # of breath and whisper; else the clock
        self.lib.espeak_SetSynthCallback(self.callback)
        return int(rate)

    def _listed(self, languages: bytes | None) -> list[Any]:
        wanted = _Voice(languages=ctypes.cast(ctypes.c_char_p(languages), ctypes.c_void_p).value) if languages else None
        listed = self.lib.espeak_ListVoices(ctypes.byref(wanted) if wanted else None)
        found: list[Any] = []
        while listed[len(found)]:
            found.append(listed[len(found)].contents)
        return found

    def _hear(self, samples: Any, n: int, events: Any) -> int:
        if samples and n > 0:
            self.heard.append(ctypes.string_at(samples, 2 * n))
        at = 0
        while events and events[at].kind:
            if events[at].kind == _WORD:
                self.begins.append((events[at].place - 1, events[at].milliseconds / 1000))
            at += 1
        return 0

    def checked(self, voice: str) -> bytes:
        language, plus, variant = voice.partition("+")
        parts = (
            ("voice", language.lower(), self.voices, ["en-us", "en-gb", "de"]),
            ("variant", variant, self.variants, ["f1", "f2", "m1", "m2"]),
        )
        for what, found, known, usual in parts:
            if found not in known and (what == "voice" or plus):
                near = difflib.get_close_matches(found, known, 5, 0.5) or usual
                raise UsageError(f"There is no {what} '{found}' ({len(known)} are known): try {', '.join(near)}.")
        return f"{language.lower()}{plus}{variant}".encode()

    def spoken(self, text: str, voice: bytes, delivery: Delivery) -> np.ndarray:
        self._load()
        self.lib.espeak_SetVoiceByName(voice)
        for kind, value in (
            (_RATE, delivery.rate),
            (_VOLUME, delivery.volume),
            (_PITCH, delivery.pitch),
            (_RANGE, delivery.expression),
        ):
            self.lib.espeak_SetParameter(kind, value, 0)
        self.heard, self.begins = [], []
        data = text.encode("utf-8", "replace") + b"\0"
        size = ctypes.c_size_t(len(data))
        failed = self.lib.espeak_Synth(data, size, 0, 1, 0, _UTF8 | _END_PAUSE, None, None)
        samples = np.frombuffer(b"".join(self.heard), dtype=np.int16)
        if failed or not len(samples):
            raise UsageError(f"The voice '{delivery.voice}' can say nothing of the text: give words of its language.")
        return samples


@functools.cache
def _library() -> _Library:
    return _Library()
