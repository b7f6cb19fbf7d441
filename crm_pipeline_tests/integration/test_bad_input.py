"""Bad input through the real command: one clear sentence and an exit code, or rows refused and the run goes on."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from crm_pipeline.contracts.core import MARKERS
from crm_pipeline_tests.integration import world
from crm_pipeline_tests.integration.conftest import Built


def refused(*arguments: object, code: int, says: tuple[str, ...]) -> None:
    """Run the command; it must end with ``code`` and one sentence on stderr that names ``says``."""
    check_refusal(world.crm(*arguments, expect=code), says)


def check_refusal(done: subprocess.CompletedProcess[str], says: tuple[str, ...]) -> None:
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr[-2000:]
    assert lines[0].startswith("crm-pipeline: ")
    assert "Traceback" not in done.stdout
    assert all(word in lines[0] for word in says), lines[0]


Break = Callable[[Path], None]


def _mapped(column: str, value: str) -> Break:
    def spoil(source: Path) -> None:
        spec = yaml.safe_load((source / "source.yaml").read_text())
        spec["tables"]["orders"]["columns"] = {column: value}
        (source / "source.yaml").write_text(yaml.safe_dump(spec))

    return spoil


def _bytes(name: str, content: bytes) -> Break:
    return lambda source: (source / name).write_bytes(content) and None


def _dates_in_words(source: Path) -> None:
    for path in (source / "orders").iterdir():
        head, *rows = path.read_text().splitlines()
        path.write_text("\n".join([head, *(r.replace("2024-", "spring of ") for r in rows)]) + "\n")


def _no_orders(source: Path) -> None:
    shutil.rmtree(source / "orders")


def _only_header(source: Path) -> None:
    for path in (source / "orders").iterdir():
        path.write_text("order_id,customer_id,ordered_at,amount\n")


CASES: list[tuple[str, Break, int, tuple[str, ...]]] = [
    ("no source.yaml", lambda s: (s / "source.yaml").unlink(), 2, ("source.yaml",)),
    ("a damaged source.yaml", _bytes("source.yaml", b"tables: [orders"), 2, ("source.yaml", "line 1")),
    ("a wrong column", _mapped("amount", "totall"), 2, ("totall", "orders", "source.yaml")),
    ("files that are not there", _no_orders, 2, ("orders/*.csv",)),
    ("not a CSV but a picture", _bytes("orders/2024-02.csv", b"\x89PNG\r\n\x1a\n" + bytes(200)), 2, ("orders/2024-02.csv",)),
    ("every date unreadable", _dates_in_words, 1, ("ordered_at", "orders")),
    ("an empty table of orders", _only_header, 1, ("orders", "empty")),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "code", "says"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_source_that_cannot_be_read(
    folder: Path, tmp_path: Path, tiny: Built, spoil: Break, code: int, says: tuple[str, ...]
) -> None:
    source = shutil.copytree(folder / "tiny_source_kept", tmp_path / "source")
    spoil(source)
    home = world.new_home(tmp_path / "home", world.TINY)
    refused("run", "--source", source, "--home", home, code=code, says=says)
    assert world.hashes(home) == {}, "nothing is published of a source that cannot be read"


def test_check_refuses_a_source_in_the_same_words(folder: Path, tmp_path: Path, tiny: Built) -> None:
    source = shutil.copytree(folder / "tiny_source_kept", tmp_path / "source")
    _mapped("amount", "totall")(source)
    refused("check", "--source", source, "--home", tmp_path / "none", code=2, says=("totall", "source.yaml"))
    assert not (tmp_path / "none").exists(), "check writes nothing"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("horizon: [1", ("crm.yaml", "line 1")),
        ("horizon: soon", ("crm.yaml", "horizon", "soon")),
        ("- horizon", ("crm.yaml", "list")),
        ("churn_estimators: [oracle]", ("churn_estimators", "oracle", "logistic")),
    ],
)
def test_a_damaged_crm_yaml(tiny: Built, tmp_path: Path, settings: str, says: tuple[str, ...]) -> None:
    (tmp_path / "crm.yaml").write_text(settings)
    refused("plan", "--source", tiny.source, "--home", tmp_path, code=2, says=says)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["scores", "--as-of", "2024-05"], ("2024-05", "2024-04")),
        (["scores", "--as-of", "someday"], ("someday",)),
        (["explain", "nobody"], ("nobody",)),
        (["explain", "00001", "--as-of", "1999-01"], ("1999-01",)),
    ],
)
def test_asking_a_home_for_what_it_does_not_have(tiny_home: Built, arguments: list[str], says: tuple[str, ...]) -> None:
    refused(*arguments, "--home", tiny_home.home, code=2, says=says)


@pytest.mark.parametrize("through", ["2023-12", "2024-06", "last month"])
def test_through_a_period_without_data(tiny_home: Built, through: str) -> None:
    refused(
        "run", "--source", tiny_home.source, "--home", tiny_home.home, "--through", through, code=2, says=(through,)
    )


def test_a_home_of_another_source(tiny_home: Built, tmp_path: Path) -> None:
    other = world.write_tiny(tmp_path / "other", customers=30, name="other")
    refused("run", "--source", other, "--home", tiny_home.home, code=2, says=("tiny", "other", "--home"))
    assert world.hashes(tiny_home.home) == tiny_home.hashes


def test_a_file_where_the_home_should_be(tiny: Built, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder")
    refused("run", "--source", tiny.source, "--home", tmp_path / "home", code=1, says=("home",))


# -- disks: a mount of our own, seen by the command alone ------------------------------------------


def _in_own_mounts(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a shell script in a private mount name space; skip where the system does not allow it."""
    own = ["unshare", "--mount", "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*own, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system does not let the tests mount a small or read-only disk (unshare --mount)")
    command = [*own, script, "sh", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=world.environment(), timeout=300, check=False)
    if done.returncode == 77:
        pytest.skip("this system does not let the tests mount a small or read-only disk (mount)")
    return done


def test_a_full_disk(tiny_home: Built, tmp_path: Path) -> None:
    home = world.new_home(tmp_path / "home", world.TINY)
    script = (
        'mount -t tmpfs -o size=3m none "$1" || exit 77; shift; '
        '"$@"; code=$?; find "$HOME_OF_TEST/lake/.manifests" -name "*.json" -size 0 >&2; exit $code'
    )
    run = [world.COMMAND, "run", "--source", tiny_home.source, "--home", home, "--through", "2024-04"]
    done = _in_own_mounts(script.replace("$HOME_OF_TEST", str(home)), home, *run)
    assert done.returncode == 1
    check_refusal(done, ("disk", "full"))


def test_a_disk_that_fills_up_later_keeps_what_was_published(tiny_home: Built, tmp_path: Path) -> None:
    """A built home whose disk has no room for the next period: it says so, and reads as before."""
    script = (
        'mount -t tmpfs -o size=64m none "$2" || exit 77; cp -a "$1/." "$2/"; '
        'free=$(($(df --output=avail -k "$2" | tail -1) - 300)); head -c "${free}k" /dev/zero > "$2/ballast"; '
        'shift 2; "$@"; echo "code $?"; exec "$1" scores --home "$6" --format csv'
    )
    kept = tiny_home.home.parent / "tiny_kept"
    run = [world.COMMAND, "run", "--source", tiny_home.source, "--home", tiny_home.home, "--through", "2024-05"]
    done = _in_own_mounts(script, kept, tiny_home.home, *run)
    assert "code 1" in done.stdout
    check_refusal(done, ("disk", "full"))
    assert done.returncode == 0
    assert done.stdout.count("\n0") > 50, "the scores published before can be read"


def test_a_read_only_home(tiny_home: Built) -> None:
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 77; shift; exec "$@"'
    run = [world.COMMAND, "run", "--source", tiny_home.source, "--home", tiny_home.home, "--through", "2024-05"]
    done = _in_own_mounts(script, tiny_home.home, *run)
    assert done.returncode == 1
    check_refusal(done, ("read-only", str(tiny_home.home)))


def test_a_read_only_home_can_be_read(tiny_home: Built) -> None:
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 77; shift; exec "$@"'
    done = _in_own_mounts(script, tiny_home.home, world.COMMAND, "scores", "--home", tiny_home.home)
    assert done.returncode == 0, done.stderr[-2000:]


# -- dirt: rows are refused, the run goes on -------------------------------------------------------

DIRT = {
    "orders/2024-02.csv": [
        b"bad-1,00001,yesterday,10.00",  # unreadable date
        b"bad-2,00001,,10.00",  # no date
        b"bad-3,00001,2024-02-10T10:00:00,ten",  # unreadable amount
        b"bad-4,,2024-02-10T10:00:00,10.00",  # no customer
        b"bad-5,00002,2024-02-10T10:00:00,99999999999999999999",  # absurd
        b"twice,00003,2024-02-11T10:00:00,20.00",
        b"twice,00003,2024-02-11T10:00:00,20.00",  # exact duplicate
        b"twice,00003,2024-02-11T10:00:00,21.00",  # duplicate key
        b"back,00004,2024-02-12T10:00:00,-5.00",  # a return: kept
        b"who,stranger,2024-02-13T10:00:00,15.00",  # unknown to customers: kept
        b"bad-6,00001",  # too few fields
        b"bad-7,00001,1890-02-10T10:00:00,10.00",  # before there were computers
        b"bad-8,00001,2224-02-10T10:00:00,10.00",  # in the future
    ],
    "customers.csv": [
        "mixed-1,2024-01-05T10:00:00,Österreich".encode("latin-1"),
        "mixed-2,2024-01-05T10:00:00,Österreich".encode(),
        b"00001,2024-01-06T10:00:00,FR",  # duplicate key
    ],
}


@pytest.fixture(scope="module")
def dirty(folder: Path, tiny: Built) -> Built:
    """The tiny source with every kind of dirt, an empty table and a missing one, scored."""
    source = shutil.copytree(folder / "tiny_source_kept", folder / "dirty")
    for name, rows in DIRT.items():
        with (source / name).open("ab") as file:
            file.write(b"\n".join(rows) + b"\n")
    (source / "cases.csv").write_text("case_id,customer_id,opened_at\n")
    tables = {"customers": {"files": "customers.csv"}, "orders": {"files": "orders/*.csv"}}
    tables |= {"cases": {"files": "cases.csv"}, "messages": {"files": "messages/*.csv"}}
    world.write_source(source, tables=tables)
    home = world.new_home(folder / "dirty_home", {**world.TINY, "tasks": ["churn", "demand"]})
    done = world.crm("run", "--source", source, "--home", home, "--through", "2024-02")
    assert "Traceback" not in done.stderr
    assert "messages" in done.stdout, "the missing optional table is named"
    return Built(source, home, "2024-02", world.hashes(home), done.stdout)


def test_a_missing_optional_table_has_no_assets(dirty: Built) -> None:
    assets = {asset for asset, _ in dirty.hashes}
    assert not any("messages" in asset for asset in assets)
    assert ("scores/customers", "2024-02-01") in dirty.hashes


def test_every_row_is_kept_or_refused_with_its_reason(dirty: Built) -> None:
    rejects = _rejects(dirty.home, "orders")
    expected = [
        ("yesterday", "ordered_at"), ("bad-2", "ordered_at"), ("bad-3", "amount"), ("bad-4", "customer_id"),
        ("bad-5", "amount"), ("twice", "exact duplicate"), ("twice", "order_id repeats an earlier row"),
        ("bad-6", ""), ("bad-7", "before"), ("bad-8", "future"),
    ]  # fmt: skip
    for content, reason in expected:
        found = [told for row, told in rejects if content in row]
        assert any(reason in told for told in found), (content, reason, found)
    assert all(told for _, told in rejects)
    lake = world.lake_of(dirty.home)
    kept = lake.table("clean/orders", ["2024-02-01"]).execute().set_index("order_id")
    assert kept.loc["back", "event"] == "returned"
    assert kept.loc["back", "amount"] == 50_000
    assert kept.loc["who", "customer_id"] == "stranger"
    assert len(kept.loc[["twice"]]) == 1


def test_mixed_encodings_lose_nobody(dirty: Built) -> None:
    lake = world.lake_of(dirty.home)
    people = lake.table("clean/customers", ["2024-01-01"]).execute().set_index("customer_id")
    refused_rows = _rejects(dirty.home, "customers")
    assert people.loc["mixed-2", "country"].lower() == "österreich"
    assert "mixed-1" in people.index or any("mixed-1" in content for content, _ in refused_rows)


@pytest.mark.parametrize("table", ["orders", "customers", "cases"])
def test_rows_of_each_file_are_conserved(dirty: Built, table: str) -> None:
    files = sorted(dirty.source.glob("orders/*.csv")) if table == "orders" else [dirty.source / f"{table}.csv"]
    for path in files:
        rows = len(path.read_bytes().splitlines()) - 1
        assert accounted(dirty.home, table, str(path.relative_to(dirty.source))) == rows, path.name


def test_rows_of_the_sample_are_conserved(whole: Built) -> None:
    for path in sorted(whole.source.glob("*.csv")) + sorted(whole.source.glob("or*/*.csv")):
        table = path.stem if path.parent == whole.source else path.parent.name
        rows = world.rows_of_csv(path)
        assert accounted(whole.home, table, str(path.relative_to(whole.source))) == rows, path.name


def test_raw_rows_are_clean_or_refused(whole: Built, dirty: Built) -> None:
    for home in (whole.home, dirty.home):
        lake = world.lake_of(home)
        index = lake.index()
        for (asset, period), manifest in index.items():
            layer, _, name = asset.partition("/")
            if layer != "clean":
                continue
            raw = lake.table(f"raw/{name}", [period])
            told = int(raw.filter(raw.event.notin(MARKERS)).count().execute()) if "event" in raw.columns else 0
            told = told or int(raw.count().execute()) if name == "products" else told
            refused_rows = index[f"rejects/{name}", period].rows
            assert told == manifest.rows + refused_rows, (asset, period)


def accounted(home: Path, table: str, file: str) -> int:
    """Count the source rows of a file that the lake knows: in a period, or refused without a time."""
    lake = world.lake_of(home)
    known: set[int] = set()
    for asset in (f"raw/{table}", f"rejects/{table}"):
        for period in lake.partitions(asset):
            rows = lake.table(asset, [period])
            known |= set(rows.filter(rows.source_file == file).source_line.execute())
    return len(known)


def _rejects(home: Path, table: str) -> list[tuple[str, str]]:
    lake = world.lake_of(home)
    found = []
    for period in lake.partitions(f"rejects/{table}"):
        rows = lake.table(f"rejects/{table}", [period]).execute()
        found += list(zip(rows.content.astype(str), rows.reasons.astype(str), strict=True))
    return found
