"""What the straight-line script does of messages: masked, understood, counted; their words, and the topics of the last year. No files."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import ibis
import pandas as pd

from crm_pipeline.contracts.outputs import conform
from crm_pipeline.contracts.texts import MESSAGE_TOPICS, TOPICS, WORDS, WRITTEN
from crm_pipeline.home.labels import intents_of, kept_labels, labelled, labels_file
from crm_pipeline.home.project import FeatureShape
from crm_pipeline.settings import Settings
from crm_pipeline.transforms import texts


class Texts:
    """The part of `benchmarks.straight_line.Script` that reads messages; it has the script's files, settings and periods."""

    out: Path
    settings: Settings
    folder: Any
    world: Any
    calendar: Any
    read: Any
    write: Any
    back: Any

    @cached_property
    def shape(self) -> FeatureShape:
        """What the features depend on."""
        s = self.settings
        intents = intents_of(self.out) if "messages" in self.world.tables else ()
        return FeatureShape(s.windows, s.horizon, s.eligibility, s.year, intents, ())

    @cached_property
    def read_by(self) -> tuple[Any, Any]:
        """The models of intent and sentiment, learned from the starter's labelled texts."""
        from crm_pipeline.home.intents import masked
        from crm_pipeline.text import intents, sentiment

        rows = pd.DataFrame(labelled(masked(kept_labels(labels_file(self.out)), self.settings)))
        about, felt = rows.dropna(subset=["intent"]), rows.dropna(subset=["sentiment"])
        return (
            intents.fit(about["text"].tolist(), about["intent"].tolist(), self.settings.seed),
            sentiment.fit(
                felt["text"].tolist(), felt["sentiment"].tolist(), felt["language"].tolist(), self.settings.seed
            ),
        )

    def masked(self, name: str, rows: ibis.Table) -> ibis.Table:
        """Return the raw rows of a table without what tells who wrote."""
        from crm_pipeline.text.bodies import masked

        if not self.settings.mask_text or WRITTEN.get(name) not in self.world.tables[name]:
            return rows
        made = masked(rows.to_pyarrow(), self.settings.phone_regions, self.settings.threads)
        return self.folder.engine.given(made, f"masked {name}")

    def texts(self, period: str) -> None:
        """Understand the messages of a period, and count them and their words."""
        from crm_pipeline.text.messages import understand
        from crm_pipeline.text.segments import words_of_segments

        rows = texts.written(self.read("clean/messages", period))
        if "transcript" in self.world.tables.get("calls", ()):
            rows = texts.with_calls(rows, self.read("clean/calls", period), None)
        told = understand(rows.order_by("event_at", "message_id").to_pyarrow(), *self.read_by, self.settings.threads)
        self.write("text/messages", period, told)
        both = self.read("text/messages", *self.back(period, [0, 1]))
        self.write("activity/texts", period, texts.of_customers(both, period, self.calendar, self.shape.intents))
        listed = both.filter(both.inbound).select("message_id", "customer_id", "event_at", "language", "words", "stems")
        found = words_of_segments(listed.order_by("message_id").to_pyarrow(), self.calendar.start(period))
        self.write("text/words", period, conform(found.to_pandas(), WORDS))

    def topics(self, period: str) -> None:
        """Find what the last year's messages were about without labels, and say it of the period's."""
        from crm_pipeline.text.topic_tables import SAMPLE, assigned, topics_table

        s, year = self.settings, self.read("text/messages", *self.back(period, range(self.settings.year)))
        written = year.filter(year.inbound).select("message_id", "words", "stems")
        sample = written.order_by(written.message_id.hexdigest("md5"), "message_id").limit(SAMPLE).execute()
        found = conform(topics_table(sample, s.topics, s.seed), TOPICS)
        self.write("text/topics", period, found)
        now = self.read("text/messages", period)
        rows = now.filter(now.inbound).select("message_id", "stems").order_by("message_id").execute()
        self.write("text/message_topics", period, conform(assigned(rows, found.to_pandas()), MESSAGE_TOPICS))
