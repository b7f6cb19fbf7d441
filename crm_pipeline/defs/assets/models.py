"""Assets of the layers models, levels and evaluation. Learning and judging lie in modeling, recording in tracking."""

import functools
import json
from collections.abc import Mapping
from typing import Any

import dagster as dg
import ibis

from crm_pipeline.contracts.outputs import (
    ABLATION,
    CARD,
    CHAMPION,
    EVALUATION,
    FAIR,
    LEVEL,
    PREDICTIONS,
    WORTH,
    conform,
)
from crm_pipeline.defs.assets.fairness import fairness_assets
from crm_pipeline.defs.assets.intervals import interval_assets
from crm_pipeline.defs.assets.leaderboards import leaderboard_asset
from crm_pipeline.defs.common import described, horizon_words, last_trained, reads, together
from crm_pipeline.defs.lake import Result, publishes
from crm_pipeline.engine import frame
from crm_pipeline.hashing import digest
from crm_pipeline.home.project import Project
from crm_pipeline.lake import Dep
from crm_pipeline.modeling.estimators import chosen, entry, left_out
from crm_pipeline.modeling.tasks import SEASONS_BACK
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.settings import BLOCKS_TO_CHOOSE
from crm_pipeline.tracking import Tracked, Tracker
from crm_pipeline.transforms.features.catalogue import catalogue
from crm_pipeline.versions import code_version


def model_assets(project: Project, tracker: Tracker) -> list[dg.AssetsDefinition]:
    """Return the assets of every task: one per estimator, level, evaluation and champion."""
    found = []
    for task in project.tasks:
        found += [estimator_asset(project, tracker, task, name) for name in chosen(project.settings, task)]
        found += [
            level_asset(project, task),
            evaluation_asset(project, tracker, task),
            *worth_assets(project, task),
            *interval_assets(project, task),
            *fairness_assets(project, task),
            champion_asset(project, tracker, task),
            leaderboard_asset(project, task),
        ]
    return found


def estimator_asset(project: Project, tracker: Tracker, task: str, name: str) -> dg.AssetsDefinition:
    """Return the asset that trains one estimator of one task."""
    settings, of, asset = project.settings, entry(task, name), f"models/{task}/{name}"
    unmade = left_out(settings, task, name)
    how: dict[str, Any] = {"horizon": settings.horizon, "seed": settings.seed, "threads": settings.threads}
    how |= {"trials": settings.tuning_trials, "grain": settings.grain} if of.tuned else {}
    code = code_version(
        estimator_asset,
        how
        | {
            "money_unit": settings.money_unit,
            "train_every": settings.train_every,
            "entry": (of.learner, of.rows, of.events, of.others, of.members),
            **({"left_out": unmade} if unmade else {}),
        },
        also=[of.module, type(the_task(task)).__module__],
    )
    told = f"{of.description} Trained on all that is known at the period's end; an MLflow run."
    kinds = ("mlflow", of.kind)
    ins = {"training": reads(f"training/{task}"), **{m: reads(f"models/{task}/{m}") for m in of.members if not unmade}}

    @dg.asset(**described(project, asset, code, ins, kinds=kinds, description=told))
    @publishes
    def trained(
        context: dg.AssetExecutionContext, training: ibis.Table, pins: Mapping[str, str], **members: ibis.Table
    ) -> Result:
        from crm_pipeline.modeling.training import Abstained, card_rows, describe, fit

        if not _trains(project, context.partition_key):
            return Result(
                conform([], CARD), {"status": f"not trained: models are trained every {settings.train_every} periods"}
            )
        rows = frame(training)
        fitted = {m: load_card_model(tracker, card) for m, card in members.items()}
        missing = sorted(m for m, model in fitted.items() if model is None)
        why = unmade or (f"{name} needs {missing[0]}, which abstained." if missing else "")
        model = (
            Abstained(why)
            if why
            else fit(task, name, rows, **how, money_unit=float(settings.money_unit), members=fitted)
        )
        version = digest(json.dumps([sorted(pins.items()), code]), 8)
        card = describe(model) | {
            "task": task,
            "estimator": name,
            "model_version": version,
            "trained_as_of": project.calendar.end_date(context.partition_key),
        }
        metadata: dict[str, Any] = {"model_version": version, "status": card["status"], "reason": card["reason"]}
        if not isinstance(model, Abstained):
            tags = {
                "dagster.run_id": context.run.run_id,
                "crm.asset": asset,
                "crm.partition": context.partition_key,
                "crm.model_version": version,
                "crm.code_version": code,
                "crm.inputs": json.dumps(pins)[:4000],
            }
            tracked = track_model(tracker, f"{task}/{name}@{context.partition_key}", model, card, rows, tags)
            card |= tracked._asdict()
            metadata |= {
                "mlflow": dg.MetadataValue.url(tracker.link(tracked.run_id)),
                "mlflow_run": tracked.run_id,
                "model_uri": tracked.model_uri,
            }
        return Result(conform(card_rows(card), CARD), metadata)

    return trained


def _trains(project: Project, period: str) -> bool:
    """Tell whether models are trained at the end of a period."""
    return project.calendar.last_of_block(period, project.settings.train_every) == period


def track_model(
    tracker: Tracker, name: str, model: Any, card: Mapping[str, Any], rows: Any, tags: Mapping[str, str]
) -> Tracked:
    """Log a fitted model with its card as one MLflow run."""
    return tracker.log_model(
        name,
        model,
        parameters=card["parameters"] | {"features": len(card["features"])},
        metrics={k: card[k] for k in ("rows", "customers", "cutoffs", "events")},
        tags=tags,
        example=rows[card["features"]].head(5),
    )


def load_card_model(tracker: Tracker, card: ibis.Table) -> Any:
    """Return the model that a one-row card names, None when its estimator abstained."""
    row = card.execute()
    return tracker.load(row["model_uri"].iloc[0]) if len(row) and row["status"].iloc[0] == "fitted" else None


def level_asset(project: Project, task: str) -> dg.AssetsDefinition:
    """Return the asset of a task's a-priori level."""
    settings = project.settings
    back, first = tuple(range(-(SEASONS_BACK + 1) * settings.year, 1)), project.source.known_from("orders")
    code = code_version(level_asset, {"horizon": settings.horizon, "year": settings.year, "first": first})
    told = (
        f"How high {task} should lie in the coming season: what the purchase process expects of the customers there are, moved "
        "by last year's season and by the newest periods. Set a priori, apart from the ranking."
    )
    ins = {"purchases": reads("outcomes/purchases", back), "features": reads("features/customers")}

    @dg.asset(**described(project, f"levels/{task}", code, ins, kinds=("pandas",), description=told))
    @publishes
    def season_of(context: dg.AssetExecutionContext, purchases: ibis.Table, features: ibis.Table) -> Result:
        from crm_pipeline.modeling.level import level_to_json, season_level
        from crm_pipeline.modeling.purchases import EXPECTED_FROM, expected_of

        level = season_level(
            purchases.execute(),
            expected_of(features.select(*EXPECTED_FROM).execute()),
            context.partition_key,
            first=first,
            horizon=settings.horizon,
            year=settings.year,
            grain=settings.grain,
        )
        return Result(conform([{"task": task, "level": level_to_json(level)}], LEVEL), {"level": level.sentence})

    return season_of


def evaluation_asset(project: Project, tracker: Tracker, task: str) -> dg.AssetsDefinition:
    """Return the step that judges the models of h periods ago on what happened since."""
    settings, asset = project.settings, f"evaluation/{task}"
    h, names, ago = settings.horizon, chosen(settings, task), f"{horizon_words(project)} ago"
    cost, saved = (settings.contact_cost, settings.saved_value) if the_task(task).averted else (None, None)
    used = {"horizon": h, "seed": settings.seed, "money_unit": settings.money_unit, "contact": (cost, saved)}
    code = code_version(evaluation_asset, used, also=[type(the_task(task)).__module__])
    told = {
        f"{asset}_predictions": f"What each model and baseline of {ago} said of each customer, beside what happened.",
        asset: f"How well the {task} models of {ago} foretold the time since, beside the baselines.",
    }
    ins = {
        "features": reads("features/customers", (-h,)),
        "outcomes": reads(f"outcomes/{task}"),
        "training": reads(f"training/{task}", (-h,)),
        "level": reads(f"levels/{task}", (-h,)),
        **{n: last_trained(project, f"models/{task}/{n}", ago=h) for n in names},
    }
    both = [described(project, a, code, ins, kinds=("pandas",), description=what) for a, what in told.items()]

    @dg.multi_asset(**together(f"evaluate_{task}", both))
    @publishes
    def evaluated(
        context: dg.AssetExecutionContext,
        features: ibis.Table | None,
        outcomes: ibis.Table,
        training: ibis.Table | None,
        level: ibis.Table | None,
        **cards: ibis.Table | None,
    ) -> dict[str, Any]:
        from crm_pipeline.modeling.customers import Customers
        from crm_pipeline.modeling.evaluation import evaluate, foretold
        from crm_pipeline.modeling.level import level_from_json
        from crm_pipeline.modeling.metrics import Contact

        cutoff = project.calendar.shift(context.partition_key, -h)
        happened = outcomes.execute()
        if features is None or training is None or level is None or happened.empty:
            return {f"{asset}_predictions": conform([], PREDICTIONS), asset: conform([], EVALUATION)}
        known = {n: card for n, card in cards.items() if card is not None}  # none before the first training
        models = {n: m for n, card in known.items() if (m := load_card_model(tracker, card)) is not None}
        said = foretold(
            task,
            models,
            Customers(features),
            happened,
            frame(training),
            cutoff=cutoff,
            level=level_from_json(level.execute()["level"].iloc[0]),
            horizon=h,
            money_unit=float(settings.money_unit),
            threads=settings.threads,
        )
        contact = None if cost is None or saved is None else Contact(cost, saved)
        metrics = evaluate(task, said, cutoff, contact=contact, seed=settings.seed)
        age = project.calendar.distance(project.calendar.last_of_block(cutoff, settings.train_every), cutoff)
        runs = {n: known[n].execute()["run_id"].iloc[0] for n in models}
        shown = _show(project, tracker, task, said, metrics, runs, age) if len(metrics) else {}
        return {
            f"{asset}_predictions": conform(said, PREDICTIONS),
            asset: Result(conform(metrics, EVALUATION), shown),
        }

    return evaluated


def worth_assets(project: Project, task: str) -> list[dg.AssetsDefinition]:
    """Return the asset that tells what tables, texts and audio are worth to a task; none where there are tables alone."""
    settings, h = project.settings, project.settings.horizon
    groups: dict[str, list[str]] = {"tables": [], "texts": [], "audio": []}
    for feature in catalogue(project.source.inputs, project.shape):
        groups.get(feature.source, groups["tables"]).append(feature.name)
    groups = {name: features for name, features in groups.items() if features}
    if len(groups) < 2 or not the_task(task).ablated:
        return []
    used = {"horizon": h, "seed": settings.seed, "money_unit": settings.money_unit, "groups": groups}
    code = code_version(worth_assets, used, also=[type(the_task(task)).__module__])
    told = (
        f"What the features of {', '.join(groups)} are worth to {task}, each alone and together: the same estimator with and "
        f"without them, judged on what happened since {horizon_words(project)} ago. Empty while the period is not complete."
    )
    ins = {
        "features": reads("features/customers", (-h,)),
        "outcomes": reads(f"outcomes/{task}"),
        "training": reads(f"training/{task}", (-h,)),
        "level": reads(f"levels/{task}", (-h,)),
    }
    asset = f"evaluation/{task}{WORTH}"

    @dg.asset(**described(project, asset, code, ins, kinds=("scikitlearn",), description=told))
    @publishes
    def worth(
        context: dg.AssetExecutionContext,
        features: ibis.Table | None,
        outcomes: ibis.Table,
        training: ibis.Table | None,
        level: ibis.Table | None,
    ) -> Any:
        from crm_pipeline.modeling.ablation import ablate, alone_and_together
        from crm_pipeline.modeling.customers import Customers
        from crm_pipeline.modeling.level import level_from_json

        happened = outcomes.execute()
        if features is None or training is None or level is None or happened.empty:
            return conform([], ABLATION)
        found = ablate(
            task,
            alone_and_together(groups),
            frame(training),
            Customers(features),
            happened,
            cutoff=project.calendar.shift(context.partition_key, -h),
            level=level_from_json(level.execute()["level"].iloc[0]),
            horizon=h,
            seed=settings.seed,
            threads=settings.threads,
            money_unit=float(settings.money_unit),
        )
        return conform(found.assign(task=task), ABLATION)

    return [worth]


def _show(
    project: Project, tracker: Tracker, task: str, said: Any, metrics: Any, runs: Mapping[str, str], age: int
) -> dict[str, Any]:
    """Draw the models beside each other, add plots and metrics to their MLflow runs; return the plots for the UI."""
    from crm_pipeline.reports import plots
    from crm_pipeline.reports.figures import task_figures

    figures = task_figures(task, said, project.source.synthetic)
    images = {name: plots.png(figure) for name, figure in figures.items()}
    for name, run_id in runs.items():
        own = metrics[metrics["model"] == name]
        values = {f"test_{m}": v for m, v in zip(own["metric"], own["value"], strict=True) if v == v}
        if values:
            tracker.log_evaluation(run_id, values, images, age)
    shown = {name: plots.markdown_image(figure, name, images[name]) for name, figure in figures.items()}
    return {name: dg.MetadataValue.md(image) for name, image in shown.items()}


def champion_asset(project: Project, tracker: Tracker, task: str) -> dg.AssetsDefinition:
    """Return the asset that decides which model of the last training scores, by the evaluations up to that training."""
    settings, calendar, asset = project.settings, project.calendar, f"models/{task}/champion"
    h, names, every = settings.horizon, chosen(settings, task), settings.train_every
    back = tuple(-i * h for i in range(settings.evaluation_cutoffs))
    whole_from = project.calendar.shift(project.source.known_from("orders"), settings.year - 1)
    rollbacks = project.rollbacks.get(task, ())
    used = {"horizon": h, "whole_from": whole_from, "blocks": BLOCKS_TO_CHOOSE, "train_every": every}
    used |= {"rollbacks": rollbacks} if rollbacks else {}
    limit = settings.fairness_max_gap if project.attributes else None
    used |= {"fairness_max_gap": limit} if limit else {}
    code = code_version(champion_asset, used, also=[type(the_task(task)).__module__])
    told = f"Which {task} model of the period scores, and why: judged against its baselines cut-off by cut-off."
    ins = {
        "evaluations": Dep(f"evaluation/{task}", back, block=every),
        **{n: last_trained(project, f"models/{task}/{n}") for n in names},
    }
    if limit:
        ins["fairness"] = Dep(f"evaluation/{task}{FAIR}", back, block=every)

    @dg.asset(**described(project, asset, code, ins, kinds=("mlflow",), description=told))
    @publishes
    def champion(
        context: dg.AssetExecutionContext,
        evaluations: ibis.Table | None,
        fairness: ibis.Table | None = None,
        **cards: ibis.Table | None,
    ) -> Result:
        import pandas as pd

        from crm_pipeline.modeling.fairness import barred
        from crm_pipeline.modeling.promotion import decide

        known = [card for card in cards.values() if card is not None]  # none before the first training
        listed = functools.reduce(ibis.Table.union, known).execute() if known else pd.DataFrame()
        trained = calendar.last_of_block(context.partition_key, every)
        judged = evaluations.execute() if evaluations is not None else pd.DataFrame()
        decision = decide(
            task,
            judged,
            listed,
            horizon=h,
            grain=settings.grain,
            whole_from=whole_from,
            period=context.partition_key,
            rollbacks=rollbacks,
            barred=barred(fairness.execute(), limit) if fairness is not None and limit else {},
        )
        if not len(listed) and every > 1:
            first = calendar.label(calendar.last_of_block(calendar.shift(context.partition_key, every - 1), every))
            decision["reason"] += f" By the setting train_every ({every}) the first is at the end of {first}."
        if trained != context.partition_key and decision.iloc[0]["champion"]:
            decision["reason"] += f" Trained at the end of {calendar.label(trained)}, carried on since."
        row = decision.iloc[0]
        metadata = {"champion": row["champion"] or "none", "status": row["status"], "decision": row["reason"]}
        if row["champion"]:
            run_id = listed.loc[listed["estimator"] == row["champion"], "run_id"].iloc[0]
            tracker.set_champion(task, Tracked(run_id, row["model_uri"]), trained, row["model_version"])
            metadata["mlflow"] = dg.MetadataValue.url(tracker.link(run_id))
        return Result(conform(decision, CHAMPION), metadata)

    return champion
