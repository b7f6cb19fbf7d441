"""What a report is made of: one dataclass of data frames and values. No reading of files and no drawing here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pandas as pd

from crm_pipeline.modeling.decision import Decision, read_decision
from crm_pipeline.modeling.tasks import tasks
from crm_pipeline.periods import Grain
from crm_pipeline.reports.calls import Calls
from crm_pipeline.reports.texts import Texts


def _frame() -> pd.DataFrame:
    return pd.DataFrame()


@dataclass(frozen=True)
class ReportData:
    """Everything the report of one period says. Every frame may be empty and every optional column absent.

    Parameters
    ----------
    source : str
        Name of the source, as a reader knows it.
    period : str
        Key of the period (ISO date of its first day).
    as_of, horizon_end : datetime.date
        The local first day after the period, and the local first day after the h periods the scores speak of.
    currency : str
        Code of the currency of all amounts (major units).
    scores : DataFrame
        ``scores/customers`` of the period: one row per known customer; reasons of those who are listed.
    synthetic : bool
        The source is made up: every page and every figure then says so.
    timezone : str
        IANA name of the source's time zone: the days a reader sees are days there.
    grain, horizon, eligibility
        Length of a period, h in periods, and how many periods back an order makes a customer eligible.
    track_record : mapping of task to DataFrame
        customer_id, cutoff, edition (published | restated), published_at, predicted, outcome, ``baseline_*``; all
        matured cut-offs so far. Amounts in major units.
    track_record_note : mapping of task to str
        Why a track record is empty, one sentence; without it the report names the period that brings the first one.
    quality : DataFrame
        One row per source table: table, rows, clean, refused, conserved (bool: rows = clean + refused per file).
    refusals : DataFrame
        table, reason, rows.
    of_nobody : mapping of table to int
        Rows that are kept although they name no customer.
    undated : mapping of table to int
        Source rows without a usable time: refused too, and of no period.
    absent_tables : sequence of str
        Optional tables the source does not have.
    evaluation : mapping of task to DataFrame
        ``evaluation/<task>`` of the cut-offs the champion was judged on, stacked: task, model, kind (estimator |
        baseline), cutoff, metric, value, low, high, n.
    predictions : mapping of task to DataFrame
        ``evaluation/<task>_predictions``: customer_id, cutoff, outcome, one column per model, baselines prefixed
        ``baseline_``. Curves are drawn at its newest cut-off, of a fixed sample of many customers.
    judged : mapping of task to int
        Of how many customers they are a sample; 0: they are all.
    intervals : mapping of task to DataFrame
        ``evaluation/<task>_intervals``: coverage and width of every model's intervals at the cut-offs that earlier ones calibrated.
    ablations : mapping of task to DataFrame
        ``evaluation/<task>_ablation`` of the cut-offs that are judged; empty where the source has tables alone.
    fairness : mapping of task to DataFrame
        ``evaluation/<task>_fairness`` of the cut-offs that are judged; a task is absent where the source tells no groups.
    unequal : mapping of task to sequence of str
        Sentences on a champion that chooses one group more often than the setting ``fairness_max_gap`` allows.
    champions : DataFrame
        One row per task, as ``models/<task>/champion`` has it.
    levels : mapping of task to str
        What is said of the level that the scores of the period were moved to.
    leaderboards : mapping of task to DataFrame
        ``evaluation/<task>_leaderboard`` of the period: all models and baselines over the blocks of the decision.
    leaderboard_files : mapping of task to str
        Where they lie as CSV, relative to the report.
    card_pages : mapping of task to str
        Where the model cards of the champions lie, relative to the report.
    cards : DataFrame
        ``models/<task>/<estimator>`` stacked: task, estimator, status, reason, rows, customers, cutoffs, events,
        features (JSON list), parameters (JSON).
    features, previous_features : DataFrame
        ``features/customers`` of the period and of the one before, or the last one there is; of a fixed sample of many customers.
        Amounts in major units.
    eligible : tuple of int
        Of how many customers ``previous_features`` and ``features`` are a sample; 0: they are all.
    previous_period : str or None
        Key of the period of ``previous_features``.
    descriptions : mapping of feature to str
        From the feature catalogue.
    reasons : mapping of task to DataFrame
        One row per theme: theme, share, raises, lowers, strongest, customers (`summary.theme_shares`).
    refits : mapping of task to DataFrame
        ``evaluation/<task>_reasons``, one row: how far two refits of the champion agree on the reasons.
    dependence : mapping of task to DataFrame
        ``evaluation/<task>_dependence``, amounts in major units.
    comebacks : DataFrame
        How many who lapsed ordered again later: cutoff, lapsed, returned, periods (how many periods they were watched
        after the lapse was declared).
    segments : DataFrame
        ``models/segments`` of the period, one row: k, silhouette, stability, refit_stability, reason.
    texts : Texts or None
        What customers wrote; None where the source has no messages.
    calls : Calls or None
        What was heard in calls, and the call queue; None where no call has a recording.
    """

    source: str
    period: str
    as_of: date
    horizon_end: date
    currency: str
    scores: pd.DataFrame
    synthetic: bool = False
    timezone: str = "UTC"
    grain: Grain = "month"
    horizon: int = 3
    eligibility: int = 12
    track_record: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    track_record_note: Mapping[str, str] = field(default_factory=dict)
    quality: pd.DataFrame = field(default_factory=_frame)
    of_nobody: Mapping[str, int] = field(default_factory=dict)
    undated: Mapping[str, int] = field(default_factory=dict)
    refusals: pd.DataFrame = field(default_factory=_frame)
    absent_tables: tuple[str, ...] = ()
    evaluation: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    intervals: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    ablations: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    predictions: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    judged: Mapping[str, int] = field(default_factory=dict)
    fairness: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    unequal: Mapping[str, Sequence[str]] = field(default_factory=dict)
    champions: pd.DataFrame = field(default_factory=_frame)
    leaderboards: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    levels: Mapping[str, str] = field(default_factory=dict)
    leaderboard_files: Mapping[str, str] = field(default_factory=dict)
    card_pages: Mapping[str, str] = field(default_factory=dict)
    cards: pd.DataFrame = field(default_factory=_frame)
    features: pd.DataFrame = field(default_factory=_frame)
    previous_features: pd.DataFrame = field(default_factory=_frame)
    eligible: tuple[int, int] = (0, 0)
    previous_period: str | None = None
    descriptions: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    refits: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    dependence: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    comebacks: pd.DataFrame = field(default_factory=_frame)
    segments: pd.DataFrame = field(default_factory=_frame)
    texts: Texts | None = None
    calls: Calls | None = None

    @property
    def tasks(self) -> list[str]:
        """The tasks that anything is known of, in the order in which tasks are shown."""
        named = set(self.champions["task"]) if "task" in self.champions else set()
        found = (
            named
            | set(self.evaluation)
            | set(self.ablations)
            | set(self.predictions)
            | set(self.track_record)
            | set(self.reasons)
        )
        order = {name: rank for rank, name in enumerate(tasks())}
        return sorted(found, key=lambda task: (order.get(task, len(order)), task))

    def decision(self, task: str) -> Decision | None:
        """Return the decision on the task's champion, or None where there is none."""
        if "task" not in self.champions or not (self.champions["task"] == task).any():
            return None
        return read_decision(self.champions[self.champions["task"] == task].iloc[0])

    def champion(self, task: str) -> str | None:
        """Name of the task's champion, or None where there is none."""
        decision = self.decision(task)
        return decision.champion if decision is not None else None
