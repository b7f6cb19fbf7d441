"""What every asset of the code location shares: settings, source state, calendar, engine and lake. Opened lazily."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path

from crm_pipeline.contracts.column import Output
from crm_pipeline.engine import DuckDBEngine, Engine
from crm_pipeline.home.labels import EmotionLabels, emotion_labels, intents_of
from crm_pipeline.home.rollbacks import read_rollbacks
from crm_pipeline.lake import Lake, open_storage
from crm_pipeline.modeling.rollback import Rollback
from crm_pipeline.modeling.tasks import COMPARED, chosen
from crm_pipeline.periods import Calendar
from crm_pipeline.settings import Settings, load_settings
from crm_pipeline.sources.publishing import OF_LABELS
from crm_pipeline.sources.state import SourceState, read_state
from crm_pipeline.transforms.features import catalogue


@dataclass(frozen=True)
class FeatureShape:
    """A `transforms.features.feature.Shape`."""

    windows: tuple[int, ...]
    horizon: int
    eligibility: int
    year: int
    intents: tuple[tuple[str, str], ...]
    emotions: tuple[tuple[str, str], ...] = ()


@dataclass
class Project:
    """A home, its settings and its source; engine and lake are opened at first use.

    Parameters
    ----------
    home : Path
    settings : Settings
    source : SourceState
    listener : callable, optional
        Told of what becomes of each partition.
    turns : callable, optional
        Waits, on behalf of a period, for the partitions (asset and period) that a step reads and another process is about to
        publish.
    """

    home: Path
    settings: Settings
    source: SourceState
    listener: object | None = field(default=None, repr=False)
    turns: Callable[[str, Iterable[tuple[str, str]]], None] | None = field(default=None, repr=False)

    @cached_property
    def calendar(self) -> Calendar:
        """The periods of this home, in the business's time zone."""
        return Calendar(self.settings.grain, self.source.timezone)

    @cached_property
    def emotion_labels(self) -> EmotionLabels | None:
        """The labelled recordings that feelings are learned from; None without."""
        return emotion_labels(self.home, self.source)

    @cached_property
    def rollbacks(self) -> dict[str, tuple[Rollback, ...]]:
        """Which models a person let reign again, by task."""
        return read_rollbacks(self.home)

    @property
    def without(self) -> frozenset[str]:
        """Assets that a fresh home would not have for what the home itself lacks, and not the source."""
        return frozenset() if self.emotion_labels else frozenset(OF_LABELS)

    @cached_property
    def shape(self) -> FeatureShape:
        """What the features depend on: the settings' windows, and the intents and emotions that its labels know."""
        s = self.settings
        intents = intents_of(self.home) if "messages" in self.source.tables else ()
        emotions = self.emotion_labels.common if self.emotion_labels else ()
        return FeatureShape(s.windows, s.horizon, s.eligibility, s.year, intents, emotions)

    @cached_property
    def feature_columns(self) -> tuple[Output, ...]:
        """The columns of the features that the source has: asked for by every asset's contract."""
        return catalogue.columns(self.source.inputs, self.shape)

    @cached_property
    def attributes(self) -> dict[str, str]:
        """The attributes by which the source tells groups of people, each with its column of the customers."""
        given = self.source.tables.get("customers", ())
        return {attribute: column for attribute, column in COMPARED.items() if column in given}

    @cached_property
    def tasks(self) -> list[str]:
        """The tasks that are on, in the order in which they are shown; what is paid is not foretold where nothing is."""
        on = chosen(self.settings)
        return on if self.source.paid else [name for name in on if name != "demand"] or on

    @cached_property
    def lake(self) -> Lake:
        """The lake under the home."""
        return open_lake(self.home, self.settings)

    @property
    def engine(self) -> Engine:
        """The engine of the lake."""
        return self.lake.engine

    def complete(self, period: str) -> bool:
        """Tell whether the source covers the period whole."""
        return self.source.complete_until is not None and period <= self.source.complete_until

    def as_of(self, period: str) -> date:
        """Return the local date on which the period is over."""
        return self.calendar.end_date(period)


def open_lake(home: Path, settings: Settings) -> Lake:
    """Open the lake of a home; each of the runs that may go at once gets its share of the memory."""
    of_process = (memory_share(settings), settings.threads, Path(home) / "lake" / ".spill")
    if settings.engine == "spark":
        from crm_pipeline.engine.spark import SparkEngine

        spark = SparkEngine(*of_process, settings.spark_master, settings.spark_options)
        return Lake(home, spark, storage=open_storage(home, settings))
    return Lake(home, DuckDBEngine(*of_process), storage=open_storage(home, settings))


def memory_share(settings: Settings, among: int = 1) -> str:
    """Return what one of so many processes of a run has of the memory of the runs that may go at once."""
    return f"{settings.memory_bytes // 10**6 // settings.concurrent_runs // among}MB"


def open_project(home: Path, source: Path | None = None, files: Path | None = None) -> Project:
    """Open a home by its recorded source state; a home without one gets the placeholder of every table.

    ``source`` and ``files`` say where the source lies now, if not where it was when the home was last run.
    """
    settings = load_settings(home)
    state = read_state(home) or placeholder(settings)
    if source is not None:
        beside = source if source.is_dir() else source.parent
        state = replace(state, path=str(source.absolute()), files=str((files or beside).absolute()))
    return Project(home, settings, state)


def source_of(home: Path, source: Path | None, files: Path | None, otherwise: Path) -> tuple[Path, Path | None]:
    """Return where a home's source and its files lie: as named, else as recorded when it was last run, else ``otherwise``."""
    if source is not None:
        return source, files
    state = read_state(home)
    if state is None or not state.path:
        return otherwise, files
    return Path(state.path), files or (Path(state.files) if state.files else None)


def placeholder(settings: Settings) -> SourceState:
    """Return a state with every canonical table and the current period, so that the definitions load anywhere."""
    from crm_pipeline.contracts.canonical import CANONICAL

    today = Calendar(settings.grain).key(date.today())
    tables = {name: tuple(c.name for c in table.columns) for name, table in CANONICAL.items()}
    return SourceState("(no source yet)", "UTC", "", tables, today, today, None)
