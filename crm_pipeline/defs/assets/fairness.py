"""The asset that compares groups of people under a task's models, where the source tells groups. How lies in modeling."""

import functools
from typing import Any

import dagster as dg
import ibis

from crm_pipeline.contracts.outputs import FAIR, FAIRNESS, conform
from crm_pipeline.defs.common import described, horizon_words, reads
from crm_pipeline.defs.lake import publishes
from crm_pipeline.home.project import Project
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.transforms.training import sample_of_cutoffs
from crm_pipeline.versions import code_version


def fairness_assets(project: Project, task: str) -> list[dg.AssetsDefinition]:
    """Return the asset that compares groups under the models of h periods ago; none where the source tells no groups."""
    settings, h, attributes = project.settings, project.settings.horizon, project.attributes
    if not attributes:
        return []
    cost, saved = (settings.contact_cost, settings.saved_value) if the_task(task).averted else (None, None)
    chosen = settings.fairness_mitigate if the_task(task).kind == "probability" else ""
    tried = (chosen, settings.fairness_constraint) if chosen in attributes else None
    used = {"horizon": h, "seed": settings.seed, "contact": (cost, saved), "attributes": attributes}
    code = code_version(fairness_assets, used | {"mitigated": tried}, also=[type(the_task(task)).__module__])
    told = (
        f"Whom the {task} models of {horizon_words(project)} ago chose, missed and misjudged, by {', '.join(attributes)}: which no "
        "model reads. With intervals within this period; empty while the period is not complete."
    )
    back = (-h, 0) if tried else (0,)  # thresholds are set on the cut-off before
    ins = {
        "predictions": reads(f"evaluation/{task}_predictions", back),
        "known": reads("lifetime/customers", [b - h for b in back]),
    }

    @dg.asset(**described(project, f"evaluation/{task}{FAIR}", code, ins, kinds=("pandas",), description=told))
    @publishes
    def fairness(context: dg.AssetExecutionContext, predictions: ibis.Table | None, known: ibis.Table | None) -> Any:
        import pandas as pd

        from crm_pipeline.modeling.fairness import SAMPLE, at_cutoff, compare
        from crm_pipeline.modeling.metrics import Contact
        from crm_pipeline.modeling.mitigation import mitigate

        if predictions is None or known is None:
            return conform([], FAIRNESS)
        said = sample_of_cutoffs(predictions, SAMPLE, settings.seed).execute()
        people = known.semi_join(predictions, "customer_id")
        people = people.select("customer_id", "as_of_period", *attributes.values()).execute()
        then, now = (
            at_cutoff(said, people, key, project.calendar.end_date(key))
            for key in (project.calendar.shift(context.partition_key, -b) for b in (2 * h, h))
        )
        contact = None if cost is None or saved is None else Contact(cost, saved)
        threshold = contact.threshold if contact else 0.5
        found = [compare(task, now.predictions, now.known, as_of=now.as_of, threshold=threshold)]
        if tried:
            by, equal = tried
            of = functools.partial(mitigate, attribute=by, constraint=equal, seed=settings.seed)
            found.append(of(task, then, now, threshold=threshold, contact=contact))
        return conform(pd.concat([part for part in found if len(part)] or found[:1]), FAIRNESS)

    return [fairness]
