"""Messages of the sample company's making with a known truth, and what the program makes of them. No tests.

The customers are made directly: who will lapse is less satisfied. Words, masking, models of text, counts, features and the
comparison with and without them are the sample company's and the program's own.
"""

from __future__ import annotations

from functools import cache

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa

from crm_pipeline.modeling.ablation import Worth, ablate, worth
from crm_pipeline.modeling.customers import Customers
from crm_pipeline.periods import Calendar
from crm_pipeline.sample import texts
from crm_pipeline.sample.process import SATISFACTION_SD
from crm_pipeline.sample.starter import starter
from crm_pipeline.text import intents, sentiment
from crm_pipeline.text.labels import UNKNOWN, parse, slugs, trainable
from crm_pipeline.text.masking import mask
from crm_pipeline.text.messages import understand
from crm_pipeline.transforms import features
from crm_pipeline.transforms import texts as of_customers
from crm_pipeline.transforms.features.catalogue import catalogue
from crm_pipeline_tests.unit.features_world import Shape
from crm_pipeline_tests.unit.modeling_world import training_table

CALENDAR = Calendar("month", "Europe/Berlin")
CUTOFFS = [f"{year}-0{month}-01" for year in (2018, 2019, 2020) for month in (3, 6, 9)]
JUDGED = CUTOFFS[4:]
CUSTOMERS, MESSAGES_EACH, LAPSING = 500, 2, 1.0
PERSON = {"name": "Mia Berger", "email": "mia@example.com", "phone": "+49 30 901820"}
LOSS = {"churn": "log_loss", "demand": "deviance"}


@cache
def customers() -> pd.DataFrame:
    """One row per customer and cut-off; a customer of another cut-off is another customer."""
    table = training_table(CUSTOMERS, seed=3, cutoffs=CUTOFFS)
    table["customer_id"] = table["customer_id"] + "@" + table["cutoff"].dt.strftime("%Y-%m-%d")
    rng = np.random.default_rng(8)
    low = SATISFACTION_SD * LAPSING * (0.5 - table["churned"])
    return table.assign(satisfaction=low + SATISFACTION_SD * rng.standard_normal(len(table)))


@cache
def models() -> tuple[intents.IntentModel, sentiment.SentimentModel, Shape]:
    found = trainable(parse(starter().encode(), "starter"))
    names = slugs(label for label in found.intents if label != UNKNOWN)
    shape = Shape((1, 3, 12), 3, 12, 12, tuple(sorted((slug, label) for label, slug in names.items())))
    about = intents.fit(found.texts, found.intents, 1)
    return about, sentiment.fit(found.texts, found.sentiments, found.languages, 1), shape


def written(effect: float, decoys: bool | None) -> pa.Table:
    """Each customer's messages of the cut-off's period: of all kinds, or (not) decoys alone; the same moods whatever the effect."""
    rng, wording = np.random.default_rng(9), np.random.default_rng(10)
    who = customers().loc[lambda t: t.index.repeat(MESSAGES_EACH)]
    m = len(who)
    meant = texts.mean(np.full(m, texts.TALK), who["satisfaction"].to_numpy(), np.zeros(m, int), effect, rng)
    senders = pa.table(
        {"customer_id": pa.array(who["customer_id"].tolist(), pa.string()), **{k: [v] * m for k, v in PERSON.items()}}
    )
    body = texts.write(meant, wording.random(m) < 0.4, senders, wording)[0]["body"]
    day = who["cutoff"] + pd.to_timedelta(rng.uniform(1, 27, m), unit="D")
    table = pa.table(
        {
            "message_id": pa.array([f"m{i:06d}" for i in range(m)]),
            "customer_id": senders["customer_id"],
            "event_at": pa.array(day.to_numpy("datetime64[us]")),
            "body": mask(body, names=senders["name"].combine_chunks()).texts,
            "inbound": [True] * m,
        }
    )
    return table if decoys is None else table.filter(pa.array(meant.decoy == decoys))


def told(messages: pa.Table) -> pd.DataFrame:
    """The features of texts of each customer, by the program's own steps."""
    about, feels, shape = models()
    understood = understand(messages, about, feels).to_pandas().drop(columns=["words", "stems"])
    period = understood["event_at"].dt.strftime("%Y-%m-01")
    parts = []
    for cutoff, own in customers().groupby(customers()["cutoff"].dt.strftime("%Y-%m-%d")):
        rows = ibis.memtable(understood[period == cutoff])
        counted = of_customers.of_customers(rows, cutoff, CALENDAR, shape.intents)
        day = CALENDAR.end_date(cutoff).toordinal() - 719_163 - 10
        life = pd.DataFrame({"customer_id": own["customer_id"], "first_day": day - 500, "last_day": day, "n_orders": 3,
                             "order_days": 3, "spend": 100, "gaps": 2, "gap_days_sum": 50, "gap_days_sumsq": 1300})  # fmt: skip
        dates = ibis.memtable(features.dates(cutoff, {"texts": "2010-01-01"}, CALENDAR, shape))
        made = features.customers({"texts": counted}, ibis.memtable(life), None, dates, shape=shape)
        parts.append(made.execute()[["customer_id", *names(shape)]])
    return pd.concat(parts, ignore_index=True)


def names(shape: Shape) -> list[str]:
    return [f.name for f in catalogue({"orders", "messages"}, shape) if f.source == "texts"]


@cache
def worths(effect: float, decoys: bool | None = None) -> dict[str, Worth]:
    """What the features are worth to either task over the last cut-offs."""
    table = customers().drop(columns="satisfaction").merge(told(written(effect, decoys)), on="customer_id")
    found = {}
    for task, loss in LOSS.items():
        rows = []
        for cutoff in JUDGED:
            now, known = table[table["cutoff"] == cutoff], table[table["cutoff"] < cutoff]
            of_now = Customers(ibis.memtable(now.drop(columns=["churned", "spend", "orders"])))
            rows.append(ablate(
                task, {"texts": names(models()[2])}, known, of_now, now,
                cutoff=cutoff, level=None, horizon=3, seed=1, threads=1, money_unit=0.0001,
            ))  # fmt: skip
        found[task] = worth(pd.concat(rows), loss)
    return found


@cache
def read(messages: int = 6_000) -> pd.DataFrame:
    """Messages with their truth, masked, and what the starter's models say of them: told, likeliest, score."""
    rng = np.random.default_rng(5)
    moods = SATISFACTION_SD * rng.standard_normal(messages)
    meant = texts.mean(np.full(messages, texts.TALK), moods, np.zeros(messages, int), 0.5, rng)
    senders = pa.table({k: [v] * messages for k, v in {"customer_id": "C1", **PERSON}.items()})
    written, truth = texts.write(meant, rng.random(messages) < 0.4, senders, rng)
    about, feels, _ = models()
    rows = pd.DataFrame({name: column.to_pylist() for name, column in truth.items()})
    rows["body"] = mask(written["body"], names=senders["name"].combine_chunks()).texts.to_pylist()
    said = about.predict(rows["body"].tolist())
    rows["told"], rows["likeliest"] = said["intent"].to_numpy(object), said["likeliest"].to_numpy(object)
    rows["score"] = feels.score(rows["body"].tolist(), rows["language"].tolist())
    return rows
