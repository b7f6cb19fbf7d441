"""Rule 1: a partition depends on nothing later. Two homes, one from files that end there."""

from crm_pipeline_tests.integration import world
from crm_pipeline_tests.integration.conftest import Built


def test_the_future_changes_no_feature_and_no_score(whole: Built, cut: Built) -> None:
    later = {key for key in whole.hashes if key[1][:1].isdigit() and key[1] > "2026-05-01"}
    assert all(asset.startswith("raw/") for asset, _ in later), "nothing is built beyond --through"
    learned = ("features/", "scores/", "models/", "activity/", "lifetime/", "outcomes/", "training/", "levels/")
    compared = [key for key in cut.hashes if key[0].startswith(learned)]
    assert sum(key[0].startswith("features/") for key in compared) >= 8
    assert sum(key[0].startswith("scores/") for key in compared) >= 3
    kept = {key: value for key, value in whole.hashes.items() if key[0].startswith(learned)}
    assert world.differing(kept, {key: cut.hashes[key] for key in compared}) == []


def test_clean_facts_of_the_past_are_the_same(whole: Built, cut: Built) -> None:
    past = {k: v for k, v in whole.hashes.items() if k[0].startswith("clean/") and k[1] <= "2026-05-01"}
    assert len(past) > 30
    assert world.differing(past, {k: cut.hashes[k] for k in past}) == []


def test_the_sample_has_something_to_leak(whole: Built, cut: Built) -> None:
    lake = world.lake_of(whole.home)
    future = lake.table("raw/orders", ["2026-06-01"])
    assert int(future.count().execute()) > 50
    assert set(future.event.execute()) >= {"placed", "returned"}
    assert not any(period > "2026-05-01" for period in world.lake_of(cut.home).partitions("raw/orders"))
