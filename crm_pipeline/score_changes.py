"""What changed a customer's published scores since the period before: the rows found by what the scored table read. Words are elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crm_pipeline.errors import CrmError
from crm_pipeline.lake import Lake, Manifest
from crm_pipeline.modeling.change import Change, change
from crm_pipeline.modeling.tasks import tasks
from crm_pipeline.provenance.generations import Past
from crm_pipeline.scored import FEATURES, TABLE, Story, open_home
from crm_pipeline.settings import load_settings
from crm_pipeline.sources.state import SourceState


def score_changes(home: Path, story: Story) -> dict[str, Change]:
    """Return by task what changed a customer's score since the scored table that this one read as the previous one.

    Where another model scores than last time, it is asked what it says of the earlier features, so that the customer's own part is
    told apart; where it is not kept, that stays open.

    Parameters
    ----------
    story : Story
        Of the customer, from `scored.explain_customer`.
    """
    if story.manifest is None:
        return {}
    lake, customer, found = open_home(home).lake, str(story.row["customer_id"]), {}
    past = Past(lake)
    earlier = past.pinned(story.manifest, TABLE)
    for task in tasks() if earlier else ():
        before, answer = past.pinned(earlier[-1], f"scores/{task}"), past.pinned(story.manifest, f"scores/{task}")
        old, new = _row(lake, before, customer), _row(lake, answer, customer)
        if old is None or new is None:
            continue
        other = old["model_version"] != new["model_version"]
        between = _between(lake, story.source, past, before[-1], answer[-1], customer) if other else None
        known = change(task, old, new, between)
        if known is not None:
            found[task] = known
    return found


def _row(lake: Lake, manifests: list[Manifest], customer: str) -> dict[str, Any] | None:
    """Return a customer's row of a partition, None where it has none."""
    if not manifests:
        return None
    table = lake.read(manifests[-1:])
    rows = table.filter(table.customer_id == customer).execute()
    return rows.iloc[0].to_dict() if len(rows) else None


def _between(
    lake: Lake, source: SourceState, past: Past, old: Manifest, new: Manifest, customer: str
) -> dict[str, float] | None:
    """Return what the model of today says of a customer's earlier features, by theme; None where either is not kept."""
    from crm_pipeline.home.project import Project
    from crm_pipeline.modeling.explain import told_as
    from crm_pipeline.modeling.stability import told_themes
    from crm_pipeline.tracking import Tracker
    from crm_pipeline.transforms.features.catalogue import catalogue

    task = new.asset.partition("/")[2]
    champions, features = past.pinned(new, f"models/{task}/champion"), past.pinned(old, FEATURES)
    if not champions or not features:
        return None
    uri = lake.read(champions[-1:]).execute()["model_uri"].iloc[0]
    table = lake.read(features[-1:])
    rows = table.filter(table.customer_id == customer).execute()
    if not isinstance(uri, str) or rows.empty:
        return None
    shape = Project(lake.home, load_settings(lake.home), source).shape
    try:
        model = Tracker(lake.home).load(uri)
        told = told_themes(model, rows, told_as(task, {f.name: f.theme for f in catalogue(source.inputs, shape)}))
    except (
        CrmError
    ):  # the model, or a feature that it needs, is not there any more: its part stays open, as `change` says
        return None
    return {str(theme): float(part) for theme, part in told.iloc[0].items()}
