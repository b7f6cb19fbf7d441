"""A used home after a fix, a withdrawal, or a setting there and back holds what a fresh home of the same files would."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from crm_pipeline_tests.integration import world

OPEN = {"complete_through": "", "closed": False}
"""Of a source whose orders alone say how far it goes."""

MONTHS = ("2024-01", "2024-02", "2024-03", "2024-04")
WEEKS = {"grain": "week", "windows": [1, 4], "eligibility": 8}


@pytest.fixture(scope="module")
def right(folder: Path) -> Iterator[Path]:
    """A folder with files without a fault, and the fresh home of them."""
    made = folder / "right"
    edit(world.write_tiny(made / "source", customers=40, name="shop", months=MONTHS), **OPEN)
    run(made / "source", world.new_home(made / "home", world.TINY))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def shop(right: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the files."""
    yield shutil.copytree(right / "source", tmp_path / "source")
    for name in ("home", "fresh"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)


@pytest.fixture
def used(right: Path, tmp_path: Path, shop: Path) -> Path:
    """A copy of the home, in use with the copy of the files."""
    return shutil.copytree(right / "home", tmp_path / "home")


def edit(source: Path, **changes: Any) -> None:
    """Change entries of source.yaml; an empty one is taken out."""
    path = source / "source.yaml"
    spec = {**(yaml.safe_load(path.read_text()) if path.exists() else {}), **changes}
    path.write_text(yaml.safe_dump({k: v for k, v in spec.items() if v != ""}, sort_keys=False))


def run(source: Path, home: Path, *more: Any) -> str:
    """Run; return what was said, which is no traceback."""
    done = world.crm("run", "--source", source, "--home", home, *more)
    assert "Traceback" not in done.stdout + done.stderr
    return " ".join(done.stdout.split())


def fresh_home(source: Path, home: Path, **settings: Any) -> Path:
    run(source, world.new_home(home, {**world.TINY, **settings}))
    return home


def same(home: Path, fresh: Path) -> None:
    """Assert that every partition holds what a fresh home holds, none is there that it lacks, and outsiders see that."""
    assert world.differing(world.hashes(home), world.hashes(fresh), world.PUBLISHED) == []
    assert shown(home) == shown(fresh)


def shown(home: Path) -> list[Any]:
    found = []
    with duckdb.connect(str(home / "crm.duckdb"), read_only=True) as con:
        for what in ("* EXCLUDE (run_id, scored_at) FROM scores.customers", "* FROM clean.orders"):
            found.append(con.execute(f"SELECT {what} ORDER BY ALL").fetchall())
    return found


def typed(source: Path, month: str, wrong: str) -> Callable[[], object]:
    """Give the first order of a month another date; return what mends it."""
    path = source / "orders" / f"{month}.csv"
    right = path.read_text()
    head, first, *rest = right.splitlines()
    path.write_text("\n".join([head, first.replace(f",{month}", f",{wrong}"), *rest]) + "\n")
    return lambda: path.write_text(right)


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["2025-03", "2023-06"])
def test_a_year_typed_wrong_and_mended(right: Path, shop: Path, tmp_path: Path, wrong: str) -> None:
    home = world.new_home(tmp_path / "home", world.TINY)
    mend = typed(shop, "2024-03", wrong)
    assert f"1 row of orders, dated {wrong}" in run(shop, home)
    mend()
    assert "1 row of orders" not in run(shop, home)
    same(home, right / "home")


@pytest.mark.slow
def test_the_last_file_withdrawn(shop: Path, used: Path, tmp_path: Path) -> None:
    rows = world.rows_of_csv(shop / "orders" / "2024-04.csv")
    (shop / "orders" / "2024-04.csv").unlink()
    assert f"orders/2024-04.csv is gone: its {rows} rows of orders (2024-04) left the home" in run(shop, used)
    same(used, fresh_home(shop, tmp_path / "fresh"))


@pytest.mark.slow
def test_the_grain_switched_and_back(right: Path, shop: Path, used: Path, tmp_path: Path) -> None:
    months = (used / "crm.yaml").read_text()
    (used / "crm.yaml").write_text(yaml.safe_dump({**world.TINY, **WEEKS}))
    run(shop, used)
    same(used, fresh_home(shop, tmp_path / "fresh", **WEEKS))
    (used / "crm.yaml").write_text(months)
    run(shop, used)
    same(used, right / "home")


@pytest.mark.slow
def test_the_time_zone_switched_and_back(right: Path, shop: Path, used: Path, tmp_path: Path) -> None:
    edit(shop, timezone="Pacific/Auckland")
    run(shop, used)
    same(used, fresh_home(shop, tmp_path / "fresh"))
    edit(shop, timezone="Europe/Berlin")
    run(shop, used)
    same(used, right / "home")


@pytest.mark.slow
def test_the_month_of_an_open_source_that_is_not_over_then_the_one_that_is(tmp_path: Path) -> None:
    source, home = tmp_path / "source", world.new_home(tmp_path / "home", world.TINY)
    current = date.today().replace(day=1)
    days = [date.today() - timedelta(days=ago) for ago in range(100, -1, -1)]
    rows = [f"{d}-{n},{(i * 7 + n) % 30},{d}T0{n}:00:00,{10 + n}" for i, d in enumerate(days) for n in range(3)]
    source.mkdir()
    (source / "orders.csv").write_text("\n".join(["order_id,customer_id,ordered_at,amount", *rows]) + "\n")
    edit(source, name="open", timezone="UTC", currency="EUR", tables={"orders": {"files": "orders.csv"}})
    run(source, home, "--through", f"{current:%Y-%m}")
    assert world.lake_of(home).partitions("scores/customers") == [str(current)]
    run(source, home)
    differing = world.differing(world.hashes(home), world.hashes(fresh_home(source, tmp_path / "fresh")))
    left = [key for key in differing if not key[0].startswith(world.PUBLISHED)]
    assert {period for _, period in left} <= {str(current)}, "what is over is as in a fresh home"


@pytest.mark.slow
def test_a_silence_at_the_end_is_said_and_scores_nobody(right: Path, shop: Path, used: Path) -> None:
    """Whether `complete_through` says that the data are complete to the end of the silence, or nothing does."""
    edit(shop, complete_through="2025-01-01 00:00:00")
    assert "says complete_through 2025-01-01 00:00:00, but orders end on 2024-04-" in run(shop, used)
    same(used, right / "home")
    edit(shop, complete_through="")
    assert "complete_through" not in run(shop, used)
    same(used, right / "home")


@pytest.mark.slow
def test_a_pause_in_the_middle_is_no_silence_at_the_end(shop: Path, tmp_path: Path) -> None:
    """Closed for eight months, then open again: scored to the end, and nothing is odd."""
    home = world.new_home(tmp_path / "home", world.TINY)
    for month, later in (("2024-03", "2024-11"), ("2024-04", "2024-12")):
        path = shop / "orders" / f"{month}.csv"
        path.write_text(path.read_text().replace(",2024-03-31", ",2024-03-30").replace(f",{month}-", f",{later}-"))
    edit(shop, complete_through="2025-01-01 00:00:00")
    assert "note" not in run(shop, home)
    assert world.lake_of(home).partitions("scores/customers")[-1] == "2024-12-01"
