"""Assets that learn how voices sound: the labelled recordings, and the model of them. Calls are not listened to here.

Measuring and learning lie in audio, where the recordings come from is home's. A home without labelled recordings has none of these.
"""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg
import ibis

from crm_pipeline.contracts.calls import LABELS
from crm_pipeline.contracts.outputs import CARD, conform
from crm_pipeline.defs.common import described, reads
from crm_pipeline.defs.lake import Result, publishes
from crm_pipeline.errors import UsageError
from crm_pipeline.hashing import digest
from crm_pipeline.home.labels import TOLD, EmotionLabels
from crm_pipeline.home.project import Project
from crm_pipeline.tracking import Tracker
from crm_pipeline.versions import code_version

NO_KERAS = (
    "{} asks for a network, which needs the extra 'deep': pip install --editable '.[deep]' in the clone, "
    "or run `crm-pipeline train-emotion` again with --without-network."
)

MEASURING = "crm_pipeline.audio.emotion_labels"


def emotion_assets(project: Project, tracker: Tracker) -> list[dg.AssetsDefinition]:
    """Return the assets that learn how voices sound."""
    found = project.emotion_labels
    return [_labels(project, found), _model(project, tracker, found.model)] if found else []


def _labels(project: Project, found: EmotionLabels) -> dg.AssetsDefinition:
    code = code_version(_labels, {"labels": found.version}, also=[MEASURING])

    @dg.asset(**described(project, "audio/labels", code, {}, kinds=("librosa",), dated=False))
    @publishes
    def labels(context: dg.AssetExecutionContext) -> Any:
        """Labelled recordings, to learn from how voices sound: the home's own (`crm-pipeline train-emotion`), else the source's."""
        from crm_pipeline.home.emotions import recordings_of

        rows, notes = recordings_of(project, found)
        for note in notes:
            context.log.warning(note)
        return conform(rows, LABELS)

    return labels


def _model(project: Project, tracker: Tracker, chosen: str) -> dg.AssetsDefinition:
    seed = project.settings.seed
    code = code_version(_model, {"seed": seed, "model": chosen})
    asset = "audio/emotion_model"
    ins = {"labels": reads("audio/labels", None)}

    @dg.asset(**described(project, asset, code, ins, kinds=("mlflow", "scikitlearn"), dated=False))
    @publishes
    def trained(context: dg.AssetExecutionContext, labels: ibis.Table, pins: Mapping[str, str]) -> Result:
        """How a voice sounds, with a calibrated probability and an honest *unknown*. Learned from labelled recordings; an MLflow run."""
        from crm_pipeline.audio import emotion_cnn
        from crm_pipeline.audio.emotion import UNTAUGHT, kinds_of
        from crm_pipeline.audio.emotion_judging import compared
        from crm_pipeline.audio.emotion_stretches import Stretches, example

        rows = labels.order_by("path", "emotion", "speaker").execute()
        version = digest(json.dumps([sorted(pins.items()), code]), 8)
        card = {"task": "emotion", "model_version": version, "rows": len(rows), "features": "[]"}
        if min(rows["emotion"].nunique(), rows["speaker"].nunique()) < 2:
            few = f"{UNTAUGHT}: at least two labels and two speakers are needed."
            return Result(conform([card | {"status": "abstained", "reason": few}], CARD), {"model_version": version})
        given = (Stretches.of_frame(rows), rows["emotion"].tolist(), rows["speaker"].tolist())
        normalised = bool(rows["normalised"].any())
        kinds = kinds_of(chosen)
        if "cnn" in kinds and not emotion_cnn.available():
            raise UsageError(NO_KERAS.format(TOLD))
        model, judgement = compared(kinds, given, seed, normalised)[chosen]
        measured = judgement.metrics | {"refused": model.limits.refused}
        speakers = rows["speaker"].nunique()
        parameters = {
            "seed": seed,
            "model": chosen,
            "recordings": len(rows),
            "speakers": speakers,
            "normalised_by_speaker": normalised,
        }
        tags = {"dagster.run_id": context.run.run_id, "crm.asset": asset, "crm.partition": "all",
                "crm.model_version": version, "crm.code_version": code, "crm.inputs": json.dumps(pins)}  # fmt: skip
        tracked = tracker.log_model(
            asset, model, parameters=parameters, metrics=measured, tags=tags, example=example()
        )  # fmt: skip
        told = {name: getattr(judgement, name).to_csv(index=False) for name in ("confusions", "speakers")}
        tracker.log_tables(tracked.run_id, told)
        card |= {"estimator": type(model).__name__, "status": "fitted", "parameters": json.dumps(parameters),
                 "reason": f"Fitted on {len(rows):,} labelled recordings of {speakers:,} speakers."}  # fmt: skip
        metadata = {"model_version": version, "mlflow": dg.MetadataValue.url(tracker.link(tracked.run_id)),
                    **measured}  # fmt: skip
        return Result(conform([card | tracked._asdict()], CARD), metadata)

    return trained
