"""Serves a home to a browser: the Dagster UI with its daemon, the MLflow UI, and the report pages. No report is made here."""

from __future__ import annotations

import functools
import importlib.util
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from html import escape
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

from crm_pipeline.database import open_to_dagster
from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.home.instance import dagster_home
from crm_pipeline.home.project import open_project
from crm_pipeline.lake import publish_views
from crm_pipeline.settings import load_settings
from crm_pipeline.tracking import Tracker

HOST = "127.0.0.1"
GRACE = 20.0
"""Seconds a server gets to end by itself before it is killed."""


def serve(home: Path, source: Path | None, files: Path | None, port: int, mlflow_port: int) -> None:
    """Run the servers until interrupted (Ctrl-C or SIGTERM); ends all when one ends.

    The reports are served on the port after MLflow's.

    Raises
    ------
    UsageError, CrmError
        When the extra ``ui`` is not installed, a port is taken, the home was never run, or a server ended by itself.
    """
    if importlib.util.find_spec("dagster_webserver") is None:
        raise UsageError("The Dagster UI is not installed: pip install --editable '.[ui]' in the clone.")
    home = Path(home).absolute()
    if not (home / "lake" / "source.json").exists():
        raise CrmError(f"{home} has nothing to show yet: run `crm-pipeline run --home {home}` first.")
    reports_port = mlflow_port + 1
    for number, option in ((port, "--port"), (mlflow_port, "--mlflow-port"), (reports_port, "--mlflow-port")):
        _check_free(number, option)
    environment = _environment(home, port, mlflow_port, reports_port)
    for name, path in (("CRM_SOURCE", source), ("CRM_FILES", files)):
        if path is not None:
            environment[name] = str(path.absolute())
    _ = Tracker(home).mlflow  # makes or migrates the store before any server opens it
    publish_views(open_project(home).lake)  # they name files by absolute paths, and the home may have been moved
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    servers: dict[str, subprocess.Popen[bytes]] = {}
    pages = _serve_reports(home, reports_port)
    try:
        for name, command in _commands(home, port, mlflow_port).items():
            servers[name] = subprocess.Popen(command, env=environment, cwd=home, start_new_session=True)
        print(
            f"Dagster UI  http://{HOST}:{port}\nMLflow UI   http://{HOST}:{mlflow_port}\n"
            f"Reports     http://{HOST}:{reports_port}\nStop with Ctrl-C.",
            flush=True,
        )
        while all(server.poll() is None for server in servers.values()):
            time.sleep(0.3)
        ended = next(name for name, server in servers.items() if server.poll() is not None)
        raise CrmError(f"The {ended} UI ended by itself; what it said stands above.")
    except KeyboardInterrupt:
        print("stopping", flush=True)
    finally:
        pages.shutdown()
        _stop(list(servers.values()))


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _environment(home: Path, port: int, mlflow_port: int, reports_port: int) -> dict[str, str]:
    """Return the servers' environment; runs that they start inherit it. Addresses of databases stand in no command line."""
    settings = load_settings(home)
    open_to_dagster(settings.database_url)
    return os.environ | {
        "CRM_HOME": str(home),
        "CRM_DAGSTER_UI": f"http://{HOST}:{port}",
        "CRM_MLFLOW_UI": f"http://{HOST}:{mlflow_port}",
        "CRM_REPORTS_UI": f"http://{HOST}:{reports_port}",
        "DAGSTER_HOME": str(dagster_home(home, settings)),
        "MLFLOW_BACKEND_STORE_URI": Tracker(home).uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONWARNINGS": "ignore",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }


def _commands(home: Path, port: int, mlflow_port: int) -> dict[str, list[str]]:
    """Return the command of each server, by the name a person knows it by."""
    mlflow = [sys.executable, "-m", "mlflow", "server"]
    mlflow += ["--artifacts-destination", str(home / "mlartifacts"), "--workers", "1"]
    mlflow += ["--host", HOST, "--port", str(mlflow_port), "--uvicorn-opts", "--log-level warning"]
    dagster = [sys.executable, "-m", "dagster", "dev", "-m", "crm_pipeline.definitions"]
    dagster += ["-h", HOST, "-p", str(port), "--log-level", "warning"]
    return {"Dagster": dagster, "MLflow": mlflow}


def _check_free(port: int, option: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"Port {port} of {HOST} cannot be used ({error}): choose another with {option}."
            ) from error


class _QuietPages(SimpleHTTPRequestHandler):
    """Static files without a line in the terminal for each, and a list of the reports."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def list_directory(self, path: str | os.PathLike[str]) -> io.BytesIO:
        """Show what a folder holds, the newest period first."""
        names = sorted((p.name + "/" * p.is_dir() for p in Path(path).iterdir()), reverse=True)
        page = listing("Reports" if self.path == "/" else f"Reports: {self.path.strip('/')}", names).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        return io.BytesIO(page)


def listing(title: str, names: Sequence[str]) -> str:
    """Return a page of links to files and folders, reports of periods before the rest."""
    ordered = sorted(names, key=lambda name: not name.endswith(".html"))
    links = "".join(f'<li><a href="{quote(name)}">{escape(name.removesuffix(".html"))}</a></li>' for name in ordered)
    none = "" if names else "<p>None yet: crm-pipeline run makes one.</p>"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<body style="font: 16px/1.6 system-ui, sans-serif; margin: 3em"><h1>{escape(title)}</h1><ul>{links}</ul>{none}</body></html>'
    )


def _serve_reports(home: Path, port: int) -> ThreadingHTTPServer:
    """Serve the report pages in a thread of this process."""
    (home / "reports").mkdir(exist_ok=True)
    server = ThreadingHTTPServer((HOST, port), functools.partial(_QuietPages, directory=str(home / "reports")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _stop(servers: list[subprocess.Popen[bytes]]) -> None:
    """End the servers with all that they started: asked first, killed after the grace."""
    for server in servers:
        _signal_group(server, signal.SIGTERM)
    end = time.monotonic() + GRACE
    for server in servers:
        with suppress(subprocess.TimeoutExpired):
            server.wait(timeout=max(0.1, end - time.monotonic()))
        _signal_group(server, signal.SIGKILL)
        server.wait()


def _signal_group(server: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(server.pid, number)
