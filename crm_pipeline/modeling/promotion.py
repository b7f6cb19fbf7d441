"""Which model becomes the champion, from the evaluations so far (rule 8): a decision with its reason. Nothing is fitted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from crm_pipeline.contracts.outputs import CHAMPION
from crm_pipeline.modeling.baselines import PREFIX
from crm_pipeline.modeling.estimators import entry
from crm_pipeline.modeling.rollback import Rollback
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.periods import Calendar, Grain
from crm_pipeline.settings import BLOCKS_TO_CHOOSE

FALLBACK = "purchase_process"
REIGNING = ("promoted", "held", "fixed", "rolled_back")
"""Statuses of a champion that whoever takes over must beat; one that only stands in holds nothing."""


class _Reign(NamedTuple):
    champion: str
    status: str
    rollback: Rollback | None


class _Verdict(NamedTuple):
    champion: str | None
    status: str
    reason: str
    losses: pd.DataFrame = pd.DataFrame()


@dataclass(frozen=True)
class _Case:
    """What is judged: cut-off × model losses, the models fitted now, the limits' metrics, and who reigns."""

    task: str
    losses: pd.DataFrame
    candidates: Sequence[str]
    limits: Mapping[str, pd.DataFrame]
    reign: _Reign | None
    calendar: Calendar


_UNTRAINED = _Verdict(None, "abstained", "No model has been trained yet.")


def decide(
    task: str,
    evaluation: pd.DataFrame,
    cards: pd.DataFrame,
    *,
    horizon: int | None = None,
    grain: Grain = "month",
    whole_from: str = "",
    as_of: date | None = None,
    before: Mapping[str, Any] | None = None,
    rollback: Rollback | None = None,
) -> pd.DataFrame:
    """Decide which of the models fitted now is the champion.

    Losses are compared per block (cut-offs a horizon apart) with the level as predicted (log loss for churn, Tweedie
    deviance for demand). With fewer than four blocks the fixed model stands where it beats every baseline: it is ahead in
    more than half of the blocks, or in half of them and in the mean. (A mean alone would hang on one odd season.) With four
    blocks or more the lowest mean loss wins, or the simplest model within one block standard error of it, if it beats every
    baseline in the mean. A model must also keep the limits of its task (`Task.not_behind`, `Task.within`): a demand model
    behind last spend in WAPE, or off in total by more than a quarter, in the mean of its blocks, is not promoted. Where
    nothing is, the purchase process or the model itself stands in, whichever was itself judged better (of those within the
    limits, if any is): what a baseline of the same name did says nothing of the estimator.

    The champion in use, if it was promoted or fixed and passes these gates still, stays until a challenger beats it too:
    with four blocks or more by more than one block standard error of the paired differences, with fewer as a baseline is
    beaten. (One fixed by rule gives way to another fixed by rule.) After a rollback the blocks that begin after it count alone.

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
    as_of : date, optional
        The day before which everything is known.
    before : mapping, optional
        The newest decision of an earlier training: as_of, champion, status, since.
    rollback : Rollback, optional
        The newest one that holds for the period or began before it; it ends with the first decision that goes against it.

    Returns
    -------
    DataFrame
        One row with the columns of `CHAMPION`; ``evidence`` is JSON: the blocks' cut-offs, mean losses, paired differences
        to the champion and to the baselines with block standard errors.
        Status: ``promoted`` (chosen over four blocks or more), ``held`` (no challenger beat the champion in use), ``fixed``
        (the fixed model beats the baselines), ``rolled_back`` (by hand), ``unjudged`` (no evaluation yet), ``kept`` (nothing
        may be promoted: what was judged better stands in), ``abstained``.
    """
    fitted = cards[cards["status"] == "fitted"] if len(cards) else cards
    of, evaluation = the_task(task), _with_a_year(evaluation, whole_from)
    case = _Case(
        task,
        _by_cutoff(evaluation, of.loss, horizon, grain),
        sorted(fitted["estimator"]) if len(fitted) else [],
        {m: _by_cutoff(evaluation, m, horizon, grain) for m in (*of.not_behind, *of.within)},
        _reign(before, rollback),
        Calendar(grain),
    )
    verdict = _before_the_reigning(case, _verdict(case)) if len(cards) else _UNTRAINED
    row: dict[str, Any] = {"task": task, "as_of": as_of, **verdict._asdict(), "blocks": len(verdict.losses)}
    reigned_before = before is not None and verdict.champion is not None and before["champion"] == verdict.champion
    row["since"] = before["since"] if before is not None and reigned_before else as_of if verdict.champion else None
    row["runner_up"] = _runner_up(verdict, case.candidates)
    row["beats_constant"] = _beats_constant(of.constant, verdict.losses, case.candidates)
    row["evidence"] = json.dumps(_evidence(of.loss, verdict), sort_keys=True)
    for name in ("model_version", "model_uri", "trained_as_of"):
        own = fitted.loc[fitted["estimator"] == verdict.champion, name] if name in fitted else fitted.iloc[:0]
        row[name] = own.iloc[0] if len(own) else None
    return pd.DataFrame([{column.name: row[column.name] for column in CHAMPION}])


def _reign(before: Mapping[str, Any] | None, rollback: Rollback | None) -> _Reign | None:
    """Return who reigns as the decision is made; a rollback holds until a later decision went against it."""
    later = before is not None and rollback is not None and str(before["as_of"])[:10] > rollback.period
    if rollback is not None and (not later or (before is not None and before["status"] == "rolled_back")):
        return _Reign(rollback.champion, "rolled_back", rollback)
    if before is None or before["status"] not in REIGNING or not before["champion"]:
        return None
    return _Reign(before["champion"], before["status"], None)


def _verdict(case: _Case) -> _Verdict:
    """Judge the models against their baselines and limits, whoever reigns."""
    losses, candidates = case.losses, case.candidates
    if not candidates:
        return _Verdict(None, "abstained", "No estimator could be fitted; their cards say what is missing.")
    judged = [c for c in candidates if c in losses.columns and losses[c].notna().all()]
    if len(losses) >= BLOCKS_TO_CHOOSE and judged:
        return _chosen(case, judged)
    of = the_task(case.task)
    fixed = next((name for name in (of.fixed, *of.instead) if name in candidates), candidates[0])
    instead = "" if fixed == of.fixed else f" ('{of.fixed}' was not fitted)"
    if fixed not in losses.columns or losses[fixed].isna().all():
        return _Verdict(fixed, "unjudged", f"The fixed model '{fixed}'{instead} stands; no block has judged it yet.")
    return _fixed(case, fixed, losses[losses[fixed].notna()])


def _before_the_reigning(case: _Case, verdict: _Verdict) -> _Verdict:
    """Let the champion in use stay, unless the verdict's model beats it or it passes the gates no longer."""
    reign, challenger = case.reign, verdict.champion
    if reign is None or challenger is None or (challenger == reign.champion and reign.rollback is None):
        return verdict
    name = f"'{reign.champion}'"
    if reign.champion not in case.candidates:
        return verdict._replace(reason=f"{verdict.reason} {name}, the champion before, was not fitted.")
    passed = verdict.status in ("promoted", "fixed")
    if reign.rollback is None:
        by_rule = verdict.status == reign.status == "fixed"
        if by_rule or not passed or reign.champion not in verdict.losses:
            return verdict
        short = _short_of(case, reign.champion, verdict.losses)
        if short:
            return verdict._replace(reason=f"{verdict.reason} It takes over from {name}, which {short}.")
    gaps = _contest(verdict.losses, challenger, reign)
    if challenger != reign.champion and passed and _beats(gaps):
        return verdict._replace(reason=f"{verdict.reason} It takes over from {name} ({_difference(gaps)}).")
    if reign.rollback is None:
        told = f"No model beats the champion in use, {name}, over {_blocks(len(gaps))}: '{challenger}' comes closest ({_difference(gaps)})."
        return verdict._replace(champion=reign.champion, status="held", reason=told)
    return verdict._replace(
        champion=reign.champion, status="rolled_back", reason=_rolled_back(case, reign.rollback, challenger, gaps)
    )


def _rolled_back(case: _Case, back: Rollback, challenger: str, gaps: pd.Series) -> str:
    """Say who rolled back to what, and what the blocks since say."""
    if not len(gaps):
        since = "no block since has been judged yet"
    elif challenger == back.champion:
        since = "no other is even chosen now"
    else:
        since = f"'{challenger}' comes closest ({_difference(gaps)})"
    return (
        f"Rolled back by hand in {case.calendar.label(back.period)} from '{back.instead_of}' to '{back.champion}', "
        f"which stays until a model beats it on what happened after: {since}."
    )


def _contest(losses: pd.DataFrame, challenger: str, reign: _Reign) -> pd.Series:
    """Return the challenger's loss less that of who reigns, block by block: of those after a rollback alone."""
    if challenger not in losses or reign.champion not in losses:
        return pd.Series(dtype="float64")
    gaps = (losses[challenger] - losses[reign.champion]).dropna()
    return gaps[gaps.index >= reign.rollback.period] if reign.rollback is not None else gaps


def _beats(gaps: pd.Series) -> bool:
    """Tell whether a challenger beats who reigns by paired loss differences: beyond one block standard error where that is known."""
    if len(gaps) < BLOCKS_TO_CHOOSE:
        return _ahead(gaps)
    return float(gaps.mean()) < -float(gaps.std(ddof=1)) / np.sqrt(len(gaps))


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


def _fixed(case: _Case, fixed: str, losses: pd.DataFrame) -> _Verdict:
    few = f"{_blocks(len(losses))} of time, so nothing is chosen ({BLOCKS_TO_CHOOSE} are needed)"
    short = _short_of(case, fixed, losses)
    if not short:
        return _Verdict(fixed, "fixed", f"{few}: the fixed model '{fixed}' {_lead(losses, fixed)}.", losses)
    return _kept(case, fixed, losses, f"{few}; the fixed model '{fixed}' {short}")


def _chosen(case: _Case, judged: list[str]) -> _Verdict:
    """Choose by mean loss; who is within one block standard error of the best counts as equal, the simpler wins."""
    losses, task = case.losses, case.task
    able = [name for name in judged if not _broken(case, name, losses)] or judged
    best = str(losses[able].mean().idxmin())
    paired = {name: losses[name] - losses[best] for name in able}
    equals = [name for name, gap in paired.items() if gap.mean() <= gap.std(ddof=1) / np.sqrt(len(losses))]
    if case.reign is not None:
        # among equals one that takes over, if any does: the simplest may be equal to the best, and to who reigns
        ahead = [name for name in equals if _beats(_contest(losses, name, case.reign))]
        equals = equals if case.reign.champion in equals else ahead or equals
    champion = min(equals, key=lambda name: (entry(task, name).complexity, name))
    short = _short_of(case, champion, losses)
    if short:
        return _kept(case, champion, losses, f"Over {_blocks(len(losses))} '{champion}' {short}")
    among = "" if champion == best else f"; it is the simplest within one block standard error of '{best}'"
    told = f"Over {_blocks(len(losses))} '{champion}' {_lead(losses, champion)}{among}."
    return _Verdict(champion, "promoted", told, losses)


def _kept(case: _Case, model: str, losses: pd.DataFrame, why: str) -> _Verdict:
    """Let the purchase process or the model itself stand in, by how each was judged itself over the same blocks."""
    names = dict.fromkeys((FALLBACK, model))
    judged = [n for n in names if n in case.candidates and n in losses and losses[n].notna().all()]
    able = [name for name in judged if not _broken(case, name, losses)]
    stands = str(losses[able or judged or [model]].mean().idxmin())
    how = "it stands in, unpromoted" if stands == model else f"'{stands}' stands in, itself judged better"
    return _Verdict(stands, "kept", f"{why}: {how}.", losses)


def _short_of(case: _Case, model: str, losses: pd.DataFrame) -> str:
    """Say which baseline a model does not beat over the blocks, or which limit it breaks; empty when it passes."""

    def beaten(baseline: str) -> bool:
        gaps = losses[model] - losses[baseline]
        return _ahead(gaps) if len(losses) < BLOCKS_TO_CHOOSE else bool(gaps.mean() < 0)

    unbeaten = [b for b in _baselines(losses, model) if not beaten(b)]
    return f"does not beat {_plain(losses, model, unbeaten[0])}" if unbeaten else _broken(case, model, losses)


def _broken(case: _Case, model: str, losses: pd.DataFrame) -> str:
    """Say which limit of its task a model breaks in the mean of the blocks; empty when none."""

    def mean(metric: str, name: str) -> float:
        table = case.limits[metric]
        return float(table[name].reindex(losses.index).mean()) if name in table else float("nan")

    for metric, baseline in the_task(case.task).not_behind.items():
        own, other = mean(metric, model), mean(metric, PREFIX + baseline)
        if own > other:
            return f"is behind '{baseline}' in {metric.upper()} ({own:.2f} against {other:.2f} in the mean)"
    for metric, limit in the_task(case.task).within.items():
        own = mean(metric, model)
        if abs(own) > limit:
            return f"is off by {own:+.0%} in total ({metric}, in the mean of its blocks; {limit:.0%} is allowed)"
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
    return f"'{baseline.removeprefix(PREFIX)}' ({_difference((losses[model] - losses[baseline]).dropna())})"


def _difference(gaps: pd.Series) -> str:
    if not len(gaps):
        return "not compared over these blocks"
    return f"mean difference of the loss {gaps.mean():+.4f}, better in {(gaps < 0).sum()} of {_blocks(len(gaps))}"


def _blocks(count: int) -> str:
    return f"{count} block{'' if count == 1 else 's'}"


def _runner_up(verdict: _Verdict, candidates: Sequence[str]) -> str | None:
    """Return the fitted model of the lowest mean loss beside the champion."""
    losses = verdict.losses
    others = [n for n in candidates if n != verdict.champion and n in losses and losses[n].notna().all()]
    return str(losses[others].mean().idxmin()) if others and len(losses) else None


def _beats_constant(constant: str, losses: pd.DataFrame, candidates: Sequence[str]) -> bool | None:
    """Tell whether any fitted model beats the baseline that says the same of everyone; None where it cannot be told."""
    baseline = PREFIX + constant
    judged = [n for n in candidates if n in losses and losses[n].notna().any()]
    if baseline not in losses or not judged:
        return None
    gaps = [losses[name] - losses[baseline] for name in judged]
    return any(_ahead(gap) if len(losses) < BLOCKS_TO_CHOOSE else bool(gap.mean() < 0) for gap in gaps)


def _evidence(loss: str, verdict: _Verdict) -> dict[str, Any]:
    losses = verdict.losses

    def pair(model: str, other: str) -> dict[str, float]:
        gap = (losses[model] - losses[other]).dropna()
        found = {"mean": round(float(gap.mean()), 6)} if len(gap) else {}
        if len(gap) > 1:
            found["block_error"] = round(float(gap.std(ddof=1) / np.sqrt(len(gap))), 6)
        return found

    baselines = _baselines(losses)
    models = [m for m in losses.columns if m not in baselines]
    others = [m for m in losses.columns if m != verdict.champion] if verdict.champion in losses else []
    return {
        "loss": loss,
        "cutoffs": list(losses.index),
        "mean_loss": {m: round(float(v), 6) for m, v in losses.mean().items() if np.isfinite(v)},
        "against_champion": {m: pair(m, str(verdict.champion)) for m in others},
        "against_baselines": {m: {b.removeprefix(PREFIX): pair(m, b) for b in baselines} for m in models},
    }
