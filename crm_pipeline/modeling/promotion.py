"""Which model becomes the champion, from the evaluations so far (rule 8): a decision with its reason. Nothing is fitted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from crm_pipeline.contracts.outputs import CHAMPION
from crm_pipeline.modeling import paired
from crm_pipeline.modeling.baselines import PREFIX
from crm_pipeline.modeling.estimators import entry
from crm_pipeline.modeling.rollback import Rollback, in_force
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


class _Past(NamedTuple):
    """A decision at the end of an earlier block: the period's key, and what was decided."""

    period: str
    verdict: _Verdict


@dataclass(frozen=True)
class _Case:
    """What is judged: cut-off × model losses, the models fitted now, the limits' metrics, who reigns, who is barred."""

    task: str
    losses: pd.DataFrame
    candidates: Sequence[str]
    limits: Mapping[str, pd.DataFrame]
    reign: _Reign | None
    calendar: Calendar
    barred: Mapping[str, Mapping[str, str]]


_UNTRAINED = _Verdict(None, "abstained", "No model has been trained yet.")


def decide(
    task: str,
    evaluation: pd.DataFrame,
    cards: pd.DataFrame,
    *,
    horizon: int | None = None,
    grain: Grain = "month",
    whole_from: str = "",
    period: str | None = None,
    rollbacks: Sequence[Rollback] = (),
    barred: Mapping[str, Mapping[str, str]] | None = None,
) -> pd.DataFrame:
    """Decide which of the models fitted now is the champion.

    Losses are compared per block (cut-offs a horizon apart) with the level as predicted (log loss for churn, Tweedie
    deviance for demand). With fewer than four blocks the fixed model stands where it beats every baseline: it is ahead in
    more than half of the blocks, or in half of them and in the mean. (A mean alone would hang on one odd season.) With four
    blocks or more, among the models that beat every baseline in the mean, the lowest mean loss wins, or the simplest model within one block
    standard error of it. A model must also keep the limits of its task (`Task.not_behind`, `Task.within`): a demand model
    behind last spend in WAPE, or off in total by more than a quarter, in the mean of its blocks, is not promoted. Where
    nothing is, the purchase process or the model itself stands in, whichever was itself judged better (of those within the
    limits, if any is): what a baseline of the same name did says nothing of the estimator.

    The champion in use, if it was promoted or fixed and passes these gates still, stays until a challenger beats it too:
    with four blocks or more by more than one block standard error of the paired differences, with fewer as a baseline is
    beaten. (One fixed by rule gives way to another fixed by rule.) After a rollback the blocks that begin after it count alone.
    Who reigned is no memory: each earlier block's decision is made again from the blocks up to it, so that the same
    evaluations give the same champion, whichever periods were scored before.

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
    period : str, optional
        Key of the period that is decided for; None: no date is written, and no rollback heeded.
    rollbacks : sequence of Rollback
        Those of the task, the newest last. One holds from its period on, and ends with the first decision that goes against it.
    barred : mapping, optional
        Cut-off → model → why it may not be promoted by what was seen then (`fairness.barred`): a limit as those of the task; the
        newest block counts.

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
    of, evaluation, calendar = the_task(task), paired.with_a_year(evaluation, whole_from), Calendar(grain)
    losses = paired.by_cutoff(evaluation, of.loss, horizon, grain)
    limits = {m: paired.by_cutoff(evaluation, m, horizon, grain) for m in (*of.not_behind, *of.within)}
    case = _Case(task, losses, [], limits, None, calendar, barred or {})
    past = _replayed(case, horizon or 0, rollbacks)
    rollback = in_force(rollbacks, period) if period else None
    case = replace(case, candidates=sorted(fitted["estimator"]) if len(fitted) else [], reign=_reign(past, rollback))
    verdict = _before_the_reigning(case, _verdict(case)) if len(cards) else _UNTRAINED
    row: dict[str, Any] = {"task": task, **verdict._asdict(), "blocks": len(verdict.losses)}
    row["as_of"] = calendar.end_date(period) if period else None
    since = _since(past, verdict, rollback, period)
    row["since"] = calendar.end_date(since) if since else None
    row["runner_up"] = _runner_up(verdict, case.candidates)
    lucky = paired.by_chance(evaluation, of.chance, verdict.losses.index)
    beats = _beats_constant(of.constant, verdict.losses, case.candidates)
    surely = [n for n in case.candidates if n not in lucky]
    by_chance = bool(beats) and not _beats_constant(of.constant, verdict.losses, surely)
    row["beats_constant"] = False if by_chance else beats
    row["evidence"] = json.dumps(_evidence(of.loss, verdict) | {"by_chance": by_chance}, sort_keys=True)
    for name in ("model_version", "model_uri", "trained_as_of"):
        own = fitted.loc[fitted["estimator"] == verdict.champion, name] if name in fitted else fitted.iloc[:0]
        row[name] = own.iloc[0] if len(own) else None
    return pd.DataFrame([{column.name: row[column.name] for column in CHAMPION}])


def _replayed(case: _Case, horizon: int, rollbacks: Sequence[Rollback]) -> list[_Past]:
    """Decide again at the end of every block but the last, among the models judged then, each before who reigned."""
    past: list[_Past] = []
    for count in range(1, len(case.losses)):
        losses = case.losses.iloc[:count]
        period = case.calendar.shift(losses.index[-1], horizon)
        judged = [m for m in losses.columns if not m.startswith(PREFIX) and pd.notna(losses[m].iloc[-1])]
        then = replace(case, losses=losses, candidates=judged, reign=_reign(past, in_force(rollbacks, period)))
        past.append(_Past(period, _before_the_reigning(then, _verdict(then))))
    return past


def _reign(past: Sequence[_Past], rollback: Rollback | None) -> _Reign | None:
    """Return who reigns as the decision is made; a rollback holds until a later decision went against it."""
    before = past[-1] if past else None
    later = before is not None and rollback is not None and before.period >= rollback.period
    if rollback is not None and (not later or (before is not None and before.verdict.status == "rolled_back")):
        return _Reign(rollback.champion, "rolled_back", rollback)
    if before is None or before.verdict.status not in REIGNING or not before.verdict.champion:
        return None
    return _Reign(before.verdict.champion, before.verdict.status, None)


def _since(past: Sequence[_Past], verdict: _Verdict, rollback: Rollback | None, period: str | None) -> str | None:
    """Return the period of the first of the decisions in a row, up to now, that named the champion.

    None without a champion, or where no earlier block was judged and nobody rolled back.
    """
    back = rollback is not None and verdict.status == "rolled_back"
    if verdict.champion is None or not (past or back):
        return None
    since = rollback.period if rollback is not None and back else period
    for before in reversed(past):
        if before.verdict.champion != verdict.champion:
            break
        since = before.period
    return since


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
    if challenger != reign.champion and passed and paired.beats(gaps):
        return verdict._replace(reason=f"{verdict.reason} It takes over from {name} ({paired.difference(gaps)}).")
    if reign.rollback is None:
        over, closest = paired.blocks(len(gaps)), f"'{challenger}' comes closest ({paired.difference(gaps)})"
        told = f"No model beats the champion in use, {name}, over {over}: {closest}."
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
        since = f"'{challenger}' comes closest ({paired.difference(gaps)})"
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


def _fixed(case: _Case, fixed: str, losses: pd.DataFrame) -> _Verdict:
    few = f"{paired.blocks(len(losses))} of time, so nothing is chosen ({BLOCKS_TO_CHOOSE} are needed)"
    short = _short_of(case, fixed, losses)
    if not short:
        return _Verdict(fixed, "fixed", f"{few}: the fixed model '{fixed}' {paired.lead(losses, fixed)}.", losses)
    return _kept(case, fixed, losses, f"{few}; the fixed model '{fixed}' {short}")


def _chosen(case: _Case, judged: list[str]) -> _Verdict:
    """Choose by mean loss among those that pass the gates; within one block standard error of the best the simpler wins."""
    losses, task = case.losses, case.task
    passing = [name for name in judged if not _short_of(case, name, losses)]
    able = passing or [name for name in judged if not _broken(case, name, losses)] or judged
    best = str(losses[able].mean().idxmin())
    if not passing:
        short = _short_of(case, best, losses)
        return _kept(case, best, losses, f"Over {paired.blocks(len(losses))} '{best}' {short}")
    gaps = {name: losses[name] - losses[best] for name in able}
    equals = [name for name, gap in gaps.items() if gap.mean() <= gap.std(ddof=1) / np.sqrt(len(losses))]
    if case.reign is not None:
        # among equals one that takes over, if any does: the simplest may be equal to the best, and to who reigns
        ahead = [name for name in equals if paired.beats(_contest(losses, name, case.reign))]
        equals = equals if case.reign.champion in equals else ahead or equals
    champion = min(equals, key=lambda name: (entry(task, name).complexity, name))
    among = "" if champion == best else f"; it is the simplest within one block standard error of '{best}'"
    told = f"Over {paired.blocks(len(losses))} '{champion}' {paired.lead(losses, champion)}{among}."
    return _Verdict(champion, "promoted", told, losses)


def _kept(case: _Case, model: str, losses: pd.DataFrame, why: str) -> _Verdict:
    """Let the purchase process or the model itself stand in, by how each was judged itself over the same blocks."""
    names = dict.fromkeys((FALLBACK, model))
    judged = [n for n in names if n in case.candidates and n in losses and losses[n].notna().all()]
    able = [name for name in judged if not _broken(case, name, losses)]
    stands = str(losses[able or judged or [model]].mean().idxmin())
    better = "was judged better" if model in (able or judged) else "keeps the limits"
    how = "it stands in, unpromoted" if stands == model else f"'{stands}' stands in, which {better}"
    return _Verdict(stands, "kept", f"{why}: {how}.", losses)


def _short_of(case: _Case, model: str, losses: pd.DataFrame) -> str:
    """Say which baseline a model does not beat over the blocks, or which limit it breaks; empty when it passes."""

    def beaten(baseline: str) -> bool:
        gaps = losses[model] - losses[baseline]
        return paired.ahead(gaps) if len(losses) < BLOCKS_TO_CHOOSE else bool(gaps.mean() < 0)

    unbeaten = [b for b in paired.baselines(losses, model) if not beaten(b)]
    return f"does not beat {paired.plain(losses, model, unbeaten[0])}" if unbeaten else _broken(case, model, losses)


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
    return case.barred.get(losses.index[-1], {}).get(model, "") if len(losses) else ""


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
    return any(paired.ahead(gap) if len(losses) < BLOCKS_TO_CHOOSE else bool(gap.mean() < 0) for gap in gaps)


def _evidence(loss: str, verdict: _Verdict) -> dict[str, Any]:
    losses = verdict.losses

    def pair(model: str, other: str) -> dict[str, float]:
        gap = (losses[model] - losses[other]).dropna()
        found = {"mean": round(float(gap.mean()), 6)} if len(gap) else {}
        if len(gap) > 1:
            found["block_error"] = round(float(gap.std(ddof=1) / np.sqrt(len(gap))), 6)
        return found

    baselines = paired.baselines(losses)
    models = [m for m in losses.columns if m not in baselines]
    others = [m for m in losses.columns if m != verdict.champion] if verdict.champion in losses else []
    return {
        "loss": loss,
        "cutoffs": list(losses.index),
        "mean_loss": {m: round(float(v), 6) for m, v in losses.mean().items() if np.isfinite(v)},
        "against_champion": {m: pair(m, str(verdict.champion)) for m in others},
        "against_baselines": {m: {b.removeprefix(PREFIX): pair(m, b) for b in baselines} for m in models},
    }
