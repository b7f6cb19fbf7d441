"""The asset that compares groups of people under a task's models, where the source tells groups. How lies in modeling."""

from typing import Any

import dagster as dg
import ibis

from crm_pipeline.contracts.outputs import FAIR, FAIRNESS, conform
from crm_pipeline.defs.common import described, horizon_words, reads
from crm_pipeline.defs.lake import publishes
from crm_pipeline.home.project import Project
from crm_pipeline.modeling.tasks import COMPARED
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.transforms.training import sample_of_cutoffs
from crm_pipeline.versions import code_version


def attributes_of(project: Project) -> dict[str, str]:
    """Return the attributes by which the source tells groups of people, each with its column of the customers."""
    given = project.source.tables.get("customers", ())
    return {attribute: column for attribute, column in COMPARED.items() if column in given}


def fairness_assets(project: Project, task: str) -> list[dg.AssetsDefinition]:
    """Return the asset that compares groups under the models of h periods ago; none where the source tells no groups."""
    settings, h, attributes = project.settings, project.settings.horizon, attributes_of(project)
    if not attributes:
        return []
    cost, saved = (settings.contact_cost, settings.saved_value) if the_task(task).averted else (None, None)
    used = {"horizon": h, "seed": settings.seed, "contact": (cost, saved), "attributes": attributes}
    code = code_version(fairness_assets, used, also=[type(the_task(task)).__module__])
    told = (
        f"Whom the {task} models of {horizon_words(project)} ago chose, missed and misjudged, by {', '.join(attributes)}: which no "
        "model reads. With intervals within this period; empty while the period is not complete."
    )
    ins = {"predictions": reads(f"evaluation/{task}_predictions"), "known": reads("lifetime/customers", (-h,))}

    @dg.asset(**described(project, f"evaluation/{task}{FAIR}", code, ins, kinds=("pandas",), description=told))
    @publishes
    def fairness(context: dg.AssetExecutionContext, predictions: ibis.Table, known: ibis.Table | None) -> Any:
        from crm_pipeline.modeling.fairness import SAMPLE, compare
        from crm_pipeline.modeling.metrics import Contact

        said = sample_of_cutoffs(predictions, SAMPLE, settings.seed)
        rows = said.execute() if known is not None else None
        if known is None or rows is None or rows.empty:
            return conform([], FAIRNESS)
        people = known.semi_join(predictions, "customer_id").select("customer_id", *attributes.values())
        as_of = project.calendar.end_date(project.calendar.shift(context.partition_key, -h))
        threshold = 0.5 if cost is None or saved is None else Contact(cost, saved).threshold
        return conform(compare(task, rows, people.execute(), as_of=as_of, threshold=threshold), FAIRNESS)

    return [fairness]
