"""How the watched words sound as the package brings it: of today's code, usable, and other words learned once a home."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crm_pipeline.audio import keywords, shipped
from crm_pipeline.home.listening import WORDS, keywords_of
from crm_pipeline.settings import Settings
from crm_pipeline_tests.make_words import version

RNG = np.random.default_rng(0)
OTHER = keywords.Keywords(
    ("goodbye",), np.array([10, 20]), ((RNG.random((3, 2), np.float32), *(RNG.random(2, np.float32),) * 3),), 0.5
)


def test_the_words_that_are_watched_by_default_are_brought_along_as_todays_code_learns_them() -> None:
    found, made_by = shipped.from_bytes(shipped.FILE.read_bytes())
    assert found.words == Settings().watched_words == shipped.WORDS
    assert made_by == version(), "what words are learned by has changed: run `make words`, then `make bench`"


def test_what_was_learned_survives_a_file() -> None:
    found, made_by = shipped.from_bytes(shipped.to_bytes(OTHER, "v1"))
    assert (found.words, found.threshold, made_by) == (OTHER.words, OTHER.threshold, "v1")
    assert found.lengths.tolist() == OTHER.lengths.tolist()
    for ours, theirs in zip(found.nets, OTHER.nets, strict=True):
        assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(ours, theirs, strict=True))


def test_a_home_learns_other_words_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[tuple[str, ...]] = []

    def learn(words: tuple[str, ...]) -> keywords.Keywords:
        learned.append(words)
        return OTHER

    monkeypatch.setattr(keywords, "learned", learn)
    assert keywords_of(tmp_path, shipped.WORDS) is shipped.shipped()
    assert not (tmp_path / WORDS).exists(), "what the package brings is not kept again"
    for _ in range(2):
        assert keywords_of(tmp_path, ("goodbye",)).words == ("goodbye",)
    keywords_of(tmp_path, ("goodbye", "solicitor"))
    assert learned == [("goodbye",), ("goodbye", "solicitor")]
    assert len(list((tmp_path / WORDS).iterdir())) == 2
