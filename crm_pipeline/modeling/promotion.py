"""Which model becomes the champion, from the evaluations so far (rule 8): a decision with its reason. Nothing is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from crm_pipeline.modeling.baselines import PREFIX
from crm_pipeline.modeling.estimators import entry
from crm_pipeline.modeling.tasks import TASKS
from crm_pipeline.periods import Calendar, Grain

BLOCKS_TO_CHOOSE = 4
"""With fewer non-overlapping blocks of h periods nothing is chosen: the fixed model is judged, or the fallback taken."""

FALLBACK = "purchase_process"


@dataclass(frozen=True)
class Decision:
    """One row of ``models/<task>/champion``, without versions and URIs.

    Attributes
    ----------
    champion : str or None
        Estimator, None when no model could be fitted.
    status : {"promoted", "fixed", "unjudged", "fallback", "abstained"}
        ``promoted``: chosen among candidates on four blocks or more; ``fixed``: the fixed model, which beats the
        baselines; ``unjudged``: the fixed model, no evaluation yet; ``fallback``: nothing beat the baselines;
        ``abstained``: no model.
    reason : str
        One sentence or two.
    blocks : int
        Non-overlapping cut-offs it rests on.
    evidence : dict
        JSON-ready: the loss, the cut-offs, and per model its mean loss and its paired difference to each baseline.
    """

    champion: str | None
    status: str
    reason: str
    blocks: int
    evidence: dict[str, Any] = field(default_factory=dict)


def decide(
    task: str, evaluation: pd.DataFrame, candidates: Sequence[str], *, horizon: int, grain: Grain = "month"
) -> Decision:
    """Decide which of the models fitted now is the champion.

    Parameters
    ----------
    task : str
    evaluation : DataFrame
        Rows of ``evaluation/<task>`` of all cut-offs to judge over: model, cutoff, metric, value.
    candidates : sequence of str
        Estimators fitted now (not abstained).
    horizon : int
        Periods a label spans: cut-offs closer than that overlap and count once.
    """
    of = TASKS[task]
    if not candidates:
        return Decision(None, "abstained", "No estimator could be fitted; see the cards of the models.", 0)
    losses = _losses(evaluation, of.loss, horizon, grain)
    blocks = len(losses)
    fixed = of.fixed if of.fixed in candidates else (FALLBACK if FALLBACK in candidates else sorted(candidates)[0])
    if not blocks:
        why = f"No cut-off has been judged yet, so the fixed model '{fixed}' stands, unjudged."
        if fixed != of.fixed:
            why = f"No cut-off has been judged yet and '{of.fixed}' could not be fitted, so '{fixed}' stands, unjudged."
        return Decision(fixed, "unjudged", why, 0)
    baselines = [m for m in losses.columns if m.startswith(PREFIX)]
    evidence = _evidence(of.loss, losses, baselines)
    judged = [c for c in candidates if c in losses.columns and losses[c].notna().all()]
    if blocks >= BLOCKS_TO_CHOOSE and judged:
        return _chosen(task, losses, judged, baselines, evidence)
    return _fixed(fixed, losses, candidates, baselines, evidence)


def _losses(evaluation: pd.DataFrame, loss: str, horizon: int, grain: Grain) -> pd.DataFrame:
    """Return cut-off × model losses over non-overlapping cut-offs, taken backwards from the newest."""
    rows = evaluation[evaluation["metric"] == loss] if len(evaluation) else evaluation
    if not len(rows):
        return pd.DataFrame()
    table = rows.assign(cutoff=[str(c)[:10] for c in rows["cutoff"]]).pivot_table(
        index="cutoff", columns="model", values="value", aggfunc="last"
    )
    calendar, kept = Calendar(grain), []
    for cutoff in sorted(table.index, reverse=True):
        if not kept or calendar.distance(cutoff, kept[-1]) >= horizon:
            kept.append(cutoff)
    return table.loc[sorted(kept)]


def _fixed(
    fixed: str, losses: pd.DataFrame, candidates: Sequence[str], baselines: list[str], evidence: dict[str, Any]
) -> Decision:
    blocks = len(losses)
    short = (
        f"{blocks} non-overlapping cut-off{'s' if blocks > 1 else ''}, fewer than {BLOCKS_TO_CHOOSE}: nothing is chosen"
    )
    if fixed not in losses.columns or losses[fixed].isna().all():
        return Decision(
            fixed, "unjudged", f"{short}, and the fixed model '{fixed}' has not been judged yet.", blocks, evidence
        )
    strongest, gap = _strongest(losses, fixed, baselines)
    if strongest is None or gap < 0:
        wins = _wins(losses, fixed, strongest)
        return Decision(
            fixed, "fixed", f"{short}; the fixed model '{fixed}' {_beats(strongest, gap, wins)}.", blocks, evidence
        )
    fallback = FALLBACK if FALLBACK in candidates else fixed
    why = (
        f"{short}; the fixed model '{fixed}' does not beat {_plain(strongest)} ({gap:+.4f} in mean loss), "
        f"so '{fallback}' stands in and nothing is promoted."
    )
    return Decision(fallback, "fallback", why, blocks, evidence)


def _chosen(
    task: str, losses: pd.DataFrame, judged: list[str], baselines: list[str], evidence: dict[str, Any]
) -> Decision:
    """Choose by mean loss; who is within one block standard error of the best counts as equal, the simpler wins."""
    best = str(losses[judged].mean().idxmin())
    blocks, equals = len(losses), []
    for name in judged:
        paired = losses[name] - losses[best]
        if paired.mean() <= paired.std(ddof=1) / np.sqrt(blocks):
            equals.append(name)
    champion = min(equals, key=lambda name: (entry(task, name).complexity, name))
    strongest, gap = _strongest(losses, champion, baselines)
    if strongest is not None and gap >= 0:
        fallback = FALLBACK if FALLBACK in judged else champion
        why = f"Over {blocks} blocks '{champion}' does not beat {_plain(strongest)} ({gap:+.4f} in mean loss): '{fallback}' stands in."
        return Decision(fallback, "fallback", why, blocks, evidence)
    wins = _wins(losses, champion, strongest)
    among = "" if champion == best else f" and is the simplest of those within one standard error of '{best}'"
    why = f"Over {blocks} blocks '{champion}' {_beats(strongest, gap, wins)}{among}."
    return Decision(champion, "promoted", why, blocks, evidence)


def _strongest(losses: pd.DataFrame, model: str, baselines: list[str]) -> tuple[str | None, float]:
    """Return the baseline the model is least ahead of, and the mean paired difference (negative: ahead)."""
    gaps = {b: float((losses[model] - losses[b]).mean()) for b in baselines if losses[b].notna().any()}
    gaps = {b: g for b, g in gaps.items() if np.isfinite(g)}
    if not gaps:
        return None, float("nan")
    strongest = max(gaps, key=lambda b: gaps[b])
    return strongest, gaps[strongest]


def _wins(losses: pd.DataFrame, model: str, baseline: str | None) -> str:
    if baseline is None:
        return ""
    return f"{int((losses[model] < losses[baseline]).sum())} of {len(losses)}"


def _beats(strongest: str | None, gap: float, wins: str) -> str:
    if strongest is None:
        return "had no baseline to beat"
    return f"beats every baseline, {_plain(strongest)} the least ({gap:+.4f} in mean loss, better at {wins} cut-offs)"


def _plain(baseline: str | None) -> str:
    return f"the baseline '{(baseline or '').removeprefix(PREFIX)}'"


def _evidence(loss: str, losses: pd.DataFrame, baselines: list[str]) -> dict[str, Any]:
    def pair(model: str, baseline: str) -> dict[str, float | None]:
        gap = (losses[model] - losses[baseline]).dropna()
        error = float(gap.std(ddof=1) / np.sqrt(len(gap))) if len(gap) > 1 else None
        return {"mean": round(float(gap.mean()), 6) if len(gap) else None, "block_error": error and round(error, 6)}

    models = [m for m in losses.columns if m not in baselines]
    return {
        "loss": loss,
        "cutoffs": list(losses.index),
        "mean_loss": {m: round(float(v), 6) for m, v in losses.mean().items() if np.isfinite(v)},
        "against_baselines": {m: {b.removeprefix(PREFIX): pair(m, b) for b in baselines} for m in models},
    }
