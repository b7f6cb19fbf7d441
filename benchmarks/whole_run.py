"""The whole run of the pipeline in this process, measured layer by layer: ``python -m benchmarks.whole_run SOURCE HOME RESULT``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.meter import Meter


def main(source: Path, home: Path, result: Path) -> None:
    """Run what ``crm-pipeline run`` runs, and write what it took as JSON.

    A stretch ends when the program says that a partition is built, so what Dagster does before and between counts to
    the partition that follows it.
    """
    meter = Meter(result.with_suffix(".log"))
    from crm_pipeline.defs.run import execute, prepare
    from crm_pipeline.engine import Engine
    from crm_pipeline.lake import Lake
    from crm_pipeline.tracking import Tracker

    meter.mark("start/imports")
    meter.time_calls(Engine, "describe_file", "hashing and counting what was written")
    meter.time_calls(Lake, "publish", "manifests")
    meter.time_calls(Tracker, "log_model", "MLflow: models")
    meter.time_calls(Tracker, "log_evaluation", "MLflow: evaluations and plots")

    def listen(status: str, asset: str, partition: str, _: int) -> None:
        if status in ("built", "reused"):
            meter.mark(f"{asset}@{partition}")

    prepared = prepare(source, home, listener=listen)
    meter.mark("raw/(read and sorted into periods)")
    summary = execute(prepared)
    meter.mark("end/garbage and views")
    found = meter.result() | {"built": summary.built, "period": prepared.targets[-1], "planned": len(prepared.plan)}
    result.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
