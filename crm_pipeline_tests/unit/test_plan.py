from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_pipeline.lake import ALL, Dep, Graph, Node
from crm_pipeline.periods import Calendar

FIRST = "2011-01-01"
PERIODS = Calendar().range(FIRST, "2011-12-01")
NODES = [
    Node("scores", "1", (Dep("features"), Dep("model"), Dep("scores", (-1,), optional=True))),
    Node("model", "1", (Dep("features", (-3, -4)), Dep("outcomes", (0, -1)))),
    Node("outcomes", "1", (Dep("features", (-3,)), Dep("clean", (-2, -1, 0))), needs_complete=True),
    Node("features", "1", (Dep("clean", tuple(range(-2, 1))), Dep("products", None))),
    Node("clean", "1", (Dep("raw"),)),
    Node("products", "1", partitioned=False),
    Node("raw", "", source=True),
]


@dataclass
class Published:
    content_hash: str
    inputs: dict
    code_version: str


def graph(nodes=NODES, complete="2011-12-01"):
    return Graph(nodes, Calendar(), FIRST, complete)


def build(
    plan_graph, keys, index, content=lambda asset, partition, inputs: f"{asset}@{partition}:{sorted(inputs.values())}"
):
    """Publish what is asked in order, as a run would; returns what was really rebuilt."""
    rebuilt = []
    for asset, partition in plan_graph.ordered(keys):
        node = plan_graph.nodes[asset]
        if node.source:
            continue
        pins = plan_graph.pins(asset, partition, index)
        old = index.get((asset, partition))
        if old and old.inputs == pins and old.code_version == node.code_version:
            continue
        index[asset, partition] = Published(content(asset, partition, pins), pins, node.code_version)
        rebuilt.append((asset, partition))
    return rebuilt


def fresh(target="2011-12-01", content=None, **changes):
    plan_graph = graph()
    index = {("raw", p): Published(changes.get(p, f"raw {p}"), {}, "") for p in PERIODS}
    build(plan_graph, plan_graph.needed([("scores", target)]), index, *([content] if content else []))
    return plan_graph, index


def test_topological_order_puts_what_is_read_first():
    names = list(graph().nodes)
    assert (
        names.index("raw")
        < names.index("clean")
        < names.index("features")
        < names.index("outcomes")
        < names.index("model")
    )


def test_rule_1_a_later_period_cannot_be_read():
    with pytest.raises(ValueError, match="time has one direction"):
        graph([Node("a", "1", (Dep("b", (1,)),)), Node("b", "1")])


def test_a_cycle_within_a_period_is_refused():
    with pytest.raises(ValueError, match="cycle"):
        graph([Node("a", "1", (Dep("b"),)), Node("b", "1", (Dep("a"),))])


def test_an_empty_home_needs_exactly_what_the_target_reads():
    plan_graph = graph()
    index = {("raw", p): Published(p, {}, "") for p in PERIODS}
    plan = plan_graph.plan([("scores", "2011-06-01")], index)
    keys = {(i.asset, i.partition) for i in plan}
    assert ("features", "2011-06-01") in keys
    assert ("features", "2011-03-01") in keys
    assert ("features", "2011-05-01") not in keys
    assert ("products", ALL) in keys
    assert ("scores", "2011-05-01") not in keys
    assert max(p for _, p in keys if p != ALL) == "2011-06-01"


def test_rule_5_a_built_home_has_an_empty_plan():
    plan_graph, index = fresh()
    assert plan_graph.plan([("scores", "2011-12-01")], index) == []


def test_a_fix_names_what_it_can_reach_and_nothing_earlier():
    plan_graph, index = fresh()
    index["raw", "2011-09-01"] = Published("fixed", {}, "")
    plan = plan_graph.plan([("scores", "2011-12-01")], index)
    assert plan[0] == ("clean", "2011-09-01", "raw@2011-09-01 changed")
    assert min(i.partition for i in plan) == "2011-09-01"
    assert ("scores", "2011-12-01") in {(i.asset, i.partition) for i in plan}


def test_published_partitions_outside_the_target_are_not_left_stale():
    plan_graph, index = fresh()
    index["raw", "2011-12-01"] = Published("fixed", {}, "")
    plan = plan_graph.plan([("scores", "2011-06-01")], index)
    assert ("scores", "2011-12-01") in {(i.asset, i.partition) for i in plan}


def test_a_new_code_version_rebuilds_what_depends_on_it_and_nothing_else():
    _, index = fresh()
    changed = [
        Node(n.asset, "2" if n.asset == "model" else n.code_version, n.deps, n.partitioned, n.source, n.needs_complete)
        for n in NODES
    ]
    plan = graph(changed).plan([("scores", "2011-12-01")], index)
    assert {i.asset for i in plan} == {"model", "scores"}


def test_a_period_that_becomes_complete_makes_its_outcomes_stale():
    partial = graph(complete="2011-11-01")
    index = {("raw", p): Published(p, {}, "") for p in PERIODS}
    build(partial, partial.needed([("scores", "2011-12-01")]), index)
    plan = graph().plan([("scores", "2011-12-01")], index)
    assert plan[0] == ("outcomes", "2011-12-01", "complete changed")


def test_a_setting_that_reads_more_makes_stale():
    _, index = fresh()
    wider = [
        Node("features", "1", (Dep("clean", (-3, -2, -1, 0)), Dep("products", None))) if n.asset == "features" else n
        for n in NODES
    ]
    plan = graph(wider).plan([("scores", "2011-12-01")], index)
    assert "clean@2011-09-01 changed" in {i.reason for i in plan if i.asset == "features"}


@given(st.sets(st.sampled_from(PERIODS), max_size=4), st.integers(1, 3))
def test_rebuild_equals_backfill_and_the_plan_covers_the_backfill(fixed, modulus):
    """Whatever is fixed: carrying the plan out gives what a fresh build gives, and only planned partitions are rebuilt."""

    def coarse(asset, partition, inputs):
        # features keep their content for some fixes, so that waves stop
        seen = "".join(sorted(inputs.values()))
        return f"{asset}@{partition}:{len(seen) % modulus}" if asset == "features" else f"{asset}@{partition}:{seen}"

    plan_graph, index = fresh(content=coarse)
    for p in fixed:
        index["raw", p] = Published(f"a longer fixed raw {p}", {}, "")
    plan = plan_graph.plan([("scores", "2011-12-01")], index)
    planned = [(i.asset, i.partition) for i in plan]
    rebuilt = build(plan_graph, planned, index, coarse)
    assert set(rebuilt) <= set(planned)
    _, new = fresh(content=coarse, **{p: f"a longer fixed raw {p}" for p in fixed})
    assert {k: v.content_hash for k, v in index.items()} == {k: v.content_hash for k, v in new.items()}
    assert plan_graph.plan([("scores", "2011-12-01")], index) == []


JUDGED = [*NODES, Node("record", "1", (Dep("scores", (-3,), optional=True, published=True), Dep("outcomes")))]


@given(st.sets(st.sampled_from(PERIODS), min_size=1), st.sampled_from(PERIODS), st.sampled_from(PERIODS))
def test_every_published_score_is_judged_once_its_horizon_is_over_whatever_was_published_between(
    scored, through, complete
):
    plan_graph = graph(JUDGED, complete)
    due = {Calendar().shift(p, 3) for p in scored}
    judged = plan_graph.judging({("scores", p) for p in scored} | {("features", p) for p in PERIODS}, through)
    assert judged == {("record", p) for p in due if p <= min(through, complete)}


@given(st.sets(st.sampled_from(PERIODS), min_size=1, max_size=3), st.integers(1, 5))
def test_a_setting_that_reads_further_back_plans_what_every_published_partition_needs(scored, more):
    plan_graph = graph()
    index = {("raw", p): Published(f"raw {p}", {}, "") for p in PERIODS}
    build(plan_graph, plan_graph.needed([("scores", p) for p in scored]), index)
    wider = tuple(-3 * i for i in range(1 + more))
    changed = graph([Node("model", "1", (Dep("outcomes", wider),)) if n.asset == "model" else n for n in NODES])
    planned = {(i.asset, i.partition) for i in changed.plan([("scores", max(scored))], index)}
    there = planned | set(index)
    unbuilt = {(dep.asset, p) for key in planned for dep, p in changed.inputs(*key) if not dep.optional} - there
    assert unbuilt == set()
    build(changed, planned, index)
    assert changed.plan([("scores", max(scored))], index) == []


def test_partitions_outside_the_span_or_of_another_grain_are_none_of_the_plan():
    graph = Graph([Node("clean/orders", "v")], Calendar("month"), "2020-02-01", "2020-03-01", "2020-03-01")
    periods = ("2020-01-01", "2020-02-01", "2020-02-03", "2020-03-01", "2020-04-01", "undated")
    assert [p for p in periods if graph.own(("clean/orders", p))] == ["2020-02-01", "2020-03-01"]


@pytest.mark.parametrize(
    ("dep", "partition", "expected"),
    [
        (Dep("model", block=3), "2024-06-01", ["2024-06-01"]),
        (Dep("model", block=3), "2024-08-01", ["2024-06-01"]),
        (Dep("model", block=3, lag=-3), "2024-08-01", ["2024-03-01"]),
        (Dep("model", (0, -2), block=3), "2024-08-01", ["2024-04-01", "2024-06-01"]),
        (Dep("model", block=3), "2024-02-01", []),
        (Dep("model", (0, -1), lag=-1), "2024-08-01", ["2024-06-01", "2024-07-01"]),
    ],
)
def test_offsets_count_from_the_last_of_a_block(dep: Dep, partition: str, expected: list[str]) -> None:
    built = Graph([Node("reader", "1", (dep,)), Node("model", "1")], Calendar("month"), "2024-01-01", "2024-12-01")
    found = [key for _, key in built.inputs("reader", partition)]
    assert found == expected
    reach = [Calendar("month").distance(partition, key) for key in found]
    assert all(dep.span[0] <= offset <= dep.span[1] for offset in reach)


def test_rule_1_a_block_that_lags_forward_is_refused() -> None:
    with pytest.raises(ValueError, match="time has one direction"):
        graph([Node("a", "1", (Dep("b", lag=1),)), Node("b", "1")])
