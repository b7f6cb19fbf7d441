"""Makes the companies and starts one child process per measurement. What the numbers mean is judged in `tables`."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

OUT = Path(__file__).parent / "out"
PERIODS, SEED, ORDERS = 18, 7, 20
PANDAS_MEMORY = 12 * 2**30
"""Free memory from which the pandas features of a million customers are tried."""

SETTINGS: dict[str, Any] = {
    "training_stride": 3,
    "training_cutoffs": 2,
    "evaluation_cutoffs": 2,
    "training_rows": 50_000,
    "process_sample": 50_000,
    "memory_limit": "4GB",
    "threads": 2,
}
"""The same for every size: how far back models learn and are judged, and their row caps."""

ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "MLFLOW_DISABLE_TELEMETRY": "true"}
"""Of every measured process. Without the first, XGBoost's threads burn processor time waiting for each other on a busy machine."""


def company(customers: int) -> Path:
    """Return the folder of a made-up company of so many customers; made at first use."""
    from crm_pipeline.sample import write_company

    folder = OUT / f"company_{customers}"
    if not (folder / "truth" / "summary.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        write_company(folder, customers=customers, periods=PERIODS, seed=SEED)
    return folder


def whole_run(customers: int) -> dict[str, Any]:
    """Measure the pipeline from an empty home."""
    return _run(customers, "whole_run", empty_home(f"home_{customers}"))


def straight_line(customers: int) -> dict[str, Any]:
    """Measure the straight-line script from an empty folder, which is removed afterwards."""
    folder = empty_home(f"straight_{customers}")
    found = _run(customers, "straight_line", folder)
    shutil.rmtree(folder)
    return found


def feature_layer(customers: int) -> dict[str, Any]:
    """Measure the feature layer against hand-written SQL, and pandas where memory allows."""
    fits = customers <= 100_000 or _free() > PANDAS_MEMORY
    arguments = ["--customers", str(customers), "--orders", str(ORDERS), *(["--pandas"] if fits else [])]
    result = OUT / f"features_{customers}.json"
    return child("bench_features", [*arguments, "--result", str(result)], result)


def text() -> dict[str, Any]:
    """Measure the text layer against the naive way on real texts, and on a million messages, apart and as steps of the pipeline."""
    result, whole = OUT / "text.json", OUT / "messages.json"
    found = child("bench_text", ["--result", str(result)], result)
    return found | {"whole": child("bench_messages", ["--result", str(whole)], whole)}


def audio() -> dict[str, Any]:
    """Measure recordings against a plain loop by librosa, and an hour of one."""
    result = OUT / "audio.json"
    return child("bench_audio", ["--result", str(result)], result)


def reading() -> dict[str, Any]:
    """Measure reading a source into an empty home against DuckDB alone."""
    result = OUT / "reading.json"
    return child("bench_reading", ["--result", str(result)], result)


def speech() -> dict[str, Any]:
    """Measure what is heard in real recordings and in the sample company's calls."""
    result = OUT / "speech.json"
    return child("bench_speech", ["--result", str(result)], result)


def models() -> dict[str, Any]:
    """Measure explaining, scoring and training at a million rows, and what the row caps cost."""
    result = OUT / "models.json"
    return child("bench_models", ["--result", str(result)], result)


def empty_home(name: str) -> Path:
    """Return an empty folder with the settings of the benchmark."""
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "crm.yaml").write_text(yaml.safe_dump(SETTINGS, sort_keys=False), encoding="utf-8")
    return folder


def _run(customers: int, module: str, folder: Path) -> dict[str, Any]:
    result = OUT / f"{module}_{customers}.json"
    return child(module, [str(company(customers)), str(folder), str(result)], result)


def child(module: str, arguments: list[str], result: Path) -> dict[str, Any]:
    """Run a module of this package in a process of its own; a failure is returned as ``failure``, one line.

    ``others`` is the share of the cores that had been anybody else's meanwhile.
    """
    log = result.with_suffix(".log")
    result.unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    busy, started = _others(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | ENVIRONMENT,
    )
    seconds = time.perf_counter() - started
    found: dict[str, Any] = {
        "seconds": seconds,
        "others": (_others() - busy) / (seconds * len(os.sched_getaffinity(0))),
    }
    if done.returncode or not result.exists():
        said = (done.stderr or done.stdout).strip().splitlines()
        if log.exists():
            found["stretches"] = [json.loads(line) for line in _lines(str(log))]
        return found | {"failure": f"exit code {done.returncode}: {said[-1] if said else 'no message'}"}
    return found | json.loads(result.read_text(encoding="utf-8"))


def _others() -> float:
    """Return the processor seconds of all but the children of this process that have ended, since the machine began (see proc(5))."""
    user, nice, system, _, _, *rest = map(int, _lines("/proc/stat")[0].split()[1:9])
    mine = resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum((user, nice, system, *rest)) / os.sysconf("SC_CLK_TCK") - mine.ru_utime - mine.ru_stime


def machine() -> dict[str, str]:
    """Return what the numbers were measured on."""
    from importlib.metadata import version

    cpu = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown"
    )
    total = int(next(line.split()[1] for line in _lines("/proc/meminfo") if line.startswith("MemTotal")))
    libraries = ", ".join(f"{n} {version(n)}" for n in ("duckdb", "ibis-framework", "dagster", "pandas", "xgboost"))
    cores = len(os.sched_getaffinity(0))
    return {
        "processor": f"{cpu}, {cores} cores",
        "memory": f"{total / 2**20:.0f} GiB",
        "python": sys.version.split()[0],
        "libraries": libraries,
    }


def _free() -> int:
    line = next(line for line in _lines("/proc/meminfo") if line.startswith("MemAvailable"))
    return int(line.split()[1]) * 1024


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()
