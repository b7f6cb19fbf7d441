"""A home whose setting database_url names a real PostgreSQL server: as one in SQLite, and no password anywhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from crm_pipeline.database import SCHEMA, VARIABLE, make_schema, open_to_dagster
from crm_pipeline.errors import CrmError
from crm_pipeline_tests.integration import world
from crm_pipeline_tests.integration.conftest import Built
from crm_pipeline_tests.integration.postgresql import PASSWORD, Server, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.mark.slow
def test_two_runs_at_once_of_a_new_home(server: Server, tiny_home: Built, folder: Path) -> None:
    home, variables = world.new_home(folder / "postgresql_home", world.TINY), {VARIABLE: server.make("two_runs")}
    command = ["run", "--source", tiny_home.source, "--home", home, "--through", "2024-03"]
    both = [world.start(*command, variables=variables) for _ in range(2)]
    done = [world.finish(process) for process in both]
    found = world.hashes(home)
    shared = {key: content for key, content in tiny_home.hashes.items() if key in found}
    assert world.differing({key: found[key] for key in shared}, shared, without=world.PUBLISHED) == []
    assert {asset.split("/")[0] for asset, _ in shared} >= {"clean", "features", "outcomes", "models"}
    assert "Nothing is wrong" in world.crm("doctor", "--home", home, variables=variables).stdout

    states = server.rows("two_runs", "SELECT status, count(*) FROM public.runs GROUP BY 1")
    assert [status for status, _ in states] == ["SUCCESS"]
    assert states[0][1] >= 3, "a run for each of the three periods"
    assert server.rows("two_runs", f"SELECT DISTINCT status FROM {SCHEMA}.runs") == [("FINISHED",)]
    models = server.rows("two_runs", f"SELECT artifact_location FROM {SCHEMA}.logged_models")
    assert models
    assert all(place.startswith((home / "mlartifacts").as_uri()) for (place,) in models)

    assert list(home.rglob("*.db")) == [], "nothing of it lies in SQLite"
    wrong = json.loads(world.crm("doctor", "--home", home, "--json", expect=1).stdout)  # where the setting is not known
    assert [f["severity"] for f in wrong if f["severity"] != "note"] == ["error"]
    assert "CRM_DATABASE_URL does not say here in which" in wrong[0]["what"]
    said = "".join(d.stdout + d.stderr for d in done)
    assert not any(word in said for word in ("locked", "Traceback", "STEP_START", "Retrying"))
    secrets = (PASSWORD, quote(PASSWORD, safe=""))
    assert not any(secret in said for secret in secrets)
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) > 50
    assert [path for path in files if any(secret.encode() in path.read_bytes() for secret in secrets)] == []


@pytest.mark.slow
def test_a_home_that_had_its_history_in_sqlite_goes_on(server: Server, tiny_home: Built, folder: Path) -> None:
    """The new history is told of all that is published; nothing is built again but the models that a new period reads."""
    home, variables = folder / "postgresql_later", {VARIABLE: server.make("later")}
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(tiny_home.home, home)
    world.crm("run", "--source", tiny_home.source, "--home", home, "--through", "2024-05", variables=variables)
    found = {key: content for key, content in world.hashes(home).items() if key in tiny_home.hashes}
    assert world.differing(found, tiny_home.hashes, without=world.PUBLISHED) == []
    assert ("scores/churn", "2024-05-01") in world.hashes(home)
    process = world.start("doctor", "--home", home, "--json", variables=variables)
    wrong = json.loads(process.communicate(timeout=120)[0])
    assert [f["what"] for f in wrong if "Dagster" in f["what"]] == [], "the history knows every partition"


def test_a_wrong_password_and_a_missing_database_are_one_sentence_each(server: Server) -> None:
    for url, says in (
        (server.url("postgres", "wrong"), 'password authentication failed for user "crm"'),
        (server.url("missing"), 'database "missing" does not exist'),
    ):
        with pytest.raises(CrmError, match=says) as told:
            open_to_dagster(url)
        assert "\n" not in str(told.value)
        assert not any(secret in str(told.value) for secret in ("wrong", PASSWORD, quote(PASSWORD, safe="")))


def test_any_number_of_processes_may_make_the_schema(server: Server) -> None:
    url = server.make("race")
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(make_schema, [url] * 32))
    assert server.rows("race", f"SELECT count(*) FROM pg_namespace WHERE nspname = '{SCHEMA}'") == [(1,)]


def test_a_user_who_may_not_make_tables_is_told_so_in_one_sentence(
    server: Server, tiny_home: Built, folder: Path
) -> None:
    server.make("closed")
    server.rows("closed", "CREATE ROLE weak LOGIN PASSWORD 'weak-secret'")
    home = world.new_home(folder / "postgresql_weak", world.TINY)
    variables = {VARIABLE: f"postgresql://weak:weak-secret@127.0.0.1:{server.port}/closed"}
    done = world.crm("run", "--source", tiny_home.source, "--home", home, expect=1, variables=variables)
    assert done.stderr.count("\n") == 1
    assert "closed cannot be used (permission denied for" in done.stderr
    assert "its user may make tables and schemas there" in done.stderr
    assert "weak-secret" not in done.stderr + done.stdout
