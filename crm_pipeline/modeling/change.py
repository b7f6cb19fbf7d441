"""What changed a score from one period to the next: the difference of its additive parts, and words for it. Nothing is read here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from crm_pipeline.modeling.explain import BASE, LEVEL
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.periods import Grain

LEAST = 0.005
"""Differences that would be written as 0.00 are not named."""


@dataclass(frozen=True)
class Change:
    """What moved one score between two periods; all parts are in log-odds, or log amount, and add up to ``moved``.

    Attributes
    ----------
    before, after : float
        The answers: probabilities, or amounts in major units.
    own : dict of str to float
        By theme, what the customer's features moved; the greatest first.
    model : float
        What another model moves on the same features, where that is told apart; else 0.
    base, level : float
        What the base customer and the season's level moved, the same for everybody.
    refitted : bool
        The two scores are of two models.
    apart : bool
        ``own`` is the customer's alone; else it holds, theme by theme, what another model says too.
    same_features : bool
        No feature of the customer changed.
    """

    task: str
    before: float
    after: float
    own: dict[str, float]
    model: float
    base: float
    level: float
    refitted: bool
    apart: bool
    same_features: bool

    @property
    def moved(self) -> float:
        """The whole difference."""
        return sum(self.own.values()) + self.model + self.base + self.level


def change(
    task: str,
    earlier: Mapping[str, Any],
    now: Mapping[str, Any],
    between: Mapping[str, float] | None = None,
) -> Change | None:
    """Return what changed a score; None where one of the two was none.

    Parameters
    ----------
    task : str
    earlier, now : mapping
        A customer's rows of ``scores/<task>`` of two periods.
    between : mapping of theme to float, optional
        What today's model says of the earlier features (``explain.theme_contributions``). With it the customer's own part is told
        apart from the model's.
    """
    old, new = _factors(earlier), _factors(now)
    if not old or not new:
        return None
    refitted = bool(earlier["model_version"] != now["model_version"])
    held = old if between is None or not refitted else between
    own = {t: new.get(t, 0.0) - held.get(t, 0.0) for t in dict.fromkeys([*new, *held]) if t not in (BASE, LEVEL)}
    model = sum(held.get(t, 0.0) - old.get(t, 0.0) for t in dict.fromkeys([*held, *old]) if t not in (BASE, LEVEL))
    answer = the_task(task).answer
    return Change(
        task, float(earlier[answer]), float(now[answer]),
        dict(sorted(own.items(), key=lambda part: -abs(part[1]))), model,
        new.get(BASE, 0.0) - old.get(BASE, 0.0), new.get(LEVEL, 0.0) - old.get(LEVEL, 0.0),
        refitted, not refitted or between is not None,
        bool(earlier["features_hash"] == now["features_hash"]),
    )  # fmt: skip


def sentences(found: Change, grain: Grain, currency: str) -> list[str]:
    """Say what changed a score, one thing a sentence."""
    of = the_task(found.task)
    if of.kind == "probability":
        answer, unit = f"{found.before * 100:.0f} % to {found.after * 100:.0f} %", "log-odds"
    else:
        answer, unit = f"{found.before:,.2f} to {found.after:,.2f} {currency}".rstrip(), "log amount"
    parts = [f"{theme} {part:+.2f}" for theme, part in found.own.items() if abs(part) >= LEAST]
    said = [f"Since last {grain} the {of.answer} went from {answer} ({found.moved:+.2f} {unit})."]
    if found.same_features:
        said.append("No feature of the customer changed.")
    if parts:
        whose = "The customer’s own part" if found.apart else "By theme"
        said.append(f"{whose}: {', '.join(parts)}.")
    elif not found.same_features:
        said.append("No theme moved it.")
    rest = [("the level of the season", found.level)]
    rest.insert(
        0, ("another model", found.model + found.base) if found.apart else ("the base of another model", found.base)
    )
    common = [f"{name} {part:+.2f}" for name, part in rest if abs(part) >= LEAST]
    said += [f"Not the customer’s doing: {', '.join(common)}."] if common else []
    if found.refitted and not found.apart:
        said.append(
            "The model is another than last time, and how much of the themes’ part is its doing cannot be told from them."
        )
    return said


def _factors(row: Mapping[str, Any]) -> dict[str, float]:
    text = row["factors"]
    return {} if pd.isna(text) else {name: float(part) for name, part in json.loads(text).items()}
