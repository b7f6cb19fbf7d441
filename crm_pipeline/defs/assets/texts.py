"""Assets of the layer text: what is understood of messages, their words and topics, and what that makes of a customer.

Reading and learning lie in text, counting in transforms. A source without messages has none of these.
"""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg
import ibis

from crm_pipeline.contracts.outputs import CARD, conform
from crm_pipeline.contracts.texts import LABELS, MASKING, MESSAGE_TOPICS, TOPICS, WORDS
from crm_pipeline.defs.common import described, reads
from crm_pipeline.defs.lake import Result, publishes
from crm_pipeline.hashing import digest
from crm_pipeline.home.labels import kept_labels, labelled, labels_file
from crm_pipeline.home.project import Project
from crm_pipeline.tracking import Tracker
from crm_pipeline.transforms import texts as of_customers
from crm_pipeline.transforms.columns import of_somebody
from crm_pipeline.versions import code_version


def text_assets(project: Project, tracker: Tracker) -> list[dg.AssetsDefinition]:
    """Return the assets of the layer text, and the activity that is counted from them."""
    if "messages" not in project.source.tables:
        return []
    return [
        _labels(project),
        *(_model(project, tracker, task) for task in MODELS),
        _messages(project, tracker),
        _topics(project),
        _message_topics(project),
        _words(project),
        _activity(project),
    ]


def _labels(project: Project) -> dg.AssetsDefinition:
    path = labels_file(project.home)
    used = {"mask_text": project.settings.mask_text, "phone_regions": project.settings.phone_regions}
    code = code_version(_labels, used, also=[MASKING], files=[path])

    @dg.asset(**described(project, "text/labels", code, {}, kinds=("csv",), dated=False))
    @publishes
    def labels(context: dg.AssetExecutionContext) -> Any:
        """Labelled texts, from which intent and sentiment are learned: the home's own (`crm-pipeline train-intents`), else a starter."""
        from crm_pipeline.home.intents import masked

        return conform(_frame(labelled(masked(kept_labels(path), project.settings))), LABELS)

    return labels


def _frame(columns: Mapping[str, Any]) -> Any:
    import pandas as pd

    return pd.DataFrame(columns)


MODELS = {
    "intent": "What a message is about, with a calibrated probability and an honest *unknown*.",
    "sentiment": "How a message feels: the VADER lexicon, and what labelled texts add to it.",
}
"""Models of text, and what each says."""

EXAMPLE = {"text": ["Where is my order?", "I want to send it back."], "language": ["en", "en"]}
"""What MLflow shows as an input: never a text of a customer."""


def _fit(task: str, rows: Any, seed: int) -> Any:
    from crm_pipeline.text import intents, sentiment

    if task == "intent":
        rows = rows.dropna(subset=["intent"])
        return intents.fit(rows["text"].tolist(), rows["intent"].tolist(), seed)
    felt = rows.dropna(subset=["sentiment"])
    return sentiment.fit(felt["text"].tolist(), felt["sentiment"].tolist(), felt["language"].tolist(), seed)


def _model(project: Project, tracker: Tracker, task: str) -> dg.AssetsDefinition:
    seed = project.settings.seed
    code = code_version(_model, {"seed": seed, "task": task})
    told = f"{MODELS[task]} Learned from the labelled texts; an MLflow run."
    asset = f"text/{task}_model"
    ins = {"labels": reads("text/labels", None)}

    @dg.asset(**described(project, asset, code, ins, kinds=("mlflow", "scikitlearn"), description=told, dated=False))
    @publishes
    def trained(context: dg.AssetExecutionContext, labels: ibis.Table, pins: Mapping[str, str]) -> Result:
        rows = labels.execute()
        model = _fit(task, rows, seed)
        measured = {name: float(value) for name, value in model.measured.items() if value == value}
        version = digest(json.dumps([sorted(pins.items()), code]), 8)
        card = {"task": task, "estimator": type(model).__name__, "model_version": version, "status": "fitted",
                "reason": f"Fitted on {len(rows):,} labelled texts.", "rows": len(rows), "features": "[]",
                "parameters": json.dumps({"seed": seed})}  # fmt: skip
        tags = {"dagster.run_id": context.run.run_id, "crm.asset": asset, "crm.partition": "all",
                "crm.model_version": version, "crm.code_version": code, "crm.inputs": json.dumps(pins)}  # fmt: skip
        tracked = tracker.log_model(
            asset,
            model,
            parameters={"seed": seed, "texts": len(rows)},
            metrics=measured,
            tags=tags,
            example=_frame(EXAMPLE),
        )
        metadata = {"model_version": version, "mlflow": dg.MetadataValue.url(tracker.link(tracked.run_id)),
                    **measured}  # fmt: skip
        return Result(conform([card | tracked._asdict()], CARD), metadata)

    return trained


def _messages(project: Project, tracker: Tracker) -> dg.AssetsDefinition:
    code = code_version(_messages, {})
    ins = {
        "messages": reads("clean/messages"),
        "intent": reads("text/intent_model", None),
        "sentiment": reads("text/sentiment_model", None),
    }
    recorded = "recordings" in project.source.inputs
    if recorded or "transcript" in project.source.tables.get("calls", ()):
        ins["calls"] = reads("clean/calls")
    if recorded:
        ins["heard"] = reads("audio/calls")

    @dg.asset(**described(project, "text/messages", code, ins, kinds=("nltk", "scikitlearn")))
    @publishes
    def understood(
        context: dg.AssetExecutionContext,
        messages: ibis.Table,
        intent: ibis.Table,
        sentiment: ibis.Table,
        calls: ibis.Table | None = None,
        heard: ibis.Table | None = None,
    ) -> Any:
        """What is understood of each message and of what is said in calls, masked before: language, words, how it feels, what about."""
        from crm_pipeline.text.messages import understand

        rows = of_customers.written(messages)
        if calls is not None:
            rows = of_customers.with_calls(rows, calls, heard)
        about, felt = (tracker.load(card.execute()["model_uri"].iloc[0]) for card in (intent, sentiment))
        return understand(rows.order_by("event_at", "message_id").to_pyarrow(), about, felt, project.settings.threads)

    return understood


def _topics(project: Project) -> dg.AssetsDefinition:
    settings = project.settings
    code = code_version(_topics, {"topics": settings.topics, "seed": settings.seed})
    told = "What customers of the last year wrote about, found without labels: words that stand together (NMF), and how stable that is."
    ins = {"messages": reads("text/messages", tuple(range(1 - settings.year, 1)))}

    @dg.asset(**described(project, "text/topics", code, ins, kinds=("scikitlearn",), description=told))
    @publishes
    def topics(context: dg.AssetExecutionContext, messages: ibis.Table) -> Any:
        from crm_pipeline.text.topic_tables import SAMPLE, topics_table

        written = messages.filter(messages.inbound).select("message_id", "words", "stems")
        sample = written.order_by(written.message_id.hexdigest("md5"), "message_id").limit(SAMPLE).execute()
        return conform(topics_table(sample, settings.topics, settings.seed), TOPICS)

    return topics


def _message_topics(project: Project) -> dg.AssetsDefinition:
    code = code_version(_message_topics, {})
    told = "The topic that each message from a customer weighs most in; who shares no word with any topic is not here."
    ins = {"messages": reads("text/messages"), "topics": reads("text/topics")}

    @dg.asset(**described(project, "text/message_topics", code, ins, kinds=("scikitlearn",), description=told))
    @publishes
    def message_topics(context: dg.AssetExecutionContext, messages: ibis.Table, topics: ibis.Table) -> Any:
        from crm_pipeline.text.topic_tables import assigned

        written = messages.filter(messages.inbound).select("message_id", "stems").order_by("message_id")
        return conform(assigned(written.execute(), topics.execute()), MESSAGE_TOPICS)

    return message_topics


def _words(project: Project) -> dg.AssetsDefinition:
    code = code_version(_words, {})
    told = (
        "Which words, word pairs and collocations customers used in the period, in all and by language and country, and which of "
        "them more than in the period before. What fewer than three customers wrote is not listed."
    )
    ins = {"messages": reads("text/messages", (-1, 0))}
    if "customers" in project.source.tables:
        ins["customers"] = reads("lifetime/customers")

    @dg.asset(**described(project, "text/words", code, ins, kinds=("nltk",), description=told))
    @publishes
    def words(context: dg.AssetExecutionContext, messages: ibis.Table, customers: ibis.Table | None = None) -> Any:
        from crm_pipeline.text.segments import words_of_segments

        rows = of_somebody(messages.filter(messages.inbound)).select(
            "message_id", "customer_id", "event_at", "language", "words", "stems"
        )
        if customers is not None:
            rows = rows.left_join(customers.select("customer_id", "country"), "customer_id").drop("customer_id_right")
        start = project.calendar.start(context.partition_key)
        return conform(words_of_segments(rows.order_by("message_id").to_pyarrow(), start).to_pandas(), WORDS)

    return words


def _activity(project: Project) -> dg.AssetsDefinition:
    intents = project.shape.intents
    code = code_version(_activity, {"timezone": project.source.timezone, "intents": intents})
    told = (
        "How each customer's messages of the period felt, what they were about, and whether they were answered: one row per "
        "customer with any; sums of periods give any window."
    )
    ins = {"messages": reads("text/messages", (-1, 0))}

    @dg.asset(**described(project, "activity/texts", code, ins, description=told))
    @publishes
    def written(context: dg.AssetExecutionContext, messages: ibis.Table) -> ibis.Table:
        return of_customers.of_customers(messages, context.partition_key, project.calendar, intents)

    return written
