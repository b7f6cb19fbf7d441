"""Which model becomes the champion, from the evaluations so far (rule 8): a decision with its reason. Nothing is fitted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from crm_pipeline.modeling.baselines import PREFIX
from crm_pipeline.modeling.estimators import entry
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.periods import Calendar, Grain
from crm_pipeline.settings import BLOCKS_TO_CHOOSE

FALLBACK = "purchase_process"


class _Verdict(NamedTuple):
    champion: str | None
    status: str
    reason: str


_UNTRAINED = _Verdict(None, "abstained", "No model has been trained yet.")


def decide(
    task: str,
    evaluation: pd.DataFrame,
    cards: pd.DataFrame,
    *,
    horizon: int | None = None,
    grain: Grain = "month",
    whole_from: str = "",
) -> pd.DataFrame:
    """Decide which of the models fitted now is the champion.

    Losses are compared per cut-off with the level as predicted (log loss for churn, Tweedie deviance for demand). With
    fewer than four blocks the fixed model stands where it beats every baseline: it is ahead at more than half of the
    cut-offs, or at half of them and in the mean. (A mean alone would hang on one odd season.) With four blocks or more
    the lowest mean loss wins, or the simplest model within one block standard error of it, if it beats every baseline in
    the mean. A model must also keep the limits of its task (`Task.not_behind`, `Task.within`): a demand model behind last
    spend in WAPE, or off in total by more than a quarter, in the mean of its cut-offs, is not promoted. Where nothing is,
    the purchase process or the model itself stands in, whichever was itself judged better (of those within the limits, if
    any is): what a baseline of the same name did says nothing of the estimator.

    Parameters
    ----------
    task : str
    evaluation : DataFrame
        Rows of ``evaluation/<task>`` of all cut-offs to judge over: model, cutoff, metric, value. May be empty.
    cards : DataFrame
        The cards of the estimators fitted now: estimator, status, and model_version and model_uri where there are.
    horizon : int, optional
        Periods a label spans: of cut-offs closer than that only every other counts. None: the cut-offs given are already
        that far apart.
    grain : {"month", "week"}
    whole_from : str
        Key of the first cut-off with a year of history before it. Where some are that late, earlier ones do not count:
        their models saw no year, and are not those to be promoted.

    Returns
    -------
    DataFrame
        One row: task, champion (None when no model could be fitted), model_version, status, reason, blocks, evidence
        (JSON: the cut-offs, mean losses, paired differences to the baselines with block standard errors), model_uri,
        trained_as_of.
        Status: ``promoted`` (chosen over four blocks or more), ``fixed`` (the fixed model beats the baselines),
        ``unjudged`` (no evaluation yet), ``kept`` (nothing may be promoted: what was judged better stands in), ``abstained``.
    """
    fitted = cards[cards["status"] == "fitted"] if len(cards) else cards
    candidates = sorted(fitted["estimator"]) if len(fitted) else []
    evaluation = _with_a_year(evaluation, whole_from)
    losses = _by_cutoff(evaluation, the_task(task).loss, horizon, grain)
    limits = {
        m: _by_cutoff(evaluation, m, horizon, grain) for m in (*the_task(task).not_behind, *the_task(task).within)
    }
    verdict = _verdict(task, losses, candidates, limits) if len(cards) else _UNTRAINED
    judged = verdict.champion if verdict.champion in losses else the_task(task).fixed
    blocks = int(losses[judged].notna().sum()) if judged in losses else 0
    row: dict[str, Any] = {"task": task, **verdict._asdict(), "blocks": blocks}
    row["evidence"] = json.dumps(_evidence(the_task(task).loss, losses), sort_keys=True)
    for name in ("model_version", "model_uri", "trained_as_of"):
        own = fitted.loc[fitted["estimator"] == verdict.champion, name] if name in fitted else fitted.iloc[:0]
        row[name] = own.iloc[0] if len(own) else None
    order = [
        "task",
        "champion",
        "model_version",
        "status",
        "reason",
        "blocks",
        "evidence",
        "model_uri",
        "trained_as_of",
    ]
    return pd.DataFrame([row])[order]


def _verdict(
    task: str, losses: pd.DataFrame, candidates: Sequence[str], limits: Mapping[str, pd.DataFrame]
) -> _Verdict:
    if not candidates:
        return _Verdict(None, "abstained", "No estimator could be fitted; their cards say what is missing.")
    judged = [c for c in candidates if c in losses.columns and losses[c].notna().all()]
    if len(losses) >= BLOCKS_TO_CHOOSE and judged:
        return _chosen(task, losses, judged, limits)
    of = the_task(task)
    fixed = next((name for name in (of.fixed, *of.instead) if name in candidates), candidates[0])
    instead = "" if fixed == of.fixed else f" ('{of.fixed}' was not fitted)"
    if fixed not in losses.columns or losses[fixed].isna().all():
        return _Verdict(fixed, "unjudged", f"The fixed model '{fixed}'{instead} stands; no cut-off has judged it yet.")
    return _fixed(task, fixed, losses[losses[fixed].notna()], candidates, limits)


def _with_a_year(evaluation: pd.DataFrame, whole_from: str) -> pd.DataFrame:
    """Return the rows of cut-offs from ``whole_from`` on, or all where there are none."""
    late = np.array([str(c)[:10] >= whole_from for c in evaluation["cutoff"]], dtype=bool) if len(evaluation) else None
    return evaluation if late is None or not late.any() else evaluation[late]


def _by_cutoff(evaluation: pd.DataFrame, metric: str, horizon: int | None, grain: Grain) -> pd.DataFrame:
    """Return cut-off × model values of a metric over non-overlapping cut-offs, taken backwards from the newest."""
    rows = evaluation[evaluation["metric"] == metric] if len(evaluation) else evaluation
    if not len(rows):
        return pd.DataFrame()
    rows = rows.assign(cutoff=[str(c)[:10] for c in rows["cutoff"]])
    table = rows.pivot_table(index="cutoff", columns="model", values="value", aggfunc="last")
    calendar = Calendar(grain)
    kept: list[str] = []
    for cutoff in sorted(table.index, reverse=True):
        if not kept or horizon is None or calendar.distance(cutoff, kept[-1]) >= horizon:
            kept.append(cutoff)
    return table.loc[sorted(kept)]


def _fixed(
    task: str, fixed: str, losses: pd.DataFrame, candidates: Sequence[str], limits: Mapping[str, pd.DataFrame]
) -> _Verdict:
    blocks = len(losses)
    short = (
        f"{blocks} non-overlapping cut-off{'s' if blocks > 1 else ''}, so nothing is chosen ({BLOCKS_TO_CHOOSE} needed)"
    )
    unbeaten = [b for b in _baselines(losses, fixed) if not _ahead(losses[fixed] - losses[b])]
    broken = _broken(task, fixed, limits, list(losses.index))
    if not unbeaten and not broken:
        return _Verdict(fixed, "fixed", f"{short}: the fixed model '{fixed}' {_lead(losses, fixed)}.")
    why = f"does not beat {_plain(losses, fixed, unbeaten[0])}" if unbeaten else broken
    return _kept(task, fixed, losses, candidates, limits, f"{short}; the fixed model '{fixed}' {why}")


def _chosen(task: str, losses: pd.DataFrame, judged: list[str], limits: Mapping[str, pd.DataFrame]) -> _Verdict:
    """Choose by mean loss; who is within one block standard error of the best counts as equal, the simpler wins."""
    blocks = len(losses)
    able = [name for name in judged if not _broken(task, name, limits, list(losses.index))] or judged
    best = str(losses[able].mean().idxmin())
    paired = {name: losses[name] - losses[best] for name in able}
    equals = [name for name, gap in paired.items() if gap.mean() <= gap.std(ddof=1) / np.sqrt(blocks)]
    champion = min(equals, key=lambda name: (entry(task, name).complexity, name))
    unbeaten = [b for b in _baselines(losses, champion) if not (losses[champion] - losses[b]).mean() < 0]
    broken = _broken(task, champion, limits, list(losses.index))
    if unbeaten or broken:
        why = f"does not beat {_plain(losses, champion, unbeaten[0])}" if unbeaten else broken
        return _kept(task, champion, losses, judged, limits, f"Over {blocks} blocks '{champion}' {why}")
    among = "" if champion == best else f"; it is the simplest within one block standard error of '{best}'"
    return _Verdict(champion, "promoted", f"Over {blocks} blocks '{champion}' {_lead(losses, champion)}{among}.")


def _kept(
    task: str,
    model: str,
    losses: pd.DataFrame,
    candidates: Sequence[str],
    limits: Mapping[str, pd.DataFrame],
    why: str,
) -> _Verdict:
    """Let the purchase process or the model itself stand in, by how each was judged itself at the same cut-offs."""
    judged = [
        n for n in dict.fromkeys((FALLBACK, model)) if n in candidates and n in losses and losses[n].notna().all()
    ]
    able = [name for name in judged if not _broken(task, name, limits, list(losses.index))]
    stands = str(losses[able or judged or [model]].mean().idxmin())
    how = "it stands in, unpromoted" if stands == model else f"'{stands}' stands in, itself judged better"
    return _Verdict(stands, "kept", f"{why}: {how}.")


def _broken(task: str, model: str, limits: Mapping[str, pd.DataFrame], cutoffs: Sequence[str]) -> str:
    """Say which limit of its task a model breaks in the mean of the cut-offs; empty when none."""

    def mean(metric: str, name: str) -> float:
        table = limits[metric]
        return float(table[name].reindex(cutoffs).mean()) if name in table else float("nan")

    for metric, baseline in the_task(task).not_behind.items():
        own, other = mean(metric, model), mean(metric, PREFIX + baseline)
        if own > other:
            return f"is behind '{baseline}' in {metric.upper()} ({own:.2f} against {other:.2f} in the mean)"
    for metric, limit in the_task(task).within.items():
        own = mean(metric, model)
        if abs(own) > limit:
            return f"is off by {own:+.0%} in total ({metric}, in the mean of its cut-offs; {limit:.0%} is allowed)"
    return ""


def _baselines(losses: pd.DataFrame, model: str = "") -> list[str]:
    """Return the baselines that were judged, without one that is the model itself under the same name."""
    judged = [m for m in losses.columns if m.startswith(PREFIX) and losses[m].notna().any()]
    itself = PREFIX + model
    if itself in judged and np.allclose(losses[itself], losses[model], rtol=0, atol=1e-9, equal_nan=True):
        judged.remove(itself)
    return judged


def _ahead(gaps: pd.Series) -> bool:
    """Tell whether a model is ahead by its paired loss differences (negative is ahead), cut-off by cut-off."""
    wins, count = int((gaps < 0).sum()), int(gaps.notna().sum())
    return wins * 2 > count or (wins * 2 == count and float(gaps.mean()) < 0)


def _lead(losses: pd.DataFrame, model: str) -> str:
    """Say by how much a model leads the baseline closest to it."""
    baselines = _baselines(losses, model)
    if not baselines:
        return "had no baseline to beat"
    closest = max(baselines, key=lambda b: float((losses[model] - losses[b]).mean()))
    return f"beats every baseline, the closest being {_plain(losses, model, closest)}"


def _plain(losses: pd.DataFrame, model: str, baseline: str) -> str:
    gaps = (losses[model] - losses[baseline]).dropna()
    name = baseline.removeprefix(PREFIX)
    return f"'{name}' (mean difference of the loss {gaps.mean():+.4f}, better at {(gaps < 0).sum()} of {len(gaps)} cut-offs)"


def _evidence(loss: str, losses: pd.DataFrame) -> dict[str, Any]:
    def pair(model: str, baseline: str) -> dict[str, float]:
        gap = (losses[model] - losses[baseline]).dropna()
        found = {"mean": round(float(gap.mean()), 6)} if len(gap) else {}
        if len(gap) > 1:
            found["block_error"] = round(float(gap.std(ddof=1) / np.sqrt(len(gap))), 6)
        return found

    baselines = _baselines(losses)
    models = [m for m in losses.columns if m not in baselines]
    return {
        "loss": loss,
        "cutoffs": list(losses.index),
        "mean_loss": {m: round(float(v), 6) for m, v in losses.mean().items() if np.isfinite(v)},
        "against_baselines": {m: {b.removeprefix(PREFIX): pair(m, b) for b in baselines} for m in models},
    }
