"""What changed and from where, over a lake of a dozen partitions: the causes of a difference, its words, and a score's way back."""

from __future__ import annotations

import io
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from crm_pipeline import console_provenance, versions
from crm_pipeline.contracts.outputs import CARD, CHAMPION, CUSTOMERS, conform, score_columns
from crm_pipeline.engine import DuckDBEngine
from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.lake import Lake, Manifest, keep_parts
from crm_pipeline.modeling.tasks import task
from crm_pipeline.periods import Calendar
from crm_pipeline.provenance.causes import Cause, FileChange, causes
from crm_pipeline.provenance.changes import changes
from crm_pipeline.provenance.generations import Past
from crm_pipeline.provenance.trace import known_task, trace
from crm_pipeline.provenance.words import told, way
from crm_pipeline.scored import Opened
from crm_pipeline.sources.state import SourceState
from crm_pipeline.versions import Parts

JANUARY, FEBRUARY = "2024-01-01", "2024-02-01"
CALENDAR = Calendar("month", "Europe/Berlin")


class World:
    """A lake with two periods of orders and the scores of the second; `build` makes again what is downstream."""

    def __init__(self, home: Path) -> None:
        self.lake = Lake(home, DuckDBEngine("200MB", 1, home / "spill"))
        self.amounts = {("a", JANUARY): 10, ("b", JANUARY): 20, ("a", FEBRUARY): 30, ("b", FEBRUARY): 40}
        self.code, self.complete = "v1", False
        self.risk = {"a": 0.2, "b": 0.4, "c": 0.6}

    def publish(
        self, asset: str, partition: str, rows: Any, *read: Manifest, code: str = "v1", **more: str
    ) -> Manifest:
        pins = {f"{m.asset}@{m.partition}": m.content_hash for m in read} | more
        return self.lake.publish(
            asset, partition, [self.lake.stage(rows)], inputs=pins, code_version=code, run_id=f"run-of-{self.code}"
        )

    def raw(self, period: str) -> Manifest:
        rows = [
            {"order_id": f"{c}{period[5:7]}", "customer_id": c, "amount": amount, "event": "placed",
             "event_at": datetime.fromisoformat(p) + pd.Timedelta(days=3, hours=12),
             "source_file": f"{p[:7]}.csv", "source_line": 2 + (c == "b"), "entry": 0}
            for (c, p), amount in self.amounts.items() if p == period
        ]  # fmt: skip
        sha = str(sorted(self.amounts.items()))
        return self.publish("raw/orders", period, pd.DataFrame(rows), code="m1", source=sha)

    def build(self) -> Manifest:
        cleaned = []
        for period in (JANUARY, FEBRUARY):
            raw = self.raw(period)
            rows = self.lake.read([raw]).execute()
            refused = rows[rows.amount < 0].assign(reasons="amount is below 0")
            self.publish("rejects/orders", period, refused, raw)
            kept = rows[rows.amount >= 0][["customer_id", "amount", "event_at"]]
            cleaned.append(self.publish("clean/orders", period, kept, raw))
        spend = self.lake.read(cleaned).execute().groupby("customer_id").amount.sum()
        frame = pd.DataFrame(
            {"customer_id": spend.index, "as_of": date(2024, 3, 1), "spend_all": spend.to_numpy(float)}
        )
        features = self.publish(
            "features/customers", FEBRUARY, frame, *cleaned, code=self.code, complete=str(self.complete)
        )
        return self.score(features)

    def score(self, features: Manifest) -> Manifest:
        days = [
            date(2023, 12, 1),
            date(2024, 1, 1),
            date(2024, 1, 1),
        ]  # the first looks back too little: the fit leaves it out
        learned = pd.DataFrame({"customer_id": ["a", "a", "b"], "cutoff": days, "churned": [0, 0, 1]})
        training = self.publish("training/churn", FEBRUARY, learned, features)
        card = {"task": "churn", "estimator": "logistic", "model_version": "mv1", "status": "fitted", "rows": 2, "cutoffs": 1,
                "model_uri": "models:/m-1", "run_id": "mlflow-1"}  # fmt: skip
        model = self.publish("models/churn/logistic", FEBRUARY, conform([card], CARD), training)
        decision = {"task": "churn", "champion": "logistic", "model_version": "mv1", "reason": "it is the only one",
                    "model_uri": "models:/m-1"}  # fmt: skip
        champion = self.publish("models/churn/champion", FEBRUARY, conform([decision], CHAMPION), model)
        of = self.lake.read([features]).execute().set_index("customer_id").spend_all
        said = {c: self.risk[c] + of[c] / 1000 for c in of.index}
        rows = [{"customer_id": c, "probability": p, "status": "scored"} for c, p in said.items()]
        columns = score_columns(task("churn").answers)
        answer = self.publish("scores/churn", FEBRUARY, conform(rows, columns), features, champion)
        table = [
            {"customer_id": c, "churn_probability": p, "status": "scored", "run_id": self.code} for c, p in said.items()
        ]
        table.append({"customer_id": "z", "status": "abstained", "status_reason": "No order in the last 12 months."})
        return self.publish("scores/customers", FEBRUARY, conform(table, CUSTOMERS), answer)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def why(world: World, before: Manifest, after: Manifest) -> list[tuple[str, str, str]]:
    return [(c.kind, c.asset, c.partition) for c in causes(world.lake, before, after)]


def test_a_mended_row_is_traced_to_its_raw_partition_file_and_customer(world: World) -> None:
    before = world.build()
    world.amounts["b", JANUARY] = 21
    after = world.build()
    (cause,) = causes(world.lake, before, after)
    assert (cause.kind, cause.asset, cause.partition) == ("rows", "raw/orders", JANUARY)
    assert cause.files == (FileChange("2024-01.csv", 1, 1, ("b",)),)
    assert way(cause) == "raw/orders → clean/orders → features/customers → scores/churn → scores/customers"
    assert told([cause], CALENDAR) == [
        "raw/orders of 2024-01 changed: 2024-01.csv (rows: 1 gone, 1 new; 1 customer: b)"
    ]


def test_the_customers_changed_are_those_whose_rows_changed(world: World) -> None:
    world.build()
    world.amounts["b", JANUARY] = 120
    world.build()
    found = changes(world.lake, CALENDAR, FEBRUARY)
    assert (found.changed, found.same, found.came, found.went) == (1, 2, 0, 0)
    assert found.columns == {"churn_probability": 1}, "run_id differs for all, and is no content"
    (move,) = found.moved["churn_probability"]
    assert (move.customer_id, round(move.change, 9), move.own_rows) == ("b", 0.1, True)
    assert found.moved["expected_spend"] == []
    assert found.own_rows == ["b"]
    assert (found.before.generation, found.after.generation) == (1, 2)


def test_customers_who_come_and_go_are_counted(world: World) -> None:
    world.build()
    world.amounts = {("a", JANUARY): 10, ("a", FEBRUARY): 30, ("c", FEBRUARY): 5}
    world.build()
    found = changes(world.lake, CALENDAR, FEBRUARY)
    assert (found.changed, found.same, found.came, found.went) == (0, 2, 1, 1)


def test_a_row_that_moved_to_another_line_is_no_change_of_what_it_says(world: World) -> None:
    before = world.build()
    world.amounts = dict(sorted(world.amounts.items(), reverse=True)) | {("c", JANUARY): 7}
    (cause,) = causes(world.lake, before, world.build())
    assert cause.files == (FileChange("2024-01.csv", 0, 1, ("c",)),)


def test_changed_code_is_named_and_what_is_upstream_of_it_is_not(world: World) -> None:
    before = world.build()
    world.code = "v2"
    world.risk["a"] = 0.3
    # the features' content is equal: only their pins are renewed, so the answer differs by itself
    after = world.build()
    assert why(world, before, after) == [("itself", "scores/churn", FEBRUARY)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": {"horizon": "2"}}, "the setting horizon went from 3 to 2"),
        ({"settings": {}}, "the setting horizon went from 3 to none"),
        ({"libraries": {"sklearn": "1.9.1"}}, "sklearn went from 1.9.0 to 1.9.1"),
        ({"modules": {"crm_pipeline.periods": "x", "crm_pipeline.hashing": "y"}},
         "the code hashing changed, the code periods changed"),
        ({"function": "other"}, "the code of the step changed"),
        ({"settings": {"tables": "{'a': 1}"}},
         "the setting horizon went from 3 to none, the setting tables went from none to {'a': 1}"),
    ],
)  # fmt: skip
def test_code_a_setting_and_a_library_are_told_apart(
    world: World, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], said: str
) -> None:
    first = Parts("f", {"crm_pipeline.periods": "p"}, {"sklearn": "1.9.0"}, {"horizon": "3"}, {})
    monkeypatch.setattr(versions, "_PARTS", {"v1": first, "v2": first._replace(**change)})
    before = world.build()
    keep_parts(world.lake, "v1")
    world.code = "v2"
    world.amounts["a", FEBRUARY] = 31
    after = world.build()
    assert "libraries of features/customers changed" in told(causes(world.lake, before, after), CALENDAR)[1]
    keep_parts(world.lake, "v2")
    monkeypatch.setattr(versions, "_PARTS", {})
    found = told(causes(world.lake, before, after), CALENDAR)
    assert found[1] == f"{said}, by which features/customers is made (2024-02)"


def test_code_and_rows_are_both_named(world: World) -> None:
    before = world.build()
    world.code = "v2"
    world.amounts["a", FEBRUARY] = 31
    after = world.build()
    assert why(world, before, after) == [("code", "features/customers", FEBRUARY), ("rows", "raw/orders", FEBRUARY)]
    assert told(causes(world.lake, before, after), CALENDAR) == [
        "raw/orders of 2024-02 changed: 2024-02.csv (rows: 1 gone, 1 new; 1 customer: a)",
        "the code, the settings or the libraries of features/customers changed (2024-02)",
    ]


def test_what_changed_in_the_same_way_is_one_sentence() -> None:
    alike = [Cause(f"models/churn/{n}", p, "code", ()) for n in "abcdefgh" for p in (JANUARY, FEBRUARY)]
    assert told(alike, CALENDAR) == [
        (
            "the code, the settings or the libraries of models/churn/a, models/churn/b, models/churn/c, models/churn/d, "
            "models/churn/e, models/churn/f and 2 more changed (2 periods, 2024-01 to 2024-02)"
        )
    ]


def test_files_read_by_another_mapping_are_no_changed_files(world: World) -> None:
    before = world.build()
    source = world.lake.manifest("raw/orders", FEBRUARY)
    assert source
    frame = world.lake.read([source]).execute().assign(amount=7)
    raw = world.publish("raw/orders", FEBRUARY, frame, code="m2", source=source.inputs["source"])
    clean = world.publish("clean/orders", FEBRUARY, frame[["customer_id", "amount", "event_at"]], raw)
    features = world.publish("features/customers", FEBRUARY, frame.assign(spend_all=1.0), clean, complete="False")
    after = world.score(features)
    kinds = why(world, before, after)
    assert ("code", "raw/orders", FEBRUARY) in kinds
    assert not [k for k in kinds if k[0] == "rows"]
    assert any(
        "read another way than before" in sentence for sentence in told(causes(world.lake, before, after), CALENDAR)
    )


def test_rows_that_follow_other_files_are_not_laid_on_their_own(world: World) -> None:
    before = world.build()
    kept = world.lake.manifest("raw/orders", FEBRUARY)
    assert kept
    frame = world.lake.read([kept]).execute()
    frame["event_at"] = frame.event_at + pd.Timedelta(days=1)
    raw = world.publish("raw/orders", FEBRUARY, frame, code="m1", source=kept.inputs["source"])
    clean = world.publish("clean/orders", FEBRUARY, frame[["customer_id", "amount", "event_at"]], raw)
    features = world.publish("features/customers", FEBRUARY, frame.assign(spend_all=1.0), clean, complete="False")
    found = causes(world.lake, before, world.score(features))
    assert [(c.kind, c.asset) for c in found if c.files] == [("follows", "raw/orders")]
    assert any("changed, though its files did not" in sentence for sentence in told(found, CALENDAR))


def test_a_period_that_became_complete_is_a_cause(world: World) -> None:
    before = world.build()
    world.complete, world.amounts["a", FEBRUARY] = True, 31
    assert ("complete", "features/customers", FEBRUARY) in why(world, before, world.build())


def test_what_is_no_longer_kept_is_said(world: World) -> None:
    before = world.build()
    world.amounts["b", JANUARY] = 21
    after = world.build()
    (world.lake.root / ".history" / "clean/orders" / JANUARY / "000001.json").unlink()
    assert why(world, before, after) == [("lost", "clean/orders", JANUARY)]


def test_content_that_came_back_is_compared_with_the_generation_before_it(world: World) -> None:
    for amount in (20, 21, 20):
        world.amounts["b", JANUARY] = amount
        world.build()
    past = Past(world.lake)
    one, _, three = world.lake.history("clean/orders", JANUARY)
    assert one.content_hash == three.content_hash
    assert past.find("clean/orders", JANUARY, one.content_hash, before=2) == one
    assert past.find("clean/orders", JANUARY, three.content_hash) == three
    found = changes(world.lake, CALENDAR, FEBRUARY)
    assert (found.before.generation, found.after.generation) == (2, 3)
    assert [c.asset for c in found.causes] == ["raw/orders"]
    nothing = changes(world.lake, CALENDAR, FEBRUARY, "1")
    assert (nothing.changed, nothing.causes, nothing.same) == (0, [], 3)


def test_the_nearest_causes_alone_can_be_asked_for(world: World) -> None:
    before = world.build()
    world.amounts["b", JANUARY] = 21
    after = world.build()
    assert [c.asset for c in causes(world.lake, before, after)] == ["raw/orders"]
    assert causes(world.lake, before, after, within=1) == []


def test_against_a_run_or_the_first(world: World) -> None:
    world.build()
    for code, amount in (("v2", 21), ("v3", 22)):
        world.code, world.amounts["b", JANUARY] = code, amount
        world.build()
    before = {name: changes(world.lake, CALENDAR, FEBRUARY, name).before.generation for name in ("first", "2")}
    assert before == {"first": 1, "2": 2}
    assert changes(world.lake, CALENDAR, FEBRUARY, "run-of-v2").before.generation == 2
    with pytest.raises(
        UsageError, match=r"What run 'run-of-v9' published .* kept are generations 1 \(.*, 2 \(.* and 3 \("
    ):
        changes(world.lake, CALENDAR, FEBRUARY, "run-of-v9")


def test_scores_published_once_have_nothing_to_be_compared_with(world: World) -> None:
    world.build()
    with pytest.raises(CrmError, match=r"The scores of 2024-02 have one kept generation \(1, published"):
        changes(world.lake, CALENDAR, FEBRUARY)


def test_a_score_is_traced_to_features_model_training_and_lines(world: World) -> None:
    world.amounts["b", FEBRUARY] = -40
    world.build()
    found = trace(world.lake, CALENDAR, "b", "churn", FEBRUARY)
    assert found.score["probability"] == pytest.approx(0.42)
    assert found.features == {"spend_all": 20.0}
    assert (found.model.estimator, found.model.version, found.model.cutoffs) == ("logistic", "mv1", ("2024-01",))
    assert (found.model.mlflow_run, found.model.uri, found.model.trained) == ("mlflow-1", "models:/m-1", "2024-02")
    assert [(r.id, r.event_at, r.source_file, r.source_line, r.refused) for r in found.rows] == [
        ("b01", "2024-01-04 13:00", "2024-01.csv", 3, ""),
        ("b02", "2024-02-04 13:00", "2024-02.csv", 3, "amount is below 0"),
    ]
    pinned = {(p.asset, p.partition): p for p in found.pinned}
    raw = world.lake.manifest("raw/orders", JANUARY)
    assert raw
    assert pinned["raw/orders", JANUARY].content_hash == raw.content_hash
    assert pinned["raw/orders", JANUARY].features
    assert not pinned["training/churn", FEBRUARY].features
    assert found.lost == []


def test_a_trace_follows_what_was_pinned_and_not_what_is_current(world: World) -> None:
    world.build()
    world.amounts["a", JANUARY] = 999
    world.raw(JANUARY)
    found = trace(world.lake, CALENDAR, "a", "churn", FEBRUARY)
    first = world.lake.history("raw/orders", JANUARY)[0]
    assert next(p for p in found.pinned if p[:2] == ("raw/orders", JANUARY)).content_hash == first.content_hash


@pytest.mark.parametrize("wanted", ["1", "first", "run-of-v1"])
def test_a_generation_is_traced_as_it_was_published(world: World, wanted: str) -> None:
    world.build()
    world.code, world.amounts["b", JANUARY] = "v2", 21
    world.build()
    now, then = (trace(world.lake, CALENDAR, "b", "churn", FEBRUARY, named) for named in (None, wanted))
    assert (now.features["spend_all"], then.features["spend_all"]) == (61.0, 60.0)
    assert (now.score["probability"], then.score["probability"]) == pytest.approx((0.461, 0.46))
    assert (now.generation, then.generation, now.edition) == (2, 1, "")
    assert then.edition.startswith("generation 1 of the scored table of 2024-02, published ")
    first = world.lake.history("raw/orders", JANUARY)[0]
    assert next(p for p in then.pinned if p[:2] == ("raw/orders", JANUARY)).content_hash == first.content_hash
    with pytest.raises(UsageError, match=r"^Generation 7 of scores/customers of 2024-02 is not kept; kept are"):
        trace(world.lake, CALENDAR, "b", "churn", FEBRUARY, "7")


def test_who_has_no_score_is_told_why(world: World) -> None:
    world.build()
    with pytest.raises(
        CrmError, match=r"Customer 'z' has no churn score of 2024-02: No order in the last 12 months\.$"
    ):
        trace(world.lake, CALENDAR, "z", "churn", FEBRUARY)
    with pytest.raises(UsageError, match=r"No customer 'q' in the scores of 2024-02; ids look like a, b, z\."):
        trace(world.lake, CALENDAR, "q", "churn", FEBRUARY)
    with pytest.raises(UsageError, match=r"There is no task 'lapse'; there are churn, demand\."):
        known_task("lapse")


def test_file_and_line_stand_whole_in_a_narrow_terminal(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.build()
    found = trace(world.lake, CALENDAR, "b", "churn", FEBRUARY)
    file = "exports/[old] orders of the web shop/2024-01.csv"
    found.rows[0] = found.rows[0]._replace(source_file=file, source_line=12345)
    screen = Console(width=80, file=io.StringIO(), highlight=False)
    monkeypatch.setattr(console_provenance, "out", screen)
    source = SourceState("made", "Europe/Berlin", "EUR", {}, JANUARY, FEBRUARY, FEBRUARY, synthetic=True)
    console_provenance.show_trace(found, Opened(world.lake, source, CALENDAR))
    shown = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "· synthetic data" in shown
    last = shown.split("file and line")[1].splitlines()
    cells = "".join(line[32:].strip() for line in last[1:])
    assert f"{file}:12345".replace(" ", "") in cells.replace(" ", "")
    assert "2024-02.csv:3" in cells
