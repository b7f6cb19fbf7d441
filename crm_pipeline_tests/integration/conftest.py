"""Homes that several integration tests share, so that each is built once. No tests."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from crm_pipeline.lake.locks import only_one
from crm_pipeline_tests.integration import world
from crm_pipeline_tests.integration.cutting import cut_source


@dataclass(frozen=True)
class Built:
    """A home as it was right after its first run."""

    source: Path
    home: Path
    through: str
    hashes: dict[world.Key, str]
    output: str


@dataclass
class Fixed:
    """A home to which a data fix was brought, beside a fresh build of the fixed files."""

    before: Built
    month: str
    planned: list[dict[str, str]] = field(default_factory=list)
    planned_after: list[dict[str, str]] = field(default_factory=list)
    hashes: dict[world.Key, str] = field(default_factory=dict)
    fresh: dict[world.Key, str] = field(default_factory=dict)


THROUGH, FIXED = "2026-05", "2026-02"
"""Of the sample of six months to 2026-06: what is scored, and the month with the planted data error."""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("integration")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of a session see, for what takes long to build."""
    own = tmp_path_factory.getbasetemp()
    found = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"
    found.mkdir(exist_ok=True)
    return found


@pytest.fixture(scope="session")
def pair(shared: Path) -> tuple[Built, Built]:
    """Two homes scored through the same period: of all files, and of files without anything later. The first worker builds them.

    The source is the made-up company: ten tables, six months, with every kind of dirt.
    """
    kept = shared / "pair.pickle"
    with only_one(shared / ".pair.lock"):
        if not kept.exists():
            kept.write_bytes(pickle.dumps(_build_pair(shared)))
        return pickle.loads(kept.read_bytes())


def _build_pair(folder: Path) -> tuple[Built, Built]:
    whole, short = folder / "sample", folder / "cut"
    world.crm("sample", "--out", whole, "--customers", 260, "--periods", 6, "--seed", 3, "--recordings", 0)
    cut_source(whole, short, "2026-06-01")
    sources, homes = (whole, short), (world.new_home(folder / "whole_home"), world.new_home(folder / "cut_home"))
    both = [
        world.start("run", "--source", s, "--home", h, "--through", THROUGH)
        for s, h in zip(sources, homes, strict=True)
    ]
    done = [world.finish(process) for process in both]
    one, two = (Built(s, h, THROUGH, world.hashes(h), d.stdout) for s, h, d in zip(sources, homes, done, strict=True))
    return one, two


@pytest.fixture(scope="session")
def whole(pair: tuple[Built, Built]) -> Built:
    """The home of all files; tests read it and do not change it."""
    return pair[0]


@pytest.fixture(scope="session")
def cut(pair: tuple[Built, Built]) -> Built:
    """The home of the files without anything later, as first built; `fixed` changes it."""
    return pair[1]


@pytest.fixture(scope="session")
def fixed(cut: Built, folder: Path) -> Fixed:
    """The cut home after its planted data error was mended, and a fresh home of the mended files."""
    result = Fixed(cut, FIXED)
    shutil.copytree(cut.source / "truth" / "fix", cut.source, dirs_exist_ok=True)
    result.planned = world.plan(cut.source, cut.home, "--through", THROUGH)
    fresh = world.new_home(folder / "fresh_home")
    both = [world.start("run", "--source", cut.source, "--home", h, "--through", THROUGH) for h in (cut.home, fresh)]
    for process in both:
        world.finish(process)
    result.hashes, result.fresh = world.hashes(cut.home), world.hashes(fresh)
    result.planned_after = world.plan(cut.source, cut.home, "--through", THROUGH)
    return result


@pytest.fixture(scope="session")
def tiny(folder: Path) -> Built:
    """The tiny source, scored through its last month but one; tests copy it (see `tiny_home`)."""
    source = world.write_tiny(folder / "tiny")
    home = world.new_home(folder / "tiny_home", world.TINY)
    done = world.crm("run", "--source", source, "--home", home, "--through", "2024-04")
    shutil.copytree(home, folder / "tiny_kept")
    shutil.copytree(source, folder / "tiny_source_kept")
    return Built(source, home, "2024-04", world.hashes(home), done.stdout)


@pytest.fixture
def tiny_home(tiny: Built) -> Iterator[Built]:
    """The tiny home as first built; may be changed."""
    restore_tiny(tiny)
    yield tiny
    restore_tiny(tiny)


def restore_tiny(tiny: Built) -> None:
    """Bring home and source of the tiny source back to how they were right after the first run."""
    for path, kept in ((tiny.home, "tiny_kept"), (tiny.source, "tiny_source_kept")):
        shutil.rmtree(path)
        shutil.copytree(tiny.home.parent / kept, path, copy_function=shutil.copy2)
