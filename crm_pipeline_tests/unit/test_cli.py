"""The command's arguments: wrong use is one sentence and exit code 2, a failure 1; nothing heavy is imported for it."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from crm_pipeline import cli, console
from crm_pipeline.errors import CrmError, UsageError


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CRM_SOURCE", "CRM_HOME", "CRM_FILES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CRM_DEBUG", "0")
    monkeypatch.chdir(tmp_path)


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        cli.main(list(arguments))
    return int(left.value.code or 0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rum"], "rum"),
        (["run", "--throuh", "2011-08"], "--throuh"),
        (["run", "--periods", "0"], "--periods"),
        (["scores", "--home", "a?b"], "--home a?b: a home's path cannot hold '?': choose another."),
        (["plan", "--home", "x%41"], "cannot hold '%'"),
        (["run", "--periods", "many"], "--periods"),
        (["sample", "--customers", "3"], "--customers"),
        (["sample", "--periods", "2"], "--periods"),
        (["sample", "--text-effect", "-1"], "--text-effect"),
        (["sample", "--recordings", "-1"], "--recordings"),
        (["explain"], "customer"),
        (["train-intents"], "file"),
        (["train-intents", "nowhere.csv"], "nowhere.csv"),
        (["train-emotion", "nowhere.csv"], "nowhere.csv"),
        (["prune"], "--runs-older-than"),
        (["prune", "--runs-older-than", "0"], "--runs-older-than"),
        (["scores", "--format", "xml"], "xml"),
        (["scores", "--format", "parquet"], "--to"),
        (["scores"], "data/home"),
        (["champion"], "data/home"),
        (["champion", "--format", "xml"], "xml"),
        (["champion", "--rollback", "--as-of", "2024-01"], "--as-of"),
        (["queue"], "data/home"),
        (["queue", "--format", "parquet"], "parquet"),
        (["queue", "--top", "0"], "--top"),
        (["queue", "--to", "queue.csv"], "--format"),
        (["explain", "C1"], "data/home"),
        (["check"], "data/sample"),
        (["plan"], "data/sample"),
        (["run", "--source", "nowhere"], "nowhere"),
    ],
)
def test_wrong_use_is_one_sentence(capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    assert call(*arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("crm-pipeline: ")
    assert said.err.count("\n") == 1
    assert says in said.err


def test_help_and_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--help") == 0
    shown = capsys.readouterr().out
    for command in (
        "sample",
        "check",
        "run",
        "plan",
        "scores",
        "explain",
        "ui",
        "doctor",
        "diff",
        "trace",
        "prune",
        "train-intents",
        "train-emotion",
        "say",
    ):
        assert command in shown
        assert call(command, "--help") == 0


@pytest.mark.parametrize("command", ["run", "plan", "sample"])
def test_a_folder_that_cannot_be_made_ends_in_one_sentence(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "source.yaml").write_text("name: shop\ntables:\n  orders: {files: orders.csv}\n")
    (tmp_path / "orders.csv").write_text("order_id,customer_id,ordered_at\na,1,2020-03-01\n")
    where = ("--out",) if command == "sample" else ("--source", str(tmp_path), "--home")
    assert call(command, *where, "/proc/none/folder") in (1, 2)
    said = capsys.readouterr().err
    assert "/proc/none/folder cannot be" in said
    assert said.count("\n") == 1


def test_a_wrong_command_writes_nothing(tmp_path: Path) -> None:
    call("run", "--source", "nowhere", "--home", str(tmp_path / "home"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("error", "code"), [(CrmError("it broke."), 1), (UsageError("say it so."), 2)])
def test_errors_end_with_their_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: CrmError, code: int
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    assert call() == code
    assert capsys.readouterr().err == f"crm-pipeline: {error}\n"


def test_debug_shows_the_traceback() -> None:
    with pytest.raises(UsageError):
        cli.main(["--debug", "scores"])


def test_an_interrupted_run_says_that_it_can_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", stop)
    assert call() == 130
    assert "run again" in capsys.readouterr().err


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "app", bug)
    with pytest.raises(ZeroDivisionError):
        cli.main([])


def test_source_and_home_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CRM_HOME", "home-of-mine")
    monkeypatch.setenv("CRM_SOURCE", "source-of-mine")
    assert call("scores") == 2
    assert "home-of-mine" in capsys.readouterr().err
    assert call("check") == 2
    assert "source-of-mine" in capsys.readouterr().err


TYPO = (
    "order_id,customer_id,ordered_at\n"
    + "".join(f"o{d},1,2020-03-{d:02d}\n" for d in range(1, 29))
    + "x,1,1980-01-05\n"
)
"""Forty years of months to build, for one order."""


def shop_with_a_typo(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "source.yaml").write_text("name: shop\ncurrency: EUR\ntables:\n  orders: {files: orders.csv}\n")
    (tmp_path / "orders.csv").write_text(TYPO)
    return "--source", str(tmp_path), "--home", str(tmp_path / "home"), "--through", "2020-03"


def test_run_says_what_is_odd_about_the_source_before_it_builds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from crm_pipeline.defs import run

    def stopped(prepared: run.Prepared, **_: object) -> run.Summary:
        assert len(prepared.plan) > 480, "the lone order makes the run long"
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "execute", stopped)
    assert call("run", *shop_with_a_typo(tmp_path)) == 130
    said = " ".join(capsys.readouterr().out.split())
    assert "1 row of orders, dated 1980-01-05, lies 14,666 days before the others" in said
    assert "begins: 2020-03-01" in said


def test_plan_says_it_too_and_keeps_its_json_clean(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = shop_with_a_typo(tmp_path)
    assert call("plan", *arguments, "--json") == 0
    said = capsys.readouterr()
    assert json.loads(said.out)
    assert "1980-01-05" in said.err
    assert call("plan", *arguments) == 0
    assert "1980-01-05" in capsys.readouterr().out


def test_the_command_starts_without_heavy_packages() -> None:
    heavy = ("dagster", "mlflow", "sklearn", "xgboost", "scipy", "matplotlib", "pandas", "ibis", "duckdb")
    code = f"import sys, crm_pipeline.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_rows_without_a_usable_time_are_told_by_table(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source = tmp_path / "shop"
    source.mkdir()
    (source / "source.yaml").write_text("name: shop\ntables:\n  orders:\n    files: orders.csv\n")
    rows = [f"o{i},c{i % 7},2024-{i % 6 + 1:02d}-{i % 27 + 1:02d},10" for i in range(60)]
    (source / "orders.csv").write_text(
        "order_id,customer_id,ordered_at,amount\n" + "\n".join([*rows, "x,c1,2042-01-01,1"])
    )
    assert call("plan", "--source", str(source), "--home", str(tmp_path / "home")) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Rows without a usable time: 1 of orders (rejects/orders/undated)." in said


def test_a_run_whose_output_is_no_terminal_says_a_line_per_period(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.isatty", lambda _: False)
    progress = console.Progress()
    progress.expect(1_200)
    progress.expect(1_200, told=True)
    progress.ended("2024-01", 35, 2)
    progress.ended("all", 1, 0)
    told = "1,200 partitions to build, a line per period that is done:\n"
    assert capsys.readouterr().out == f"{told}2024-01: 35 partitions built, 2 reused\nall: 1 partition built\n"
    monkeypatch.setattr("os.isatty", lambda _: True)
    console.Progress().expect(9, told=True)
    console.Progress().ended("2024-01", 35, 2)
    assert capsys.readouterr().out == ""


def test_each_line_reaches_a_pipe_at_once() -> None:
    told = "from crm_pipeline.console import Progress; p = Progress(); p.expect(3, told=True); p.ended('2024-01', 3, 0); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", told], stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().startswith("3 partitions to build")
        assert (process.stdout.readline(), process.poll()) == ("2024-01: 3 partitions built\n", None)
        process.stdin.write("\n")


def test_output_that_cannot_be_written_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cli, "app", full)
    with pytest.raises(SystemExit) as ended:
        cli.main(["check"])
    assert ended.value.code == 1
    assert "the disk is full" in capsys.readouterr().err
