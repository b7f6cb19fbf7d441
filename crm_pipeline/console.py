"""What the terminal shows: progress, summaries and tables, with Rich. Nothing is computed here."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from crm_pipeline.modeling.change import sentences
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.periods import Calendar

if TYPE_CHECKING:
    from crm_pipeline.defs.run import Prepared, Summary
    from crm_pipeline.doctor import Finding
    from crm_pipeline.home.emotions import TrainedEmotions
    from crm_pipeline.home.intents import Trained
    from crm_pipeline.modeling.change import Change
    from crm_pipeline.modeling.decision import Decision
    from crm_pipeline.queued import Queue
    from crm_pipeline.scored import Scores, Story

out = Console(width=None if os.isatty(1) else 140, highlight=False)
MOST = 20

WITH_INTENTS_LEFT_OUT = ("accuracy_kept", "accuracy_answered", "answered", "outside_recall")
EMOTION_FIGURES = {
    "accuracy": "accuracy of the likeliest label",
    "uar": "unweighted recall",
    "log_loss": "log loss",
    "calibration_error": "calibration error of its probability",
    "answered": "share answered, the others being unknown",
    "accuracy_answered": "accuracy of those answered",
}
COMPARED_FIGURES = ("accuracy", "uar", "log_loss", "calibration_error")
EMOTION_MODELS = {"svm": "SVM", "cnn": "convolutional network", "average": "average of both"}
INTENT_FIGURES = {
    "accuracy": "accuracy of the likeliest intent",
    "macro_f1": "macro-F1",
    "calibration_error": "calibration error of its probability",
    "answered": "share answered, the others being unknown",
    "accuracy_answered": "accuracy of those answered",
    "accuracy_kept": "accuracy, unknown counted as wrong",
    "outside_recall": "share of what is none of the intents called unknown",
}
"""What is shown of a classifier of intents; of its own texts those in the line above with whole intents left out."""


class Progress:
    """A bar on stderr that names the asset and partition being built; where there is no terminal, a line per period."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}", justify="left"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self._bar = Bar(*columns, console=Console(stderr=True), transient=True, disable=not os.isatty(2))
        self._task = self._bar.add_task("starting", total=None)

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """Show what is going on."""
        self._bar.update(self._task, description=text)

    def expect(self, steps: int, *, told: bool = False) -> None:
        """Set how many partitions are planned; ``told`` says it on standard output where `ended` will say the periods there."""
        self._bar.update(self._task, total=steps, completed=0)
        if told and steps and (self._bar.disable or not os.isatty(1)):
            print(
                f"{steps:,} partition{'' if steps == 1 else 's'} to build, a line per period that is done:", flush=True
            )

    def ended(self, period: str, built: int, reused: int) -> None:
        """Say on standard output that a period has ended, where it or the bar is shown on no terminal."""
        if self._bar.disable or not os.isatty(1):
            again = f", {reused:,} reused" if reused else ""
            print(f"{period}: {built:,} partition{'' if built == 1 else 's'} built{again}", flush=True)

    def listen(self, status: str, asset: str, partition: str, rows: int) -> None:
        """Take an event of `crm_pipeline.defs.lake`."""
        if status == "started":
            self._bar.update(self._task, description=f"{asset} {partition}")
        elif not asset.startswith("raw/"):
            self._bar.update(self._task, description=f"{asset} {partition}", advance=1)


def show_json(value: Any) -> None:
    """Print JSON on standard output and nothing else."""
    print(json.dumps(value, indent=1, default=str))


def show_sample(folder: Path, facts: dict[str, Any]) -> None:
    """Say what the made-up company is."""
    rows, month = facts["rows"], slice(7)
    spoken = (
        f" {min(facts['recordings'], rows['calls']):,} of the calls have a recording."
        if facts.get("recordings")
        else ""
    )
    out.print(f"[bold]{folder}[/]: a made-up company (synthetic data, seed {facts['seed']}).")
    out.print(
        f"  {facts['customers']:,} customers over {facts['periods']} months ({facts['first_period'][month]} to "
        f"{facts['last_period'][month]}), {rows['orders']:,} orders, {rows['messages']:,} messages, {rows['calls']:,} calls.{spoken}"
    )
    if facts["oracle_auc"]:
        out.print(
            f"  What can be foretold: {facts['churn_rate']:.0%} of {facts['eligible']:,} eligible customers lapsed after "
            f"{facts['cutoff'][month]}; AUC of who knows all truths {facts['oracle_auc']:.3f}, of recency alone {facts['recency_auc']:.3f}."
        )
    if facts["fix"]:
        out.print(f"  {facts['fix']} is wrong, to try a data fix with: the right one lies in truth/fix/.")
    home = folder.parent / ("home" if folder.name == "sample" else f"{folder.name}_home")
    out.print(f"Next: crm-pipeline run --source {folder} --home {home}")


def show_readiness(readiness: Any) -> None:
    """Print the data-readiness report."""
    from crm_pipeline.readiness import render_readiness

    out.print(render_readiness(readiness))


def show_plan(prepared: Prepared) -> None:
    """Print what is stale and why."""
    if not prepared.plan:
        out.print("Nothing is stale: the plan is empty.")
        return
    table = Table(
        "partition", "assets", "why (first)", title=f"{len(prepared.plan)} stale partitions", title_justify="left"
    )
    periods: dict[str, list[Any]] = {}
    for item in prepared.plan:
        periods.setdefault(item.partition, []).append(item)
    for period, items in periods.items():
        names = ", ".join(i.asset for i in items[:3]) + (f" and {len(items) - 3} more" if len(items) > 3 else "")
        table.add_row(period, names, items[0].reason)
    out.print(table)
    out.print("Carry it out with `crm-pipeline run`; `--json` lists every partition.")


def show_findings(home: Path, findings: list[Finding]) -> None:
    """Say what is wrong with a home, one line each, the worst first."""
    colours = {"error": "red", "warning": "yellow", "note": "dim"}
    for severity, colour in colours.items():
        for finding in findings:
            if finding.severity == severity:
                line = Text.assemble((f"{severity:<8}", colour), f"{finding.what} → {finding.mend}")
                out.print(line, soft_wrap=True)
    if all(finding.severity == "note" for finding in findings):
        out.print(f"Nothing is wrong with {home}.")


def show_notes(prepared: Prepared, *, aside: bool = False) -> None:
    """Say what a person should know of the source before anything is built of it; ``aside`` on standard error."""
    where = Console(stderr=True, width=out.width, highlight=False) if aside else out
    notes = list(prepared.sync.warnings)
    if prepared.sync.refused:
        undated = ((name, count) for name, count in prepared.sync.undated.items() if count)
        tables = ", ".join(f"{count:,} of {name} (rejects/{name}/undated)" for name, count in undated)
        notes.append(
            f"Rows without a usable time: {tables}. They are kept, with file, line and reason; `crm-pipeline check` shows examples."
        )
    for note in notes:
        where.print(Text.assemble(("note ", "yellow"), note))


def show_summary(summary: Summary) -> None:
    """Say what a run did, in one line."""
    if summary.built or summary.reused:
        out.print(
            f"[bold]{summary.built:,}[/] partitions built, {summary.reused:,} reused, in {summary.seconds:.0f} s"
            f" ({len(summary.run_ids)} Dagster runs)."
        )
    else:
        out.print(f"Nothing to do: everything through {summary.prepared.through} is fresh ({summary.seconds:.1f} s).")
    show_warnings(summary.warnings, summary.prepared.project.home)


def show_warnings(warnings: list[str], home: Path) -> None:
    """Say how many checks warned, the first in full, and where the others stand."""
    if warnings:
        more = f"{len(warnings)} checks warned; the newest:" if warnings[1:] else "A check warned:"
        where = f"All of them: the checks of clean/* and features/customers in `crm-pipeline ui --home {home}`."
        out.print(Text.assemble(("warning ", "yellow"), f"{more} {warnings[-1]} {where}"), soft_wrap=True)


def show_cost(prepared: Prepared) -> None:
    """Print what a backfill will build, by layer, and what that took the last time."""
    from crm_pipeline.defs.common import LAYERS
    from crm_pipeline.home.planning import estimate

    calendar, targets = prepared.project.calendar, prepared.targets
    span = f"{calendar.label(targets[0])} to {calendar.label(targets[-1])}"
    if not prepared.plan:
        out.print(f"Nothing to do: {span} is fresh.")
        return
    table = Table(title=f"Backfill of {span}", title_justify="left")
    for heading in ("layer", "partitions", "rows", "seconds"):
        table.add_column(heading, justify="left" if heading == "layer" else "right")
    costs = estimate(prepared.plan, prepared.project.lake.index())
    for layer, cost in sorted(costs.items(), key=lambda found: list(LAYERS).index(found[0])):
        seconds = "not measured yet" if cost.unknown == cost.partitions else f"{cost.seconds:,.1f}"
        table.add_row(layer, f"{cost.partitions:,}", f"{cost.rows:,}", seconds)
    out.print(table)
    known, unknown = sum(c.seconds for c in costs.values()), sum(c.unknown for c in costs.values())
    more = f", and {unknown:,} partitions that no run has measured yet" if unknown else ""
    periods = len({item.partition for item in prepared.plan})
    read = ", with those that they read" if periods > len(targets) else ""
    out.print(
        f"At most {len(prepared.plan):,} partitions in {periods} periods{read}: about {known:,.0f} s by the last runs{more}. "
        "What turns out unchanged ends the wave."
    )


def show_backfill(summary: Summary) -> None:
    """Say what a backfill did, and which periods failed."""
    show_summary(summary)
    for period, why in summary.failures.items():
        label = period if period == "all" else summary.prepared.project.calendar.label(period)
        out.print(Text.assemble(("failed ", "red"), f"{label}: {why}"))
    if summary.failures:
        out.print(
            f"{summary.held:,} partitions were left as they were, because they are of these periods or read what is. "
            "Mend the cause and run the same command again: it goes on from here."
        )


def show_results(summary: Summary) -> None:
    """Print whom to save and win back, the models beside their baselines, and where to look next."""
    from crm_pipeline.reports.summary import model_vs_baselines
    from crm_pipeline.scored import open_scores

    project, decisions = summary.prepared.project, _decisions(summary)
    source = project.source
    scores = open_scores(project.home, summary.prepared.through)
    made = " · synthetic data" if source.synthetic else ""
    for decision in decisions:
        if decision.no_use:
            out.print(Text.assemble(("warning ", "yellow"), decision.no_use), soft_wrap=True)
    _show_call_lists(scores, any(d.task == "churn" and d.no_use for d in decisions), made)
    for decision in decisions:
        _show_models(summary, decision, model_vs_baselines, made)
    report = project.home / "reports" / f"{project.calendar.label(summary.prepared.through)}.html"
    out.print(f"Report      {report}")
    out.print(f"Scores      crm-pipeline scores --home {project.home}")
    out.print(
        f"UI          crm-pipeline ui --home {project.home}: Dagster at http://127.0.0.1:3000, MLflow at :5000, reports at :5001"
    )


def _show_call_lists(scores: Scores, by_value: bool, made: str) -> None:
    """Print whom to save and whom to win back, or the most valuable where no model of churn beats a constant."""
    from crm_pipeline.reports.call_lists import WHY, call_lists

    unit = scores.source.currency or "major units"
    lists = [one for one in call_lists(scores.frame, by_value=by_value) if len(one.rows) or one.nobody]
    if not lists:
        out.print(
            "No one to call: no customer to act on has both a churn and a demand score; the reasons stand below, task by task."
        )
    for one in lists:
        if one.nobody:
            out.print(f"{one.title}, as of the end of {scores.label}{made}. {one.nobody}", soft_wrap=True)
            continue
        table = Table(title=f"{one.title}, as of the end of {scores.label}{made}. {one.told}", title_justify="left")
        table.add_column("customer")
        for heading in (f"{one.label} ({unit})", *(() if by_value else ("will lapse", "still active"))):
            table.add_column(heading, justify="right")
        for heading in () if by_value else ("what to do", WHY):
            table.add_column(heading)
        for row in one.rows.to_dict("records"):
            table.add_row(*_call_row(row, one.amount, by_value))
        out.print(table)


def _call_row(row: Mapping[Any, Any], amount: str, by_value: bool) -> list[str]:
    from crm_pipeline.reports.call_lists import reasons_told

    customer, worth = str(row["customer_id"]), f"{row[amount]:,.0f}"
    if by_value:
        return [customer, worth]
    shares = ["" if pd.isna(row.get(name)) else f"{row[name]:.0%}" for name in ("churn_probability", "still_active")]
    return [customer, worth, *shares, cell(row.get("recommended_action")), escape(reasons_told(row))]


def _decisions(summary: Summary) -> list[Decision]:
    """Return the decisions by which a run scored, task by task."""
    from crm_pipeline.modeling.decision import read_decision

    project, through = summary.prepared.project, summary.prepared.through
    tables = [project.lake.table(f"models/{task}/champion", [through]) for task in project.tasks]
    return [read_decision(table.execute().iloc[0]) for table in tables]


def _show_models(summary: Summary, decision: Decision, compare: Any, made: str) -> None:
    from crm_pipeline.reports.summary import contact_line

    project, lake = summary.prepared.project, summary.prepared.project.lake
    h, calendar, asset = project.settings.horizon, project.calendar, f"evaluation/{decision.task}"
    wanted = {*(calendar.shift(cutoff, h) for cutoff in decision.cutoffs), summary.prepared.through}
    known = [p for p in sorted(wanted) if lake.manifest(asset, p)]
    frame = compare(lake.table(asset, known).execute(), decision.cutoffs) if known else pd.DataFrame()
    if len(frame):
        out.print(_models_table(frame, decision, calendar, made))
    out.print(f"[bold]{decision.task}[/]: {escape(decision.reason)}")
    settings = project.settings
    if settings.contact_cost and settings.saved_value:
        told = contact_line(frame, decision.champion, settings.contact_cost / settings.saved_value)
        out.print(told, soft_wrap=True, end="\n" if told else "")


def _models_table(frame: pd.DataFrame, decision: Decision, calendar: Calendar, made: str) -> Table:
    newest, task = calendar.label(str(frame["cutoff"].iloc[0])[:10]), decision.task
    mean = f"the {decision.blocks} block{'' if decision.blocks == 1 else 's'} of the decision"
    title = (
        f"{task}: model against baselines, judged on what followed the end of {newest} "
        f"(in brackets the mean over {mean if decision.blocks else 'all cut-offs'}){made}"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("model")
    shown = [m for m in the_task(task).shown if m in frame]
    for metric in shown:
        table.add_column(metric.replace("_", " "), justify="right")
    for row in frame.to_dict("records"):
        cells = [f"{cell(row[m])} [dim]({cell(row[f'{m}_mean'])})[/]" for m in shown]
        name = str(row["model"]).replace("baseline_", "baseline: ").replace("_", " ")
        scoring = row["model"] == decision.champion
        short = f" ({row['cutoffs']} of {decision.blocks} blocks)" if row["cutoffs"] < decision.blocks else ""
        table.add_row(f"{name}{short}{' (scores)' if scoring else ''}", *cells, style="bold" if scoring else None)
    return table


def _frame_table(frame: pd.DataFrame, title: str, champion: str | None = None) -> Table:
    table = Table(title=title, title_justify="left")
    for name in frame.columns:
        table.add_column(str(name), justify="right" if pd.api.types.is_numeric_dtype(frame[name]) else "left")
    for row in frame.itertuples(index=False):
        cells = [cell(value) for value in row]
        table.add_row(*cells, style="bold" if champion and str(row[0]) == champion else None)
    return table


def cell(value: Any) -> str:
    """Return a value as a table shows it: numbers short, nothing for what is not known."""
    if isinstance(value, float | Decimal):
        number = float(value)
        return "" if pd.isna(number) else f"{number:,.3f}" if abs(number) < 10 else f"{number:,.0f}"
    return "" if value is None or value is pd.NaT or value is pd.NA else str(value)


def show_scores(scores: Scores) -> None:
    """Print the head of the scored table."""
    columns = [
        "customer_id",
        "status",
        "churn_probability",
        "churn_bucket",
        "expected_spend",
        "value_at_risk",
        "reason_1",
        "contactable",
    ]
    frame = scores.frame[[c for c in columns if c in scores.frame]].head(MOST)
    made = " · synthetic data" if scores.source.synthetic else ""
    out.print(
        _frame_table(
            frame, f"{len(scores.frame):,} customers as of the end of {scores.label}{_edition(scores.edition)}{made}"
        )
    )
    if len(scores.frame) > MOST:
        out.print(f"The {MOST} with the most value at risk; all of them: --format csv --to scores.csv")


def show_queue(queue: Queue) -> None:
    """Print the head of the call queue: who, when, why, and what to say first."""
    made = " · synthetic data" if queue.source.synthetic else ""
    title = f"{queue.matters:,} open matters as of the end of {queue.label}{made}"
    table = Table("", "priority", "customer", "called or opened", "why", "say first", title=title, title_justify="left")
    for row in queue.frame.itertuples():
        called = row.called_at if pd.notna(row.called_at) else row.case_opened_at
        who = [value for value in (row.customer_id, row.call_id, row.case_id) if pd.notna(value)]
        table.add_row(
            str(row.rank), f"{row.priority:.2f}", "\n".join(escape(v) for v in who), f"{called:%Y-%m-%d %H:%M}",
            escape(row.reason), escape(row.suggested_reply),
        )  # fmt: skip
    out.print(table)
    if queue.matters > len(queue.frame):
        out.print(f"The first {len(queue.frame)}; all of them, with what was said: --format csv --to queue.csv")


def show_customer(story: Story, changes: Mapping[str, Change]) -> None:
    """Print one customer's scores, factors, what changed them since the last period, and history."""
    table = Table(
        title=f"Customer {story.row.customer_id}{_edition(story.edition)}", title_justify="left", show_header=False
    )
    for name, value in story.row.items():
        if not (value is None or (not isinstance(value, list | dict) and pd.isna(value))):
            table.add_row(str(name), cell(value))
    out.print(table)
    for task, factors in story.factors.items():
        parts = Table(
            "theme", "moves the score by (log-odds; log amount for demand)", title=f"Why: {task}", title_justify="left"
        )
        for theme, value in sorted(factors.items(), key=lambda kv: -abs(float(kv[1]))):
            parts.add_row(theme, f"{float(value):+.2f}")
        out.print(parts)
        if task in changes:
            told = " ".join(sentences(changes[task], story.grain, story.source.currency))
            out.print(escape(told), soft_wrap=True)
    if len(story.history) > 1:
        out.print(_frame_table(story.history, "As scored before"))


def show_intents(done: Trained, home: Path) -> None:
    """Say how well a classifier of intents does, what *unknown* costs, what it mixes up, and where it stands."""
    for note in done.notes:
        out.print(Text.assemble(("note ", "yellow"), note), soft_wrap=True)
    outside = f" and {done.unknown:,} texts that are none of them" if done.unknown else ""
    found, judged = done.judgement, done.judgement.metrics
    out.print(
        f"[bold]{done.rows:,}[/] texts, {done.intents} intents{outside}, learned from {escape(done.file)}.",
        soft_wrap=True,
    )
    table = Table(title=f"Judged on {escape(done.judged_on)}: {found.rows:,} texts", title_justify="left")
    for heading, side in (("", "left"), ("there", "right"), ("folds of its own texts", "right")):
        table.add_column(heading, justify=side)  # type: ignore[arg-type]
    for name, words in INTENT_FIGURES.items():
        of_folds = done.measured.get(f"unknown_{name}" if name in WITH_INTENTS_LEFT_OUT else name)
        table.add_row(words, cell(judged.get(name)), cell(of_folds))
    out.print(table)
    if found.unlearned:
        out.print(
            f"{found.unlearned:,} texts are of intents that it was never shown: whatever it says of them is wrong."
        )
    for row in found.confusions.head(5).itertuples():
        out.print(f"  {row.texts:,} × {escape(str(row.intent))} taken for {escape(str(row.likeliest))}", soft_wrap=True)
    earlier = f" (what was there before: {done.earlier.name})" if done.earlier else ""
    out.print(f"Labels      {done.stored}{earlier}", soft_wrap=True)
    out.print(f"MLflow      run {done.run_id}: crm-pipeline ui --home {home}")
    out.print(f"Next        crm-pipeline run --source SOURCE --home {home} classifies the messages with it")


def show_emotions(done: TrainedEmotions, home: Path) -> None:
    """Say how well a model of how voices sound does on speakers it never heard, what it mixes up, and where it stands."""
    for note in done.notes:
        out.print(Text.assemble(("note ", "yellow"), note), soft_wrap=True)
    found = done.judgement
    out.print(
        f"[bold]{done.recordings:,}[/] recordings of {done.speakers:,} speakers, {len(done.labels)} labels, learned from "
        f"{escape(done.file)}{', normalised by speaker' if done.normalised else ''}.",
        soft_wrap=True,
    )
    table = Table(title=f"Judged on {escape(done.judged_on)}: {found.recordings:,} recordings", title_justify="left")
    for heading in ("", "there"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, words in EMOTION_FIGURES.items():
        table.add_row(words, cell(found.metrics.get(name)))
    table.add_row("share of unheard speech taken for none", cell(done.refused))
    out.print(table)
    if len(done.compared) > 1:
        out.print(_compared_emotions(done))
    if found.unlearned:
        out.print(f"{found.unlearned:,} recordings have labels that it was never shown; they are not judged.")
    wrong = found.confusions[found.confusions["emotion"] != found.confusions["likeliest"]]
    for row in wrong.sort_values("recordings", ascending=False, kind="stable").head(5).itertuples():
        out.print(
            f"  {row.recordings:,} × {escape(str(row.emotion))} taken for {escape(str(row.likeliest))}", soft_wrap=True
        )
    worst = found.speakers.head(1)
    for row in worst.itertuples():
        out.print(f"  least is told of {escape(str(row.speaker))}: {row.uar:.2f} of {row.recordings:,}", soft_wrap=True)
    earlier = f" (what was there before: {done.earlier.name})" if done.earlier else ""
    out.print(f"Labels      {done.stored}{earlier}", soft_wrap=True)
    runs = f"run {done.run_id}" + "".join(f", of the {EMOTION_MODELS[n]} {run}" for n, run in done.other_runs.items())
    out.print(f"MLflow      {runs}: crm-pipeline ui --home {home}", soft_wrap=True)


def _compared_emotions(done: TrainedEmotions) -> Table:
    title = f"Runs use the {EMOTION_MODELS[done.chosen]}: least log loss on speakers left out"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name in COMPARED_FIGURES:
        table.add_column(name.replace("_", " "), justify="right")
    for kind, figures in done.compared.items():
        table.add_row(EMOTION_MODELS[kind], *(cell(figures[name]) for name in COMPARED_FIGURES))
    return table


def _edition(told: str) -> str:
    return f" ({told})" if told else ""
