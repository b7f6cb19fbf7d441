"""Rules 5 and 6: a data fix rebuilds what it reaches, equals a fresh build, and what was published stays readable."""

from crm_pipeline_tests.integration import world
from crm_pipeline_tests.integration.conftest import Fixed


def test_the_plan_names_what_the_fix_can_reach_and_nothing_before(fixed: Fixed) -> None:
    assert fixed.planned
    assert min(item["partition"] for item in fixed.planned if item["partition"][:1].isdigit()) == f"{fixed.month}-01"
    assert all(set(item) == {"asset", "partition", "reason"} and item["reason"] for item in fixed.planned)
    named = {(item["asset"], item["partition"]) for item in fixed.planned}
    changed = {key for key in world.differing(fixed.before.hashes, fixed.hashes) if not key[0].startswith("raw/")}
    assert changed, "the planted error reaches something"
    assert changed <= named


def test_every_partition_equals_that_of_a_fresh_build(fixed: Fixed) -> None:
    assert len(fixed.fresh) > 200
    assert world.differing(fixed.hashes, fixed.fresh, without=world.PUBLISHED) == []
    assert fixed.planned_after == []


def test_only_what_the_fix_reaches_has_a_new_generation(fixed: Fixed) -> None:
    changed = world.differing(fixed.before.hashes, fixed.hashes)
    assert {period for _, period in changed} <= {f"2026-{month:02d}-01" for month in range(2, 6)}
    tables = {asset for asset, _ in changed if asset.startswith(("raw/", "clean/"))}
    assert tables == {"raw/orders", "clean/orders"}


def test_the_scores_as_first_published_can_still_be_read(fixed: Fixed) -> None:
    lake = world.lake_of(fixed.before.home)
    period = f"{fixed.before.through}-01"
    generations = lake.history("scores/customers", period)
    assert generations[0].content_hash == fixed.before.hashes["scores/customers", period]
    assert generations[-1].content_hash == fixed.hashes["scores/customers", period]
    assert len(generations) == 2
    first, last = (lake.read([g]).order_by("customer_id").execute() for g in generations)
    assert list(first.customer_id) == list(last.customer_id)
    assert not first.spend_12m.equals(last.spend_12m)
