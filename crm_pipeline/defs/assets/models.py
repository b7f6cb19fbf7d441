"""Assets of the layers models, levels and evaluation. Learning and judging lie in modeling, recording in tracking."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import dagster as dg
import ibis

from crm_pipeline.contracts.outputs import CARD, conform
from crm_pipeline.defs.common import code_version, described, partitions_of, reads
from crm_pipeline.defs.io import Deferred, LakeIOManager, Result
from crm_pipeline.defs.project import Project
from crm_pipeline.modeling.estimators import entry
from crm_pipeline.tracking import Tracker

LEARNING = (
    "crm_pipeline.modeling.training", "crm_pipeline.modeling.preprocessing", "crm_pipeline.modeling.calibration",
    "crm_pipeline.modeling.tasks", "crm_pipeline.modeling.learners.base", "crm_pipeline.modeling.learners.boosting",
    "crm_pipeline.modeling.learners.combined", "crm_pipeline.modeling.learners.process",
    "crm_pipeline.modeling.learners.splines", "crm_pipeline.modeling.learners.trees",
)  # fmt: skip
LIBRARIES = ("scikit-learn", "xgboost", "numpy", "scipy")


def estimator_asset(project: Project, io: LakeIOManager, tracker: Tracker, task: str, name: str) -> dg.AssetsDefinition:
    """Return the asset that trains one estimator of one task."""
    settings, of = project.settings, entry(task, name)
    used = {
        "horizon": settings.horizon,
        "seed": settings.seed,
        "threads": settings.threads,
        "money_unit": settings.money_unit,
    }
    code = code_version([*LEARNING, of.build.__module__], used, LIBRARIES)
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
            "mlflow_run": tracked.run_id,
            "model_uri": tracked.model_uri,
            "mlflow": tracker.link(tracked.run_id),
        }
    frame = pd.DataFrame([card | {k: json.dumps(card[k], default=str) for k in ("features", "parameters")}])
    return Result(conform(frame[[c.name for c in CARD if c.name in frame]], CARD), metadata)


def load_card_model(tracker: Tracker, card: Any) -> Any:
    """Return the model that a one-row card names, None when its estimator abstained."""
    if not len(card) or card["status"].iloc[0] != "fitted":
        return None
    return tracker.load(card["model_uri"].iloc[0])
