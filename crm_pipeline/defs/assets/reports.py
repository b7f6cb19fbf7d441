"""The asset of the layer reports: gathers a period's frames for the page. What the page says and shows lies in reports."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import ibis

from crm_pipeline.contracts.explanations import PARTIAL, SURVIVES
from crm_pipeline.contracts.leaderboards import LEADERS
from crm_pipeline.contracts.outputs import FAIR, REPORT, WORTH, conform
from crm_pipeline.defs.assets.plans import looking_back
from crm_pipeline.defs.common import OWNERS, described, last_trained, reads
from crm_pipeline.defs.lake import Result, publishes
from crm_pipeline.home.project import Project
from crm_pipeline.lake import Dep
from crm_pipeline.modeling.estimators import chosen
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.tracking import Tracker
from crm_pipeline.versions import code_version

if TYPE_CHECKING:
    from crm_pipeline.reports.calls import Calls
    from crm_pipeline.reports.data import ReportData

TEMPLATES = Path(__file__).parents[2] / "reports" / "templates"


def report_asset(project: Project, tracker: Tracker) -> dg.AssetsDefinition:
    """Return the asset that writes one HTML page per period, and beside it a model card per champion."""
    settings, source, ins = project.settings, project.source, _inputs(project)
    used = {"currency": source.currency, "synthetic": source.synthetic, "timezone": source.timezone,
            "tables": sorted(source.tables), "eligibility": settings.eligibility, "contact": settings.contact}  # fmt: skip
    used |= {"max_gap": settings.fairness_max_gap} if settings.fairness_max_gap else {}
    code = code_version(report_asset, used, files=sorted(TEMPLATES.iterdir()))

    @dg.asset(**described(project, "reports/period", code, ins, kinds=("html",)))
    @publishes
    def period_report(context: dg.AssetExecutionContext, **tables: ibis.Table | None) -> Result:
        """The page of the period: track record, data quality, who was scored, models against baselines, reasons, drift."""
        from crm_pipeline.reports.gather import gather
        from crm_pipeline.reports.report import render_report
        from crm_pipeline.scored import with_consent

        period = context.partition_key
        data = gather(
            {n: t for n, t in tables.items() if n != "called"}, project.source, settings, period, project.shape,
            lambda scores: with_consent(project.lake, scores),
        )  # fmt: skip
        data = replace(data, undated=_undated(project))
        data = replace(data, calls=_with_sounds(project, data.calls, tables.get("called")))
        label = project.calendar.label(period)
        data = replace(data, leaderboard_files=_leaderboards(project, tracker, data, label))
        data = replace(data, card_pages=_cards(project, tracker, data, label))
        target = _write(project, f"{label}.html", render_report(data))
        row = {"as_of": project.calendar.end_date(period), "path": Path("reports", target.name).as_posix()}
        base = os.environ.get("CRM_REPORTS_UI", "http://127.0.0.1:5001")
        metadata: dict[str, Any] = {
            "report": dg.MetadataValue.url(f"{base}/{target.name}"),
            "report_file": dg.MetadataValue.path(str(target)),
        }
        return Result(conform([row], REPORT), metadata | _figures(data, period))

    return period_report


def _inputs(project: Project) -> dict[str, Dep]:
    """Return what the page reads, by the names that `reports.gather` knows."""
    settings = project.settings
    h, tasks = settings.horizon, project.tasks
    back = tuple(-i * h for i in range(settings.evaluation_cutoffs))
    so_far = tuple(range(-project.calendar.distance(project.source.first, project.source.last), 1))
    ins = {
        "scores": reads("scores/customers"),
        "segments": reads("models/segments"),
        "features": reads("features/customers", (-h, -1, 0), optional=True),
        "counts": reads("quality/rows", so_far),
    }
    for task in tasks:
        ins |= {
            f"evaluation_{task}": Dep(
                f"evaluation/{task}", back, block=settings.train_every
            ),  # as the champion reads them
            f"predictions_{task}": reads(f"evaluation/{task}_predictions"),
            f"champion_{task}": reads(f"models/{task}/champion"),
            f"leaders_{task}": reads(f"evaluation/{task}{LEADERS}"),
            f"level_{task}": reads(f"levels/{task}"),
            f"scored_{task}": reads(f"scores/{task}"),
            f"refits_{task}": reads(f"evaluation/{task}{SURVIVES}"),
            f"partial_{task}": reads(f"evaluation/{task}{PARTIAL}"),
            **({f"intervals_{task}": reads(f"evaluation/{task}_intervals")} if the_task(task).conformal else {}),
            f"record_{task}": reads(f"track_record/{task}", so_far, optional=True),
            **{f"card_{task}_{n}": last_trained(project, f"models/{task}/{n}") for n in chosen(settings, task)},
        }
    if "messages" in project.source.tables:
        year = tuple(range(1 - settings.year, 1))
        ins |= {"texts": reads("text/messages", year), "bodies": reads("clean/messages"), "words": reads("text/words"),
                "topics": reads("text/topics"), "message_topics": reads("text/message_topics")}  # fmt: skip
    if "recordings" in project.source.inputs:
        ins |= {"heard": reads("audio/calls", tuple(range(1 - settings.year, 1))), "queue": reads("plans/service"),
                "called": reads("clean/calls", looking_back(settings))}  # fmt: skip
    if {"messages", "recordings"} & project.source.inputs:
        ins |= {f"ablation_{t}": reads(f"evaluation/{t}{WORTH}", back) for t in tasks if the_task(t).ablated}
    if project.attributes:
        ins |= {f"fairness_{t}": Dep(f"evaluation/{t}{FAIR}", back, block=settings.train_every) for t in tasks}
    if "churn" in tasks:
        ins["lapsed"] = reads("outcomes/churn", (-h,), optional=True)
        ins["since"] = reads("activity/orders", tuple(range(1 - h, 1)))
    return ins


def _figures(data: "ReportData", period: str) -> dict[str, Any]:
    """Draw what the UI shows of the page."""
    from crm_pipeline.reports import plots, plots_calls, plots_texts

    shown = {}
    for task, evaluation in data.evaluation.items():
        if len(evaluation):
            figure = plots.model_comparison(evaluation, champion=data.champion(task), synthetic=data.synthetic)
            shown[f"{task}_models"] = plots.markdown_image(figure)
    drawn = {} if data.texts is None else plots_texts.figures(data.texts.counts, period, data.grain, data.synthetic)
    if data.calls is not None:
        drawn |= plots_calls.figures(data.calls.counts, data.calls.watched, data.grain, data.synthetic)
    shown |= {name: plots.markdown_image(figure, name) for name, figure in drawn.items()}
    return {name: dg.MetadataValue.md(image) for name, image in shown.items()}


def _cards(project: Project, tracker: Tracker, data: "ReportData", label: str) -> dict[str, str]:
    """Write the model card of every champion beside the report and into its MLflow run; return their places by task."""
    from importlib.metadata import version
    from platform import python_version

    from crm_pipeline.reports.card import render_card

    contact = (
        project.settings.contact
        or f"{', '.join(OWNERS)} (the owner of the assets; `contact` in crm.yaml names another)"
    )
    versions = {"crm-pipeline": version("crm-pipeline"), "Python": python_version()}
    versions |= {name: version(name) for name in ("numpy", "pandas", "scikit-learn", "xgboost")}
    found = {}
    for task in data.tasks:
        decision = data.decision(task)
        if decision is None or decision.champion is None:
            continue
        page = render_card(data, task, contact=contact, versions=versions)
        found[task] = f"cards/{label}_{task}.html"
        _write(project, found[task], page)
        tracker.log_card(_run_of_champion(data, task, decision.champion), page)
    return found


def _run_of_champion(data: "ReportData", task: str, champion: str) -> str:
    own = data.cards[(data.cards["task"] == task) & (data.cards["estimator"] == champion)]
    return str(own["run_id"].iloc[0])


def _leaderboards(project: Project, tracker: Tracker, data: "ReportData", label: str) -> dict[str, str]:
    """Write the leaderboard of every task as CSV beside the report and into its champion's MLflow run; return their places."""
    found = {}
    for task, table in data.leaderboards.items():
        champion = data.champion(task)
        if table.empty or champion is None:
            continue
        text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
        found[task] = f"leaderboards/{label}_{task}.csv"
        _write(project, found[task], text)
        tracker.log_tables(_run_of_champion(data, task, champion), {"leaderboard": text})
    return found


def _with_sounds(project: Project, calls: "Calls | None", called: ibis.Table | None) -> "Calls | None":
    """Return what the page says of calls with the recordings that it shows: what was measured of them, and where they are played."""
    from crm_pipeline.home.listening import measured
    from crm_pipeline.reports.calls import player
    from crm_pipeline.sources.recordings import place

    if calls is None or called is None or calls.channels.empty:
        return calls
    shown = called.filter(called.call_id.isin(calls.channels["call_id"].unique().tolist()))
    wanted = dict(
        shown.select("recording", "audio_path").distinct().order_by("audio_path").execute().to_numpy().tolist()
    )
    found = {sha: sound for sha, sound in measured(project, wanted).items() if not isinstance(sound, str)}
    places = {sha: place(Path(project.source.files), name) for sha, name in wanted.items()}
    there = {sha: path for sha, path in places.items() if path is not None and path.is_file()}
    return replace(calls, sounds=found, players={sha: player(path) for sha, path in there.items()})


def _undated(project: Project) -> dict[str, int]:
    """Return how many source rows of each table have no usable time, as of the last sync."""
    found = {name: project.lake.manifest(f"rejects/{name}", "undated") for name in project.source.tables}
    return {name: manifest.rows for name, manifest in found.items() if manifest is not None and manifest.rows}


def _write(project: Project, name: str, page: str) -> Path:
    """Put a page among the reports, replacing the old one at once."""
    target = project.home / "reports" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = project.lake.staging() / target.name
    temporary.write_text(page, encoding="utf-8")
    os.replace(temporary, target)
    return target
