"""The page ``docs/assets.md``: every asset, what it reads, and what starts it, as the definitions say."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import dagster as dg

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.defs.build import Built, build_defs
from crm_pipeline.defs.common import inputs_of
from crm_pipeline.home.project import Project
from crm_pipeline.lake import Dep
from crm_pipeline.settings import Settings
from crm_pipeline.sources.state import SourceLabels, SourceState

HEAD = """# Assets

Generated from the definitions by `make docs`; do not edit. These are the assets of a source that has every table and labelled
recordings, by month: what
each reads (in brackets the periods, 0 is its own; *or none* where it may be absent), and what starts runs.
"""


def page() -> str:
    """Return the page."""
    with tempfile.TemporaryDirectory() as folder:
        monthly, weekly = (_built(Path(folder), grain) for grain in ("month", "week"))
        return "\n".join([HEAD, *_assets(monthly), *_jobs(monthly), *_automation(monthly, weekly)]) + "\n"


def _built(folder: Path, grain: str) -> Built:
    """Return the definitions of an open source of every table over 18 periods and more."""
    tables = {name: tuple(c.name for c in contract.columns) for name, contract in CANONICAL.items()}
    first, end = ("2025-01-01", "2026-07-01") if grain == "month" else ("2025-01-06", "2026-07-06")
    last = "2026-06-01" if grain == "month" else "2026-06-29"
    state = SourceState("all tables", "Europe/Berlin", "EUR", tables, first, last, end, closed=False)
    labels = {"emotion": SourceLabels("training/emotions.csv", "", {})}
    return build_defs(Project(folder, Settings(grain=grain), replace(state, labels=labels)))  # type: ignore[arg-type]


def _assets(built: Built) -> Iterator[str]:
    specs = sorted(((s, d) for d in built.assets for s in d.specs), key=lambda pair: pair[0].key)
    checks = {key: [c for c in d.check_specs if c.asset_key == key] for d in built.assets for key in d.keys}
    for group in sorted({spec.group_name or "" for spec, _ in specs}):
        yield f"\n## {group}\n\n| asset | kinds | reads | what it is |\n|---|---|---|---|"
        for spec, definition in specs:
            if spec.group_name != group:
                continue
            said = [c.name for c in checks[spec.key] if c.name != "contract"]
            told = " ".join((spec.description or "").split())
            once = "" if definition.partitions_def else " *One partition, undated.*"
            more = f" *Also checked: {', '.join(said)}.*" if said else ""
            fresh = " *Has a freshness policy.*" if spec.freshness_policy else ""
            yield f"| `{spec.key.to_user_string()}` | {', '.join(sorted(spec.kinds))} | {_read(spec)} | {told}{once}{more}{fresh} |"


def _read(spec: dg.AssetSpec) -> str:
    listed = [f"`{dep.asset}`{_when(dep)}" for dep in inputs_of(spec).values()]
    return ", ".join(sorted(listed)) or "the source's files"


def _when(dep: Dep) -> str:
    """Return which periods an input has, and what else is said of it."""
    offsets = tuple(offset + dep.lag for offset in dep.offsets or (0,))
    said = [] if offsets == (0,) else [_span(offsets)]
    said += [f"of the last of {dep.block}"] if dep.block > 1 else []
    said += ["or none"] if dep.optional else []
    said += ["as published too"] if dep.published else []
    return f" ({', '.join(said)})" if said else ""


def _span(offsets: Sequence[int]) -> str:
    low, high = min(offsets), max(offsets)
    if len(offsets) == high - low + 1:
        return f"{low}" if low == high else f"{low} to {high}"
    return ", ".join(str(o) for o in sorted(offsets))


def _jobs(built: Built) -> Iterator[str]:
    yield "\n## Jobs\n\n| job | assets | for |\n|---|---|---|"
    for job in sorted(built.definitions.resolve_all_job_defs(), key=lambda j: j.name):
        if not job.name.startswith("__"):
            assets = len(job.asset_layer.selected_asset_keys)
            yield f"| `{job.name}` | {assets or 'none'} | {job.description} |"


def _automation(monthly: Built, weekly: Built) -> Iterator[str]:
    yield "\n## Schedules and sensors\n\n| name | starts | when | at first |\n|---|---|---|---|"
    for built in (monthly, weekly):
        for schedule in built.definitions.schedules or ():
            assert isinstance(schedule, dg.ScheduleDefinition)
            when = f"`{schedule.cron_schedule}` {schedule.execution_timezone} (by {built.project.settings.grain})"
            yield f"| schedule `{schedule.name}` | `{schedule.job_name}` | {when} | {_status(schedule.default_status)} |"
    for sensor in monthly.definitions.sensors or ():
        starts = ", ".join(f"`{t.job_name}`" for t in sensor.targets) or "no run"
        status = _status(sensor.default_status) + (
            ", on where alerts are set" if sensor.name.startswith("tell_of") else ""
        )
        yield f"| sensor `{sensor.name}` | {starts} | every {sensor.minimum_interval_seconds or 30} s | {status} |"


def _status(status: dg.DefaultScheduleStatus | dg.DefaultSensorStatus) -> str:
    return "on" if status.value == "RUNNING" else "off"
