"""Design matrices: features of past cut-offs beside what happened since, for a fixed sample. No learning here."""

from __future__ import annotations

import ibis
from ibis.expr.types import Table

from crm_pipeline.periods import Calendar


def design_matrix(features: Table | None, outcomes: Table, *, calendar: Calendar, cap: int, seed: int) -> Table:
    """Join features and outcomes on customer and cut-off, with at most ``cap`` rows.

    Parameters
    ----------
    features : Table or None
        ``features/customers`` of several cut-offs (told apart by as_of); None before the first.
    outcomes : Table
        ``outcomes/<task>`` of those cut-offs: customer_id, cutoff, labels.
    calendar : Calendar
        Grain: as_of is the first day after the period that cutoff is the key of.
    cap : int
        Row cap. Over it, customers are taken whole, in the order of the MD5 of seed and id (so any engine, and any
        other set of cut-offs, prefers the same customers), as long as their rows fit.
    seed : int
        Seed of the sample.

    Returns
    -------
    Table
        customer_id, cutoff, as_of, labels, features; ordered by cutoff and customer_id.
    """
    features = ibis.memtable([], schema={"customer_id": "string", "as_of": "date"}) if features is None else features
    length = ibis.interval(months=1) if calendar.grain == "month" else ibis.interval(weeks=1)
    labels = [name for name in outcomes.columns if name not in ("customer_id", "cutoff")]
    inputs = [name for name in features.columns if name not in ("customer_id", "as_of")]
    outcomes = outcomes.mutate(cutoff_end=outcomes.cutoff + length)
    rows = outcomes.inner_join(
        features, [outcomes.customer_id == features.customer_id, outcomes.cutoff_end == features.as_of]
    ).select("customer_id", "cutoff", "as_of", *labels, *inputs)
    chosen = _sample(outcomes, cap, seed)
    return rows.semi_join(chosen, "customer_id").order_by("cutoff", "customer_id")


def _sample(outcomes: Table, cap: int, seed: int) -> Table:
    """The customers, in the order of their hash, whose rows fit under the cap together."""
    each = outcomes.group_by("customer_id").aggregate(n=outcomes.count())
    each = each.mutate(draw=(ibis.literal(f"{seed}:") + each.customer_id).hexdigest("md5"))
    running = each.n.sum().over(ibis.cumulative_window(order_by=[each.draw, each.customer_id]))
    each = each.mutate(running=running)
    return each.filter(each.running <= cap).select("customer_id")


def sample_of_cutoffs(predictions: Table, cap: int, seed: int) -> Table:
    """Return at most ``cap`` rows of every cut-off: those customers that come first in the order of their hash."""
    drawn = predictions.mutate(draw=(ibis.literal(f"{seed}:") + predictions.customer_id).hexdigest("md5"))
    order = ibis.window(group_by=drawn.cutoff, order_by=[drawn.draw, drawn.customer_id])
    place = drawn.mutate(place=ibis.row_number().over(order))
    return place.filter(place.place < cap).drop("draw", "place")
