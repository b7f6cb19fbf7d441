"""deploy/ as far as a machine without containers can tell: it parses, names what exists, and agrees with itself and the docs."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy.engine import make_url

from crm_pipeline.cli import app
from crm_pipeline.database import VARIABLE, dagster_url, mlflow_url
from crm_pipeline.home.instance import rendered
from crm_pipeline.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
PASSWORD = "${POSTGRES_PASSWORD:?set it in .env}"
OURS = [name for name in SERVICES if name != "postgres"]

TOP = {"name", "services", "volumes"}
KEYS = {"image", "build", "restart", "environment", "volumes", "command", "ports", "depends_on", "healthcheck"}
"""Of the compose schema, what these files use."""
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


def option_texts(*command: str) -> str:
    """Return the help of a command of an installed package."""
    entry = next(iter(entry_points(group="console_scripts", name=command[0])))
    code = f"import sys; from {entry.module} import {entry.attr} as m; sys.argv = {[*command, '--help']!r}; m()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def test_the_compose_file_keeps_the_main_rules_of_its_schema() -> None:
    assert {key for key in COMPOSE if not key.startswith("x-")} == TOP
    for name, service in SERVICES.items():
        assert set(service) <= KEYS, name
        assert "image" in service
        assert service["restart"] in ("no", "always", "unless-stopped", "on-failure")
        assert all(isinstance(v, str) for v in service["environment"].values()), f"{name}: YAML made a value no text"
        assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in service.get("ports", [])), name
        for other, how in service.get("depends_on", {}).items():
            assert other in SERVICES
            assert how["condition"] in CONDITIONS
            assert how["condition"] != "service_healthy" or "healthcheck" in SERVICES[other]
            assert how["condition"] != "service_completed_successfully" or SERVICES[other]["restart"] == "no"


def test_every_named_volume_is_declared_and_every_declared_one_used() -> None:
    named = {v.split(":")[0] for s in SERVICES.values() for v in s["volumes"] if not v.startswith(("$", ".", "/"))}
    assert named == set(COMPOSE["volumes"])


def test_the_image_is_built_from_files_that_exist() -> None:
    build = SERVICES["code"]["build"]
    assert (DEPLOY / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()
    copied = re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert copied
    assert [name for line in copied for name in line.split() if not (ROOT / name).exists()] == []


def test_the_lock_brings_the_dagster_postgres_that_goes_with_its_dagster() -> None:
    """Dagster 1.x.y is released with its libraries as 0.(16 + x).y."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    (dagster,) = (line.split("==")[1] for line in lock if line.startswith("dagster=="))
    _, minor, patch = dagster.split(".")
    assert f"dagster-postgres==0.{int(minor) + 16}.{patch}" in lock
    assert any(line.startswith("psycopg2-binary==") for line in lock)


@pytest.mark.parametrize(
    "command",
    ["dagster api grpc", "dagster api grpc-health-check", "dagster-webserver", "dagster-daemon run", "mlflow server"],
)
def test_every_server_command_and_option_exists(command: str) -> None:
    words = command.split()
    lines = [s["command"] for s in SERVICES.values() if "command" in s]
    lines += [s["healthcheck"]["test"][1:] for s in SERVICES.values() if "healthcheck" in s]
    used = [line for line in lines if line[: len(words)] == words]
    assert used, "no service runs it"
    told = option_texts(*words)
    options = {word for line in used for word in line if word.startswith("--")}
    assert {option for option in options if not re.search(rf"{option}\b", told)} == set()


def test_every_command_of_ours_in_deploy_and_operations_exists() -> None:
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    texts = [DOCKERFILE, (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")]
    texts += [" ".join(s["command"]) for s in SERVICES.values() if "command" in s]
    named = {word for text in texts for word in re.findall(r"crm-pipeline ([a-z]+)\b(?! \.)", text)}
    assert named
    assert named <= known, named - known


def test_every_process_gets_the_address_of_the_database_and_mlflow_that_of_its_schema() -> None:
    postgres = SERVICES["postgres"]["environment"]
    for name in OURS:
        given = {key: value.replace(PASSWORD, "secret") for key, value in SERVICES[name]["environment"].items()}
        url = Settings(database_url=given["CRM_DATABASE_URL"]).database_url
        assert url == dagster_url(url), "Dagster's own servers read it as it is"
        assert make_url(given["MLFLOW_BACKEND_STORE_URI"]) == make_url(mlflow_url(url))
        where = make_url(url)
        assert (where.username, where.database) == (postgres["POSTGRES_USER"], postgres["POSTGRES_DB"])
        assert where.host in SERVICES
    assert postgres["POSTGRES_PASSWORD"] == PASSWORD
    assert VARIABLE in rendered(Settings(database_url=url))


def test_ports_and_hosts_agree_between_services_workspace_and_docs() -> None:
    (server,) = (entry["grpc_server"] for entry in yaml.safe_load((DEPLOY / "workspace.yaml").read_text())["load_from"])
    command = SERVICES[server["host"]]["command"]
    assert command[command.index("--port") + 1] == str(server["port"])
    docs = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for name, variable in (("webserver", "CRM_DAGSTER_UI"), ("mlflow", "CRM_MLFLOW_UI")):
        (published,) = SERVICES[name]["ports"]
        outside, inside = published.split(":")[1:]
        line = SERVICES[name]["command"]
        assert line[line.index("--port") + 1] == inside
        assert f"port {outside}" in docs
        assert SERVICES["code"]["environment"][variable].endswith(f":{outside}")
    assert all(f"`{volume}`" in docs for volume in COMPOSE["volumes"])
