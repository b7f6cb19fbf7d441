"""The contract of every asset of a home: its described columns, gathered from contracts, features and tasks, and its audit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import ibis

from crm_pipeline.contracts.audit import audit_output, key_of, rules_of_output
from crm_pipeline.contracts.calls import heard_columns
from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.contracts.column import Output
from crm_pipeline.contracts.core import TableContract, audit
from crm_pipeline.contracts.derived import derived_columns, outcome_columns, training_columns
from crm_pipeline.contracts.leaderboards import LEADERS
from crm_pipeline.contracts.outputs import score_columns
from crm_pipeline.contracts.tables import columns_of as columns_of_tables
from crm_pipeline.contracts.texts import activity_columns
from crm_pipeline.home.project import Project
from crm_pipeline.lake import ALL
from crm_pipeline.modeling.estimators import chosen
from crm_pipeline.modeling.tasks import Task, tasks
from crm_pipeline.modeling.value_names import LIKE


def columns_of(project: Project, asset: str) -> Sequence[Output]:
    """Return the columns that an asset always has."""
    tables, shape = project.source.tables, project.shape
    layer, task = asset.split("/")[0], _task_of(asset)
    if task is not None and layer == "outcomes":
        return outcome_columns(task.labels)
    if task is not None and layer == "training":
        return training_columns(task.labels, ())
    if task is not None and layer == "scores":
        return score_columns(task.answers)
    if asset == "activity/texts":
        return activity_columns(shape.intents)
    if asset == "activity/audio":
        return heard_columns(shape.emotions)
    return (*columns_of_tables(asset, tables), *derived_columns(asset, project.feature_columns))


def optional_columns_of(project: Project, asset: str) -> Sequence[Output]:
    """Return the columns that an asset has where there is something to say: a prediction per model, features to learn from."""
    layer, task = asset.split("/")[0], _task_of(asset)
    led = tasks().get(asset.partition("/")[2].removesuffix(LEADERS)) if asset.endswith(LEADERS) else None
    if led is not None:
        return [Output(f"mean_{metric}", "float64", f"mean {metric} over the blocks") for metric in led.shown]
    if task is not None and layer == "training":  # without any before the first cut-off
        return project.feature_columns
    if task is None or not (layer == "track_record" or asset.endswith("_predictions")):
        return ()
    models = chosen(project.settings, task.name) if layer == "evaluation" else []
    return (
        *(Output(m, "float64", f"what the model {m} foretold", task.unit) for m in models),
        *(Output(f"baseline_{b}", "float64", f"what the baseline {b} foretold", task.unit) for b in task.baselines),
    )


def _task_of(asset: str) -> Task | None:
    layer, _, rest = asset.partition("/")
    name = rest.removesuffix("_predictions")
    return tasks().get(LIKE if name == "value" and layer in ("outcomes", "training", "evaluation") else name)


@dataclass(frozen=True)
class Contract:
    """What a partition of an asset must keep: ``audit`` returns what a table of it breaks, ``rules`` is Markdown."""

    rules: str
    audit: Callable[[ibis.Table, str], list[str]]


def contract_of(project: Project, asset: str) -> Contract:
    """Return the contract of an asset: a clean table's own rules, or columns, key and ranges of what is made of it."""
    layer, _, name = asset.partition("/")
    if layer == "clean":
        rules = rules_of_clean(CANONICAL[name], from_source=name in project.source.tables)
        return Contract(rules, lambda table, period: _audit_clean(project, name, table, period))
    columns, optional, key = columns_of(project, asset), optional_columns_of(project, asset), key_of(asset)
    return Contract(rules_of_output(columns, key), lambda table, _: audit_output(table, columns, key, optional))


def rules_of_clean(contract: TableContract, from_source: bool) -> str:
    """Return the rules of a clean table as a Markdown list, for people; those with ``raw`` and ``rejects`` beside it too."""
    rules = [contract.rules_markdown()]
    if contract.main_time:
        since = "before the period's end" if contract.name == "customers" else "in the period"
        rules.append(f"- `event_at`: {since}")
    if from_source:
        rules.append(f"- of every source file, rows read = rows here + rows in `rejects/{contract.name}`")
    return "\n".join(rules)


def _audit_clean(project: Project, name: str, table: ibis.Table, period: str) -> list[str]:
    if period == ALL:
        return audit(table, CANONICAL[name])
    return audit(table, CANONICAL[name], start=project.calendar.start(period), end=project.calendar.as_of(period))
