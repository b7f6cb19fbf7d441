"""Assets of the layer audio: what is measured, felt and said in recordings of calls, and what that makes of a customer.

Listening lies in audio, what was made of a recording is kept by home, counting lies in transforms. A source without recordings
has none of these.
"""

from typing import Any

import dagster as dg
import ibis

from crm_pipeline.contracts.core import NAMED
from crm_pipeline.defs.common import described, reads
from crm_pipeline.defs.lake import publishes
from crm_pipeline.home.listening import LISTENING, MEASURING, listened, measured
from crm_pipeline.home.project import Project
from crm_pipeline.tracking import Tracker
from crm_pipeline.transforms import calls as of_customers
from crm_pipeline.versions import code_version


def call_assets(project: Project, tracker: Tracker) -> list[dg.AssetsDefinition]:
    """Return the assets of the layer audio, and the activity that is counted from them."""
    return [_calls(project, tracker), _activity(project)] if "recordings" in project.source.inputs else []


def _calls(project: Project, tracker: Tracker) -> dg.AssetsDefinition:
    settings = project.settings
    used = {"transcriber": settings.transcriber, "watched_words": settings.watched_words,
            "caller_channel": settings.caller_channel, "mask_text": settings.mask_text,
            "phone_regions": settings.phone_regions}  # fmt: skip
    code = code_version(_calls, used, also=[MEASURING, LISTENING])
    ins = {"calls": reads("clean/calls"), "named": reads("raw/calls")}
    if project.emotion_labels:
        ins["model"] = reads("audio/emotion_model", None)

    @dg.asset(**described(project, "audio/calls", code, ins, kinds=("librosa",)))
    @publishes
    def listened_to(
        context: dg.AssetExecutionContext, calls: ibis.Table, named: ibis.Table, model: ibis.Table | None = None
    ) -> Any:
        """What is measured, felt and said in each channel of the calls that have a recording; each recording is decoded once."""
        from crm_pipeline.audio.tables import calls_table, masked

        rows = calls.filter(calls.recording.notnull()).order_by("event_at", "call_id")
        rows = rows.select("call_id", "customer_id", "event_at", "recording", "audio_path").to_pyarrow().to_pylist()
        wanted = {row["recording"]: row["audio_path"] for row in rows}
        heard = measured(project, wanted)
        said = listened(project, wanted, heard)
        uri = None if model is None else model.execute()["model_uri"].iloc[0]
        table = calls_table(rows, heard, said, tracker.load(uri) if uri else None, settings.caller_channel)
        if not settings.mask_text:
            return table
        names = named.filter(named.event == NAMED).select("customer_id", "transcript").to_pyarrow().to_pylist()
        return masked(table, {row["customer_id"]: row["transcript"] for row in names}, settings.phone_regions)

    return listened_to


def _activity(project: Project) -> dg.AssetsDefinition:
    emotions = project.shape.emotions
    code = code_version(_activity, {"emotions": emotions})
    told = (
        "How each customer's recorded calls of the period went and sounded: one row per customer with any; sums of periods give "
        "any window."
    )
    ins = {"calls": reads("audio/calls")}

    @dg.asset(**described(project, "activity/audio", code, ins, description=told))
    @publishes
    def called(context: dg.AssetExecutionContext, calls: ibis.Table) -> ibis.Table:
        return of_customers.of_customers(calls, context.partition_key, emotions)

    return called
