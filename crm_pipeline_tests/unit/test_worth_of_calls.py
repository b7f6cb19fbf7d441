"""What recordings are worth, from their sound to the interval over cut-offs: nothing where they show nothing, more where they do."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import ibis
import numpy as np
import pandas as pd
import pytest

from crm_pipeline.audio.features import measured
from crm_pipeline.audio.measured import Measured
from crm_pipeline.audio.synthesis import Speech, write_wav
from crm_pipeline.audio.tables import calls_table
from crm_pipeline.modeling.ablation import Worth, ablate, worth
from crm_pipeline.modeling.customers import Customers
from crm_pipeline.sample.process import SATISFACTION_SD
from crm_pipeline.sample.recordings import MOODS, RATE, TRAINING_VOICES, VOICES, caller, mood_of
from crm_pipeline.sample.talk import AROUSAL_SLOPE
from crm_pipeline.transforms import features
from crm_pipeline.transforms.calls import of_customers
from crm_pipeline.transforms.features.catalogue import catalogue
from crm_pipeline_tests.unit.features_world import Shape
from crm_pipeline_tests.unit.texts_world import CALENDAR, JUDGED, LOSS, customers

pytestmark = pytest.mark.slow
EACH, CALLS_EACH = 5, 2
SHAPE = Shape((1, 3, 12), 3, 12, 12)
NAMES = [f.name for f in catalogue({"orders", "recordings"}, SHAPE) if f.source == "audio"]


@cache
def recordings() -> dict[str, list[Measured]]:
    """Callers in each mood, spoken and measured."""
    rng = np.random.default_rng(4)
    found: dict[str, list[Measured]] = {mood: [] for mood in MOODS}
    with TemporaryDirectory() as folder:
        for mood in MOODS:
            for voice in (VOICES + TRAINING_VOICES)[:EACH]:
                path = Path(folder, "call.wav")
                sound = np.round(np.clip(caller(voice, mood, rng)[1], -1, 1) * 32767).astype(np.int16)
                write_wav(Speech(sound, RATE), path)
                found[mood].append(measured(path))
    return found


def told(effect: float) -> pd.DataFrame:
    """The audio features of each customer, by the program's own steps; the same voices whatever the effect."""
    rng, heard = np.random.default_rng(9), recordings()
    who = customers().loc[lambda t: t.index.repeat(CALLS_EACH)].reset_index(drop=True)
    arousal = rng.standard_normal(len(who)) - effect * AROUSAL_SLOPE * who["satisfaction"] / SATISFACTION_SD
    moods, places = [mood_of(value) for value in arousal], rng.integers(EACH, size=len(who))
    known = {f"{mood}{n}": one for mood in MOODS for n, one in enumerate(heard[mood])}
    said = {name: [{"said": [], "watched": []}] for name in known}
    calls = pd.DataFrame({"call_id": [f"c{n}" for n in range(len(who))], "customer_id": who["customer_id"],
                          "event_at": who["cutoff"] + pd.Timedelta(days=9),
                          "recording": [f"{m}{p}" for m, p in zip(moods, places, strict=True)]})  # fmt: skip
    table = ibis.memtable(calls_table(calls.to_dict("records"), known, said, None, 2))
    parts = []
    for cutoff, own in customers().groupby(customers()["cutoff"].dt.strftime("%Y-%m-%d")):
        counted = of_customers(table.filter(table.customer_id.isin(own["customer_id"].tolist())), cutoff)
        day = CALENDAR.end_date(cutoff).toordinal() - 719_163 - 10
        life = pd.DataFrame({"customer_id": own["customer_id"], "first_day": day - 500, "last_day": day, "n_orders": 3,
                             "order_days": 3, "spend": 100, "gaps": 2, "gap_days_sum": 50, "gap_days_sumsq": 1300})  # fmt: skip
        dates = ibis.memtable(features.dates(cutoff, {"audio": "2010-01-01"}, CALENDAR, SHAPE))
        made = features.customers({"audio": counted}, ibis.memtable(life), None, dates, shape=SHAPE)
        parts.append(made.execute()[["customer_id", *NAMES]])
    return pd.concat(parts, ignore_index=True)


@cache
def table(effect: float) -> pd.DataFrame:
    return customers().drop(columns="satisfaction").merge(told(effect), on="customer_id")


def worth_of(task: str, effect: float) -> Worth:
    rows, known = [], table(effect)
    for cutoff in JUDGED:
        now = known[known["cutoff"] == cutoff]
        of_now = Customers(ibis.memtable(now.drop(columns=["churned", "spend", "orders"])))
        rows.append(ablate(
            task, {"audio": NAMES}, known[known["cutoff"] < cutoff], of_now, now,
            cutoff=cutoff, level=None, horizon=3, seed=1, threads=1, money_unit=0.0001,
        ))  # fmt: skip
    return worth(pd.concat(rows), LOSS[task])


@pytest.mark.parametrize("task", LOSS)
def test_recordings_that_show_nothing_are_worth_nothing(task: str) -> None:
    nothing = worth_of(task, 0.0)
    assert nothing.blocks == len(JUDGED)
    assert not nothing.low > 0, nothing


def test_the_more_they_show_the_more_they_are_worth() -> None:
    none, much = worth_of("churn", 0.0), worth_of("churn", 1.0)
    assert much.low > 0, much
    assert much.mean > none.mean
