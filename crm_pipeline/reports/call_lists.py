"""Whom to act on: who can still be saved, who may be won back, or (where no model ranks churn) who is worth most. No formatting here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from crm_pipeline.contracts.actions import LIKELY_ACTIVE, NOT_TO_ACT
from crm_pipeline.modeling.tasks.base import AGAINST

COLUMNS = [
    "customer_id",
    "value_at_risk",
    "churn_probability",
    "churn_percentile",
    "still_active",
    "expected_spend",
    "customer_value",
    "last_order_at",
    "spend_12m",
    "reason_1",
    "reason_2",
    "reason_3",
    "preferred_channel",
    "recommended_action",
    "action_basis",
    "status",
]
WHY = f"why,{AGAINST}"
"""Heading above `reasons_told`: it says once what each reason says for itself."""


class CallList(NamedTuple):
    """One list: its title, what its order is (a sentence), the amount it is ordered by with its label, its rows, and why it has none
    (empty where it has some, or nobody has a value at risk)."""

    title: str
    told: str
    amount: str
    label: str
    rows: pd.DataFrame
    nobody: str = ""


def call_lists(scores: pd.DataFrame, n: int = 10, *, by_value: bool = False) -> list[CallList]:
    """Return the lists *save* and *win back* of a period; where no model of churn beats a constant, the most valuable alone.

    Parameters
    ----------
    scores : DataFrame
        ``scores/customers`` of one period.
    n : int
        Most rows of a list.
    by_value : bool
        No model of churn beats a constant: what it says orders nobody.

    Returns
    -------
    list of CallList
        Only customers with status scored or extrapolated and the amount; who is known not to be contactable, or is in a control group,
        is left out, and of *save* and *win back* whose action asks for no contact; who may or may not be contactable stays. Ties: the
        higher probability (by value alone: none), then the customer id.
    """
    reachable = _reachable(scores)
    if by_value:
        told = "The most valuable customers; no order in which to call, for no model of churn is of use."
        rows = _first(scores, reachable, "customer_value", n, ("customer_value",))
        return [CallList("Most valuable", told, "customer_value", "value", rows)]
    gone = _likely_gone(scores)
    saved = "Still likely active by the purchase process: the most value at risk first."
    back = "Likely gone by the purchase process: who spent most in the last year first."
    lists = [
        CallList(
            "Save", saved, "value_at_risk", "value at risk", _to_call(scores, reachable & ~gone, "value_at_risk", n)
        ),
        CallList("Win back", back, "spend_12m", "spent in a year", _to_call(scores, reachable & gone, "spend_12m", n)),
    ]
    if not _has(scores, reachable, "value_at_risk").any():
        return lists
    among = (reachable & ~gone, reachable & gone)
    return [
        one if len(one.rows) else one._replace(nobody=_nobody(scores[who], one))
        for one, who in zip(lists, among, strict=True)
    ]


def _to_call(scores: pd.DataFrame, among: pd.Series, amount: str, n: int) -> pd.DataFrame:
    return _first(scores, among & _to_act(scores), amount, n)


def _nobody(among: pd.DataFrame, one: CallList) -> str:
    """Say why a list is empty; ``among`` are those of whom it might have been."""
    who = "still likely active" if one.title == "Save" else "likely gone"
    if among.empty:
        return f"Nobody: of those who were scored and may be contacted, none is {who}."
    if _to_act(among).any():
        return f"Nobody: of those {who} whose action is not to leave them alone, none has an amount {one.label}."
    counts = among["recommended_action"].astype("object").fillna("none").value_counts()
    counts = counts.sort_index().sort_values(ascending=False, kind="stable")
    found = ", ".join(f"{count:,} {action}" for action, count in counts.items())
    return f"Nobody: of {len(among):,} who are {who} and may be contacted, none has an action that asks for contact ({found})."


def reasons_told(row: Mapping[Any, Any]) -> str:
    """Return a customer's reasons in one line, to stand under the heading `WHY`; empty without one."""
    reasons = [row.get(name) for name in ("reason_1", "reason_2", "reason_3")]
    return "; ".join(r.replace(AGAINST, "") for r in reasons if isinstance(r, str) and r)


def _reachable(scores: pd.DataFrame) -> pd.Series:
    kept = pd.Series(True, index=scores.index)
    if "status" in scores.columns:
        kept &= scores["status"].isin(["scored", "extrapolated"])
    if "contactable" in scores.columns:
        kept &= ~scores["contactable"].eq(False).fillna(False).astype(bool)
    if "in_control_group" in scores.columns:
        kept &= ~scores["in_control_group"].eq(True).fillna(False).astype(bool)
    return kept


def _to_act(scores: pd.DataFrame) -> pd.Series:
    if "recommended_action" not in scores.columns:
        return pd.Series(True, index=scores.index)
    actions = scores["recommended_action"]
    return ~actions.isin([action for action in actions.dropna().unique() if action.startswith(NOT_TO_ACT)])


def _likely_gone(scores: pd.DataFrame) -> pd.Series:
    """Tell who is likely gone; whoever is not known to be is not."""
    if "still_active" not in scores.columns:
        return pd.Series(False, index=scores.index)
    return pd.to_numeric(scores["still_active"], errors="coerce") < LIKELY_ACTIVE


def _has(scores: pd.DataFrame, among: pd.Series, amount: str) -> pd.Series:
    """Tell who of ``among`` has the amount."""
    return among & scores[amount].notna() if amount in scores.columns else among & False


def _first(scores: pd.DataFrame, among: pd.Series, amount: str, n: int, order: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return the first n of ``among`` who have the amount; what is sorted is who may be among them alone."""
    columns = [c for c in COLUMNS if c in scores.columns]
    has = _has(scores, among, amount)
    if not has.any():
        return scores.loc[[], columns]
    by = [c for c in (*(order or (amount, "churn_probability")), "customer_id") if c in columns]
    amounts = pd.to_numeric(scores.loc[has, by[0]])
    kept = scores.loc[amounts.index[amounts >= amounts.nlargest(n).min()], columns]
    kept = kept.sort_values(by, ascending=[c == "customer_id" for c in by], kind="stable")
    return kept.head(n).reset_index(drop=True)
