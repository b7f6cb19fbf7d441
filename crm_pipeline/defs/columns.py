"""The described columns of every asset, gathered from the contracts, the features and the tasks. No values here."""

from collections.abc import Sequence

import dagster as dg

from crm_pipeline.contracts.column import Output
from crm_pipeline.contracts.derived import derived_columns, outcome_columns, training_columns
from crm_pipeline.contracts.outputs import score_columns
from crm_pipeline.contracts.tables import columns_of as columns_of_tables
from crm_pipeline.defs.project import Project
from crm_pipeline.modeling.estimators import chosen
from crm_pipeline.modeling.tasks import Task, tasks
from crm_pipeline.transforms.features import catalogue


def columns_of(project: Project, asset: str) -> Sequence[Output]:
    """Return the columns that an asset always has."""
    tables, settings = project.source.tables, project.settings
    layer, task = asset.split("/")[0], _task_of(asset)
    if task is not None and layer == "outcomes":
        return outcome_columns(task.labels)
    if task is not None and layer == "training":
        return training_columns(task.labels, ())
    if task is not None and layer == "scores":
        return score_columns(task.answers)
    return (*columns_of_tables(asset, tables), *derived_columns(asset, catalogue.columns(tables, settings)))


def optional_columns_of(project: Project, asset: str) -> Sequence[Output]:
    """Return the columns that an asset has where there is something to say: a prediction per model, features to learn from."""
    layer, task = asset.split("/")[0], _task_of(asset)
    if task is not None and layer == "training":  # without any before the first cut-off
        return catalogue.columns(project.source.tables, project.settings)
    if task is None or not (layer == "track_record" or asset.endswith("_predictions")):
        return ()
    models = chosen(project.settings, task.name) if layer == "evaluation" else []
    return (
        *(Output(m, "float64", f"what the model {m} foretold", task.unit) for m in models),
        *(Output(f"baseline_{b}", "float64", f"what the baseline {b} foretold", task.unit) for b in task.baselines),
    )


def column_schema(project: Project, asset: str) -> dg.TableSchema:
    """Return the columns as the UI shows them."""
    columns = (*columns_of(project, asset), *optional_columns_of(project, asset))
    return dg.TableSchema([dg.TableColumn(c.name, c.type, description=_with_unit(c)) for c in columns])


def _task_of(asset: str) -> Task | None:
    return tasks().get(asset.partition("/")[2].removesuffix("_predictions"))


def _with_unit(column: Output) -> str:
    return f"{column.description} [{column.unit}]" if column.unit else column.description
