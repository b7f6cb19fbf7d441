"""Starts the two web pages over a home: the Dagster UI with its daemon, and the MLflow UI. No pages are made here."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

from crm_pipeline.defs.instance import dagster_home
from crm_pipeline.errors import CrmError, UsageError


def serve(home: Path, source: Path, port: int, mlflow_port: int) -> None:
    """Run both servers until interrupted; ends both when one ends.

    Raises
    ------
    UsageError, CrmError
        When the extra ``ui`` is not installed, or the home was never run.
    """
    if importlib.util.find_spec("dagster_webserver") is None:
        raise UsageError("The Dagster UI is not installed: pip install 'crm-pipeline[ui]'.")
    home = Path(home).absolute()
    if not (home / "lake" / "source.json").exists():
        raise CrmError(f"{home} has nothing to show yet: run `crm-pipeline run --home {home}` first.")
    environment = os.environ | {
        "CRM_HOME": str(home),
        "CRM_SOURCE": str(Path(source).absolute()),
        "DAGSTER_HOME": str(dagster_home(home)),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    mlflow = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", f"sqlite:///{home / 'mlflow.db'}"]
    mlflow += ["--host", "127.0.0.1", "--port", str(mlflow_port), "--workers", "1"]
    dagster = [str(Path(sys.executable).parent / "dagster"), "dev", "-m", "crm_pipeline.definitions"]
    dagster += ["-h", "127.0.0.1", "-p", str(port)]
    print(
        f"Dagster UI  http://127.0.0.1:{port}\nMLflow UI   http://127.0.0.1:{mlflow_port}\nStop with Ctrl-C.",
        flush=True,
    )
    servers = [subprocess.Popen(command, env=environment) for command in (dagster, mlflow)]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while all(server.poll() is None for server in servers):
            try:
                servers[0].wait(timeout=1)
            except subprocess.TimeoutExpired:
                continue
    except KeyboardInterrupt:
        print("stopping")
    finally:
        for server in servers:
            server.send_signal(signal.SIGINT)
        for server in servers:
            server.wait(timeout=30)
