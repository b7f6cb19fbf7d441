"""The check that warns of a champion: by the setting, at the newest cut-off it was judged at."""

from __future__ import annotations

from pathlib import Path

from crm_pipeline.contracts.outputs import CHAMPION, conform
from crm_pipeline.home.project import Project
from crm_pipeline.home.watch import watch_of
from crm_pipeline.modeling.fairness import compare
from crm_pipeline.settings import Settings
from crm_pipeline.sources.state import SourceState
from crm_pipeline_tests.unit.test_modeling_fairness import AS_OF, world

NOW, CHAMPION_OF = "2026-04-01", "models/churn/champion"


def project(home: Path, columns: tuple[str, ...] = ("customer_id", "gender"), most: float | None = 0.1) -> Project:
    state = SourceState("t", "UTC", "EUR", {"customers": columns}, "2026-01-01", NOW, NOW, closed=True)
    return Project(home, Settings(horizon=3, fairness_max_gap=most), state)


def publish(of: Project, asset: str, rows: object) -> None:
    of.lake.publish(asset, NOW, [of.lake.stage(rows)], inputs={}, code_version="1", run_id="", stats={})


def test_a_champion_that_surely_chooses_unequally_is_warned_of(tmp_path: Path) -> None:
    of = project(tmp_path)
    watch = watch_of(of, CHAMPION_OF)
    assert watch is not None
    publish(of, CHAMPION_OF, conform([{"task": "churn", "champion": "model"}], CHAMPION))
    assert watch.look(NOW).usual, "no groups were compared yet"
    said, known = world(unfair=0.8)
    publish(of, "evaluation/churn_fairness", compare("churn", said, known, as_of=AS_OF))
    seen = watch.look(NOW)
    assert not seen.usual
    assert seen.said.startswith("churn, champion 'model': It chooses unequally by gender")
    assert seen.facts == {"attributes_compared": 3, "attributes_beyond": 1}
    publish(of, CHAMPION_OF, conform([{"task": "churn", "champion": "fair"}], CHAMPION))
    assert watch.look(NOW).usual


def test_there_is_no_such_check_without_the_setting_or_groups(tmp_path: Path) -> None:
    assert watch_of(project(tmp_path, most=None), CHAMPION_OF) is None
    assert watch_of(project(tmp_path, columns=("customer_id", "name")), CHAMPION_OF) is None
