"""Rule 5: what is fresh is not built again."""

import json
import os
from pathlib import Path

from crm_pipeline_tests.integration import world
from crm_pipeline_tests.integration.conftest import Built


def manifests(home: Path) -> dict[str, int]:
    """Return when each manifest was last written, by its path."""
    base = home / "lake" / ".manifests"
    return {str(p.relative_to(base)): p.stat().st_mtime_ns for p in base.rglob("*.json")}


def test_the_second_run_builds_nothing(whole: Built) -> None:
    before = manifests(whole.home)
    done = world.crm("run", "--source", whole.source, "--home", whole.home, "--through", whole.through)
    assert "Nothing to do" in done.stdout
    assert manifests(whole.home) == before
    assert world.hashes(whole.home) == whole.hashes
    shown = world.crm("plan", "--source", whole.source, "--home", whole.home, "--through", whole.through, "--json")
    assert json.loads(shown.stdout) == []


def test_touching_and_sorting_files_rebuilds_nothing_downstream(tiny_home: Built) -> None:
    for path in tiny_home.source.rglob("*.csv"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    assert world.plan(tiny_home.source, tiny_home.home, "--through", tiny_home.through) == []
    before = manifests(tiny_home.home)
    path = tiny_home.source / "orders" / "2024-03.csv"
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *reversed(rows)]) + "\n")
    world.crm("run", "--source", tiny_home.source, "--home", tiny_home.home, "--through", tiny_home.through)
    after = manifests(tiny_home.home)
    written = {name for name in after if before.get(name) != after[name]}
    assert "raw/orders/2024-03-01.json" in written
    assert {name.split("/")[0] for name in written} <= {"raw", "clean", "rejects", "quality"}
    changed = world.differing(tiny_home.hashes, world.hashes(tiny_home.home))
    assert changed == [("raw/orders", "2024-03-01")]
    assert world.plan(tiny_home.source, tiny_home.home, "--through", tiny_home.through) == []
