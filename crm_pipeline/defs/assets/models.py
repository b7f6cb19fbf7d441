"""Assets of the layers models, levels and evaluation. Learning and judging lie in modeling, recording in tracking."""

import functools
import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg
import ibis

from crm_pipeline.contracts.outputs import CARD, CHAMPION, EVALUATION, LEVEL, PREDICTIONS, conform
from crm_pipeline.defs.common import described, horizon_words, partitions_of, reads
from crm_pipeline.defs.io import Deferred, LakeIOManager, Result
from crm_pipeline.defs.project import Project
from crm_pipeline.modeling.estimators import chosen, entry
from crm_pipeline.modeling.tasks import SEASONS_BACK
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.settings import BLOCKS_TO_CHOOSE
from crm_pipeline.tracking import Tracked, Tracker
from crm_pipeline.versions import code_version


def estimator_asset(project: Project, io: LakeIOManager, tracker: Tracker, task: str, name: str) -> dg.AssetsDefinition:
    """Return the asset that trains one estimator of one task."""
    settings, of = project.settings, entry(task, name)
    used = {
        "horizon": settings.horizon,
        "seed": settings.seed,
        "threads": settings.threads,
        "money_unit": settings.money_unit,
    }
    code = code_version(estimator_asset, used, also=[of.build.__module__, type(the_task(task)).__module__])
    asset = f"models/{task}/{name}"

    @dg.asset(
        **described(project, asset, code, kinds=("mlflow", "xgboost" if "boosting" in name else "scikitlearn")),
        description=f"{of.description} Trained on all that is known at the period's end; an MLflow run.",
        ins={"training": reads(f"training/{task}"), **{m: reads(f"models/{task}/{m}") for m in of.members}},
        partitions_def=partitions_of(project),
    )
    def trained(context: dg.AssetExecutionContext, training: ibis.Table, **members: ibis.Table) -> Any:
        version = _version(io.pinned(context), code)
        tags = {
            "dagster.run_id": context.run.run_id,
            "crm.asset": asset,
            "crm.partition": context.partition_key,
            "crm.model_version": version,
            "crm.code_version": code,
            "crm.inputs": json.dumps(io.pinned(context))[:4000],
        }
        return Deferred(lambda: _train(project, tracker, task, name, training, members, version, tags))

    return trained


def _version(pins: Mapping[str, str], code: str) -> str:
    return hashlib.blake2b(json.dumps([sorted(pins.items()), code]).encode(), digest_size=8).hexdigest()


def _train(
    project: Project,
    tracker: Tracker,
    task: str,
    name: str,
    training: ibis.Table,
    members: Mapping[str, ibis.Table],
    version: str,
    tags: Mapping[str, str],
) -> Result:
    import pandas as pd

    from crm_pipeline.modeling.training import Abstained, describe, fit, trusted_types

    settings = project.settings
    rows = training.execute()
    fitted = {m: load_card_model(tracker, card.execute()) for m, card in members.items()}
    missing = [m for m, model in fitted.items() if model is None]
    model = (
        Abstained(f"{name} needs {missing[0]}, which abstained.")
        if missing
        else fit(
            task,
            name,
            rows,
            horizon=settings.horizon,
            seed=settings.seed,
            threads=settings.threads,
            money_unit=float(settings.money_unit),
            members=fitted,
        )
    )
    card = describe(model) | {"task": task, "estimator": name, "model_version": version}
    metadata: dict[str, Any] = {"model_version": version, "status": card["status"], "reason": card["reason"]}
    if not isinstance(model, Abstained):
        example = rows[card["features"]].head(5)
        tracked = tracker.log_model(
            f"{task}/{name}@{tags['crm.partition']}",
            model,
            parameters=card["parameters"] | {"features": len(card["features"])},
            metrics={k: card[k] for k in ("rows", "customers", "cutoffs", "events")},
            tags=tags,
            example=example,
            predicted=model.predict(example),
            trusted=trusted_types(model),
        )
        card |= tracked._asdict()
        metadata |= {
            "mlflow": dg.MetadataValue.url(tracker.link(tracked.run_id)),
            "mlflow_run": tracked.run_id,
            "model_uri": tracked.model_uri,
        }
    frame = pd.DataFrame([card | {k: json.dumps(card[k], default=str) for k in ("features", "parameters")}])
    return Result(conform(frame[[c.name for c in CARD if c.name in frame]], CARD), metadata)


def load_card_model(tracker: Tracker, card: Any) -> Any:
    """Return the model that a one-row card names, None when its estimator abstained."""
    if not len(card) or card["status"].iloc[0] != "fitted":
        return None
    return tracker.load(card["model_uri"].iloc[0])


def level_asset(project: Project, task: str) -> dg.AssetsDefinition:
    """Return the asset of a task's a-priori level."""
    settings = project.settings
    back, first = tuple(range(-(SEASONS_BACK + 1) * settings.year, 1)), project.source.known_from("orders")
    used = {"horizon": settings.horizon, "year": settings.year, "first": first}
    code = code_version(level_asset, used)

    @dg.asset(
        **described(project, f"levels/{task}", code, kinds=("pandas",)),
        description=(
            f"How high {task} should lie in the coming season: what the purchase process expects of the customers there are, moved "
            "by last year's season and by the newest periods. Set a priori, apart from the ranking."
        ),
        ins={"purchases": reads("outcomes/purchases", back), "features": reads("features/customers")},
        partitions_def=partitions_of(project),
    )
    def season_of(context: dg.AssetExecutionContext, purchases: ibis.Table, features: ibis.Table) -> Any:
        def compute() -> Any:
            import pandas as pd

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
            frame = conform(pd.DataFrame([{"task": task, "level": level_to_json(level)}]), LEVEL)
            return Result(frame, {"level": level.sentence})

        return Deferred(compute)

    return season_of


def evaluation_asset(project: Project, tracker: Tracker, task: str) -> dg.AssetsDefinition:
    """Return the step that judges the models of h periods ago on what happened since."""
    settings = project.settings
    h, names, ago = settings.horizon, chosen(settings, task), f"{horizon_words(project)} ago"
    used = {"horizon": h, "seed": settings.seed, "money_unit": settings.money_unit}
    code = code_version(evaluation_asset, used, also=[type(the_task(task)).__module__])
    told = {
        f"evaluation/{task}_predictions": f"What each model and baseline of {ago} said of each customer, beside what happened.",
        f"evaluation/{task}": f"How well the {task} models of {ago} foretold the time since, beside the baselines.",
    }

    def out(asset: str) -> dg.AssetOut:
        shared = described(project, asset, code, kinds=("pandas",))
        return dg.AssetOut(**shared, description=told[asset], dagster_type=dg.Any)

    @dg.multi_asset(
        name=f"evaluate_{task}",
        ins={
            "features": reads("features/customers", (-h,)),
            "outcomes": reads(f"outcomes/{task}"),
            "training": reads(f"training/{task}", (-h,)),
            "level": reads(f"levels/{task}", (-h,)),
            **{f"model_{n}": reads(f"models/{task}/{n}", (-h,)) for n in names},
        },
        outs={"predictions": out(f"evaluation/{task}_predictions"), "metrics": out(f"evaluation/{task}")},
        partitions_def=partitions_of(project),
    )
    def evaluated(context: dg.AssetExecutionContext, **tables: Any):
        cutoff = project.calendar.shift(context.partition_key, -h)

        @functools.cache
        def compute() -> tuple[Result, Result]:
            return _judge(project, tracker, task, cutoff, tables)

        return Deferred(lambda: compute()[0]), Deferred(lambda: compute()[1])

    return evaluated


def _judge(
    project: Project, tracker: Tracker, task: str, cutoff: str, tables: Mapping[str, Any]
) -> tuple[Result, Result]:
    import pandas as pd

    from crm_pipeline.modeling.baselines import baseline_predictions
    from crm_pipeline.modeling.evaluation import evaluate
    from crm_pipeline.modeling.level import level_from_json
    from crm_pipeline.modeling.prediction import predict
    from crm_pipeline.reports import plots

    settings = project.settings
    unit = float(settings.money_unit)
    keys = pd.DataFrame(
        {
            "customer_id": pd.Series(dtype="str"),
            "cutoff": pd.Series(dtype="object"),
            "outcome": pd.Series(dtype="float64"),
        }
    )
    outcomes = tables["outcomes"].execute()
    if tables["features"] is None or outcomes.empty:
        return Result(conform(keys, PREDICTIONS)), Result(conform(pd.DataFrame(), EVALUATION))
    features = tables["features"].execute().sort_values("customer_id", ignore_index=True)
    happened = outcomes.set_index("customer_id").reindex(features["customer_id"])
    of = the_task(task)
    said = keys.reindex(features.index).assign(customer_id=features["customer_id"], outcome=of.actual(happened, unit))
    said["cutoff"] = date.fromisoformat(cutoff)
    level = level_from_json(tables["level"].execute()["level"].iloc[0])
    runs: dict[str, str] = {}
    for name in chosen(settings, task):
        card = tables[f"model_{name}"].execute()
        model = load_card_model(tracker, card)
        if model is not None:
            runs[name] = card["run_id"].iloc[0]
            found = predict(task, model, features, level=level, money_unit=unit)
            said[name] = found[of.answer].to_numpy("float64")
    training = tables["training"].execute()
    rules = baseline_predictions(task, training, features, horizon=settings.horizon, money_unit=unit)
    said = pd.concat([said, rules.astype("float64")], axis=1)
    metrics = evaluate(task, said, cutoff, seed=settings.seed)
    figures = task_figures(task, said, project.source.synthetic) if len(metrics) else {}
    _log_evaluations(tracker, task, metrics, runs, {name: plots.png(figure) for name, figure in figures.items()})
    return Result(conform(said, PREDICTIONS)), Result(conform(metrics, EVALUATION), evaluation_plots(figures))


def _log_evaluations(
    tracker: Tracker, task: str, metrics: Any, runs: Mapping[str, str], plots: Mapping[str, bytes]
) -> None:
    """Add to each model's MLflow run how it did, and the plots of all models of the task beside each other."""
    for name, run_id in runs.items():
        own = metrics[metrics["model"] == name]
        values = {f"test_{m}": v for m, v in zip(own["metric"], own["value"], strict=True) if v == v}
        if values:
            tracker.log_evaluation(run_id, values, plots)


def champion_asset(project: Project, tracker: Tracker, task: str) -> dg.AssetsDefinition:
    """Return the asset that decides which model of the period scores."""
    settings = project.settings
    h, names = settings.horizon, chosen(settings, task)
    back = tuple(-i * h for i in range(settings.evaluation_cutoffs))
    whole_from = project.calendar.shift(project.source.known_from("orders"), settings.year - 1)
    used = {"horizon": h, "whole_from": whole_from, "blocks": BLOCKS_TO_CHOOSE}
    code = code_version(champion_asset, used, also=[type(the_task(task)).__module__])

    @dg.asset(
        **described(project, f"models/{task}/champion", code, kinds=("mlflow",)),
        description=f"Which {task} model of the period scores, and why: judged against its baselines cut-off by cut-off.",
        ins={"evaluations": reads(f"evaluation/{task}", back), **{n: reads(f"models/{task}/{n}") for n in names}},
        partitions_def=partitions_of(project),
    )
    def champion(context: dg.AssetExecutionContext, evaluations: ibis.Table, **cards: ibis.Table) -> Any:
        def compute() -> Any:
            import pandas as pd

            from crm_pipeline.modeling.promotion import decide

            listed = pd.concat([card.execute() for card in cards.values()], ignore_index=True)
            decision = decide(
                task, evaluations.execute(), listed, horizon=h, grain=settings.grain, whole_from=whole_from
            )
            row = decision.iloc[0]
            metadata = {"champion": row["champion"] or "none", "status": row["status"], "decision": row["reason"]}
            if row["champion"]:
                run_id = listed.loc[listed["estimator"] == row["champion"], "run_id"].iloc[0]
                tracker.set_champion(
                    task, Tracked(run_id, row["model_uri"]), context.partition_key, row["model_version"]
                )
                metadata["mlflow"] = dg.MetadataValue.url(tracker.link(run_id))
            return Result(conform(decision, CHAMPION), metadata)

        return Deferred(compute)

    return champion


def task_figures(task: str, said: Any, synthetic: bool = False) -> dict[str, Any]:
    """Return the plots of a task's predictions, the fixed model first, by name."""
    from crm_pipeline.reports import plots

    of = the_task(task)
    fixed = of.fixed if of.fixed in said else None
    drawn = {"probability": ("roc", "calibration"), "amount": ("demand_deciles",)}.get(of.kind, ())
    return {name: getattr(plots, name)(said, fixed, synthetic=synthetic) for name in drawn}


def evaluation_plots(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return plots as Markdown metadata for the Dagster UI."""
    from crm_pipeline.reports import plots

    return {name: dg.MetadataValue.md(plots.markdown_image(figure, name)) for name, figure in figures.items()}


def model_assets(project: Project, io: LakeIOManager, tracker: Tracker) -> list[dg.AssetsDefinition]:
    """Return the assets of every task: one per estimator, level, evaluation and champion."""
    found = []
    for task in project.tasks:
        found += [estimator_asset(project, io, tracker, task, name) for name in chosen(project.settings, task)]
        found += [
            level_asset(project, task),
            evaluation_asset(project, tracker, task),
            champion_asset(project, tracker, task),
        ]
    return found
