"""Rule 3: a run on Spark publishes what a run on DuckDB does; on this machine, and on a cluster of two workers."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from crm_pipeline.engine import DuckDBEngine
from crm_pipeline.engine.spark import SparkEngine
from crm_pipeline_tests.integration.world import PUBLISHED, TINY, crm, differing, hashes, new_home, write_tiny

SPARK = importlib.util.find_spec("pyspark")
JAVA = shutil.which("java") is not None or "JAVA_HOME" in os.environ
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(SPARK is None, reason="PySpark (extra 'spark') is not installed"),
    pytest.mark.skipif(not JAVA, reason="there is no Java"),
]
OPTIONS = {"spark.driver.memory": "1g", "spark.sql.shuffle.partitions": "2"}


def test_rule_3_a_run_on_spark_publishes_the_same_content(tmp_path: Path) -> None:
    source = write_tiny(tmp_path / "source", customers=40)
    engines: dict[str, dict[str, Any]] = {
        "duckdb": {},
        "spark": {"engine": "spark", "spark_master": "local[2]", "spark_options": OPTIONS},
    }
    made = {}
    for name, settings in engines.items():
        home = new_home(tmp_path / name, {**TINY, **settings})
        crm("run", "--source", source, "--home", home, "--periods", 1, "--through", "2024-03")
        made[name] = hashes(home)
    assert differing(made["duckdb"], made["spark"], PUBLISHED) == []
    assert {key[0] for key in made["spark"]} >= {"clean/orders", "features/customers", "scores/customers"}
    # a home may change its engine: nothing is stale
    (tmp_path / "spark" / "crm.yaml").write_text(
        (tmp_path / "duckdb" / "crm.yaml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    again = crm(
        "plan", "--source", source, "--home", tmp_path / "spark", "--periods", 1, "--through", "2024-03", "--json"
    )
    assert again.stdout.strip() == "[]"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A master and two workers of one core each, as processes of this machine."""
    assert SPARK is not None
    assert SPARK.origin is not None
    home = Path(SPARK.origin).parent
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, variables = (
        f"spark://127.0.0.1:{port}",
        {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_HOME": str(home)},
    )
    deploy = [str(home / "bin" / "spark-class"), "org.apache.spark.deploy"]
    master = ["master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]
    worker = [
        "worker.Worker",
        address,
        "--cores",
        "1",
        "--memory",
        "600m",
        "--webui-port",
        "0",
        "--work-dir",
        str(tmp_path),
    ]
    logs = [(tmp_path / f"{i}.log").open("w") for i in range(3)]
    running = [
        subprocess.Popen([deploy[0], f"{deploy[1]}.{what[0]}", *what[1:]], env=variables, stdout=log, stderr=log)
        for what, log in zip((master, worker, worker), logs, strict=True)
    ]
    try:
        until = time.monotonic() + 120
        while (tmp_path / "0.log").read_text(encoding="utf-8").count("Registering worker") < 2:
            assert time.monotonic() < until, "the workers did not come"
            time.sleep(0.5)
        yield address
    finally:
        for process in running:
            process.terminate()
        for process, log in zip(running, logs, strict=True):
            process.wait(30)
            log.close()


def test_rule_3_a_cluster_of_two_workers_gives_the_same_content(cluster: str, tmp_path: Path) -> None:
    events = pa.table({"who": [i % 7 for i in range(1000)], "amount": [i * i for i in range(1000)]})
    options = {
        "spark.executor.memory": "512m", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "4",
    }  # fmt: skip
    engines = {
        "one": DuckDBEngine("200MB", 1, tmp_path / "a"),
        "two": SparkEngine("200MB", 1, tmp_path / "b", cluster, options),
    }
    made = {}
    for name, engine in engines.items():
        rows = engine.given(events, "events")
        summed = rows.group_by("who").aggregate(n=rows.count(), spend=rows.amount.sum().cast("decimal(38, 0)"))
        made[name] = engine.stage(summed.order_by("who"), tmp_path / f"{name}.parquet")
    spark = engines["two"].session  # type: ignore[union-attr]
    try:
        assert spark.sparkContext.master == cluster
        assert made["two"].columns == made["one"].columns
        assert (made["two"].content_sum, made["two"].rows) == (made["one"].content_sum, 7)
    finally:
        spark.stop()
