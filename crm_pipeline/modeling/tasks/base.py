"""What a task is: a question about customers, its outcome, and how an answer is learned, judged, levelled and said. No task here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from crm_pipeline.contracts.column import Output

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from ibis.expr.types import Table

    from crm_pipeline.modeling.level import Level

KEYS = ("customer_id", "cutoff", "as_of")
"""Columns of a training table that identify a row."""

SEASONS_BACK = 2
"""How many years back the level looks for the season."""

NEVER_FEATURES = ("gender", "birth_year", "age", "country", "region")
"""Personal attributes that no model of ours reads."""

AGAINST = " against the average customer"
"""What an attribution compares a customer with, said in every reason: each stands alone in the scored table."""

COMPARED = {"gender": "gender", "age": "birth_year", "region": "region", "country": "country"}
"""Attribute by which groups of people are compared → the column of ``lifetime/customers`` that tells it."""


class Task(ABC):
    """One question asked of every eligible customer; a task is one instance of a subclass.

    Attributes
    ----------
    name : str
        Key of the assets: ``training/<name>``, ``scores/<name>``.
    rank : int
        Where it stands among the tasks in reports and terminal.
    kind : str
        ``probability``, ``amount``, or a word of one's own: by it the report chooses its words.
    question : str
        The label definition with ``{h}`` for the horizon in words; `definition` fills it in.
    outcome_told, score_told : str
        For the descriptions of the assets: what the outcomes say (with ``{ago}``), and what the scores say.
    labels : tuple of Output
        Label columns of outcomes and training, the judged one first.
    answers : tuple of Output
        Columns of ``scores/<name>`` that are the task's own, the ranked one first; what explains a score is the same for all.
    unit : str
        Of the ranked answer.
    effect : str
        What a reason raises or lowers: the risk, the amount.
    raises_is_worse : bool
        Whether a higher answer speaks against the customer.
    joined : mapping of str to str
        Theme → the theme with which it is told as one reason, where the two say nearly the same of a customer: which of them a
        fit credits is chance.
    averted : bool
        Whether a contact in time may avert a yes: its profit is reckoned where cost and saved value are set.
    fixed : str
        The estimator that is the model as long as history is too short to choose one.
    instead : tuple of str
        Which estimator stands in where that one could not be fitted: the first of these that was.
    ablated : str
        The plain estimator by which it is measured what a group of features is worth; empty: it is not.
    interval_basis : str
        What ``low`` and ``high`` of `say` rest on, in words.
    conformal : bool
        Whether they are replaced by intervals that earlier cut-offs calibrated (`crm_pipeline.modeling.conformal`), once there are.
    loss : str
        The metric by which estimators are compared; lower is better.
    shown : tuple of str
        Metrics shown in the terminal.
    drawn : tuple of str
        Plots of its predictions, functions of `crm_pipeline.reports.plots`.
    baselines : tuple of str
        Rules judged beside every estimator.
    constant : str
        The baseline that says (nearly) the same of everyone; where no model beats it, nobody is ranked by one.
    chance : mapping of str to float
        Metric → its value by chance: where the interval of every model holds it, nobody is ranked by one either.
    not_for : tuple of str
        What its scores must not be used for, a sentence each: on the model card.
    not_behind : mapping of str to str
        Metric → the baseline whose mean of it over the cut-offs a promoted model must not exceed.
    within : mapping of str to float
        Metric → how far from zero its mean over the cut-offs may lie for a promoted model.
    """

    name: ClassVar[str]
    rank: ClassVar[int] = 9
    kind: ClassVar[str]
    question: ClassVar[str]
    outcome_told: ClassVar[str]
    score_told: ClassVar[str]
    labels: ClassVar[tuple[Output, ...]]
    answers: ClassVar[tuple[Output, ...]]
    unit: ClassVar[str]
    effect: ClassVar[str]
    raises_is_worse: ClassVar[bool]
    joined: ClassVar[Mapping[str, str]] = {}
    averted: ClassVar[bool] = False
    fixed: ClassVar[str]
    instead: ClassVar[tuple[str, ...]] = ()
    ablated: ClassVar[str] = ""
    interval_basis: ClassVar[str] = ""
    conformal: ClassVar[bool] = False
    loss: ClassVar[str]
    shown: ClassVar[tuple[str, ...]]
    drawn: ClassVar[tuple[str, ...]] = ()
    baselines: ClassVar[tuple[str, ...]] = ()
    constant: ClassVar[str] = ""
    chance: ClassVar[Mapping[str, float]] = {}
    not_for: ClassVar[tuple[str, ...]] = ()
    not_behind: ClassVar[Mapping[str, str]] = {}
    within: ClassVar[Mapping[str, float]] = {}

    @property
    def label(self) -> str:
        """The judged label column."""
        return self.labels[0].name

    @property
    def answer(self) -> str:
        """The ranked column of a prediction."""
        return self.answers[0].name

    def definition(self, horizon: int, grain: str = "month") -> str:
        """Return the label definition as one sentence, for the score rows."""
        return self.question.format(h=f"{horizon} {grain}{'s' if horizon != 1 else ''}")

    # -- what happened -----------------------------------------------------------------------------

    @abstractmethod
    def outcome(self, features_then: Table, orders_since: Table, cutoff: str) -> Table:
        """Tell what happened to those eligible at the end of the period ``cutoff``.

        Parameters
        ----------
        features_then : Table
            ``features/customers`` of the cut-off period: its customers are the eligible ones; nothing else of it is used.
        orders_since : Table
            ``activity/orders`` of the h periods after the cut-off.
        cutoff : str
            Key of the cut-off period.

        Returns
        -------
        Table
            customer_id, cutoff (DATE), `labels`.
        """

    @abstractmethod
    def actual(self, rows: pd.DataFrame, money_unit: float) -> np.ndarray:
        """Return what is learned and judged of rows with `labels` (n,): 0/1, or major units; nan where a label is null."""

    @abstractmethod
    def events(self, rows: pd.DataFrame) -> int:
        """Return how many rows there are to learn from of what is rare."""

    @abstractmethod
    def too_few(self, events: int, least: int) -> str:
        """Return one sentence that says what there is too little of."""

    # -- what is said ------------------------------------------------------------------------------

    @abstractmethod
    def facts(self, model: Any, rows: pd.DataFrame, actual: np.ndarray) -> dict[str, Any]:
        """Return what a model remembers of its training: the level and the spread around it."""

    def looked_at(self, columns: Sequence[str], horizon: int) -> list[str]:
        """Return the columns of ``features/customers`` that `say` and `rules` look at, of all customers together.

        All others are read by models alone, a batch of customers at a time; a task that does not say holds the whole table in memory.
        """
        return list(columns)

    @abstractmethod
    def shift(self, model: Any, raw: np.ndarray, level: Level | None, money_unit: float) -> float:
        """Return what the level adds to every raw score (n,) of a model; ``raw`` are all customers of the period."""

    @abstractmethod
    def say(
        self, model: Any, features: pd.DataFrame, raw: np.ndarray, moved: np.ndarray, level: Level | None
    ) -> pd.DataFrame:
        """Return `answers`, ``low`` and ``high`` of every row from its raw score, and that score with the level."""

    @abstractmethod
    def rules(
        self, training: pd.DataFrame, features: pd.DataFrame, *, horizon: int, money_unit: float
    ) -> dict[str, np.ndarray]:
        """Return what the baselines say of ``features``, by name; one that cannot be computed is left out."""

    # -- how it is judged --------------------------------------------------------------------------

    @abstractmethod
    def judgeable(self, actual: np.ndarray) -> bool:
        """Tell whether predictions can be judged on these outcomes."""

    @abstractmethod
    def measure(self, y: np.ndarray, said: np.ndarray, weights: np.ndarray, threshold: float) -> dict[str, np.ndarray]:
        """Return metric → one value per weighting (b × n) of outcomes (n,) and predictions (n,)."""

    def further(self, y: np.ndarray, said: np.ndarray) -> list[tuple[str, float, float, float]]:
        """Return metrics with an interval of their own: (name, value, low, high)."""
        return []
