"""The whole run of the pipeline in this process, measured layer by layer: ``python -m benchmarks.whole_run SOURCE HOME RESULT``."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.meter import Meter

WORK = "the assets' own work: reading, computing, writing"


def main(source: Path, home: Path, result: Path) -> None:
    """Run what ``crm-pipeline run`` runs, and write what it took as JSON.

    A stretch ends when the program says that a partition is built, so what Dagster does before and between counts to
    the partition that follows it.
    """
    meter = Meter(result.with_suffix(".log"))
    from crm_pipeline.defs.run import execute, prepare
    from crm_pipeline.engine import DuckDBEngine
    from crm_pipeline.lake import Lake
    from crm_pipeline.tracking import Tracker

    meter.mark("start/imports")
    meter.time_calls(DuckDBEngine, "describe_file", "hashing and counting what was written")
    meter.time_calls(Lake, "publish", "manifests")
    meter.time_calls(Tracker, "log_model", "MLflow: models")
    meter.time_calls(Tracker, "log_evaluation", "MLflow: evaluations and plots")
    meter.time_calls(Lake, "stage", WORK)
    _time_functions(meter)

    def listen(status: str, asset: str, partition: str, _: int) -> None:
        if status in ("built", "reused"):
            meter.mark(f"{asset}@{partition}")

    prepared = prepare(source, home, listener=listen)
    meter.mark("raw/(read and sorted into periods)")
    summary = execute(prepared)
    meter.mark("end/garbage and views")
    found = meter.result() | {"built": summary.built, "period": prepared.targets[-1], "planned": len(prepared.plan)}
    found["orchestration"] = (summary.seconds - meter.within[WORK]) / (summary.built + summary.reused)
    found["orchestration_reused"] = _again(prepared)
    result.write_text(json.dumps(found), encoding="utf-8")


def _time_functions(meter: Meter) -> None:
    """Let the functions of all assets be timed, as the work that an asset does itself."""
    from crm_pipeline.defs.lake import LakeResource

    build = LakeResource._build

    def timed(self: Any, context: Any, partition: str, names: Any, stale: Any, compute: Any) -> Any:
        return build(self, context, partition, names, stale, meter.timed(compute, WORK))

    LakeResource._build = timed  # type: ignore[method-assign]


def _again(prepared: Any) -> float:
    """Return the seconds that each partition of the newest period takes in a run of all of it, of which nothing is stale."""
    from crm_pipeline.defs.instance import open_instance

    instance, started = open_instance(prepared.project.home), time.perf_counter()
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    done = prepared.built.job.execute_in_process(
        instance=instance, partition_key=prepared.targets[-1], run_config=quiet
    )
    told = [event.materialization.metadata["reused"].value for event in done.get_asset_materialization_events()]
    assert all(told), f"{told.count(False)} of {len(told)} partitions were built again"
    return (time.perf_counter() - started) / len(told)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
