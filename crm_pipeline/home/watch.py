"""What of a published partition is worth a warning, held against earlier periods alone; nothing is held back by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil, floor
from typing import Any, NamedTuple

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.contracts.outputs import FAIR
from crm_pipeline.errors import CrmError
from crm_pipeline.home.project import Project
from crm_pipeline.lake import Manifest
from crm_pipeline.transforms import volume


class Seen(NamedTuple):
    """What a watch says of a partition: whether it is usual, a sentence, and the figures behind it."""

    usual: bool
    said: str
    facts: Mapping[str, float | int]


class Watch(NamedTuple):
    """A check that warns: its name, what it looks for in words, and the look at a partition."""

    name: str
    description: str
    look: Callable[[str], Seen]


def watch_of(project: Project, asset: str) -> Watch | None:
    """Return the check that warns of an asset, None for most: clean tables that have periods, the features, and champions by setting."""
    layer, _, name = asset.partition("/")
    if layer == "clean" and CANONICAL[name].main_time is not None:
        return Watch("volume", VOLUME, lambda period: volume_of(project, name, period))
    if asset == FEATURES:
        return Watch("drift", DRIFT, lambda period: drift_of(project, period))
    if name.endswith("/champion") and project.settings.fairness_max_gap and project.attributes:
        return Watch("fairness", FAIRNESS, lambda period: fairness_of(project, name.removesuffix("/champion"), period))
    return None


FAIRNESS = (
    "The champion chooses no group of people (by gender, age, region or country) surely more often than another by more than the "
    "setting fairness_max_gap: at the newest cut-off that it was judged at. A warning: the champion scores all the same."
)


def fairness_of(project: Project, task: str, period: str) -> Seen:
    """Hold a champion against the setting ``fairness_max_gap``."""
    from crm_pipeline.modeling.fairness import beyond

    settings, most = project.settings, project.settings.fairness_max_gap or 1.0
    back = [project.calendar.shift(period, -i * settings.horizon) for i in range(settings.evaluation_cutoffs)]
    reigning = project.lake.table(f"models/{task}/champion", [period]).execute()["champion"]
    manifests = project.lake.snapshot(f"evaluation/{task}{FAIR}", back, optional=True)
    if not len(reigning) or not manifests:
        return Seen(True, "There is no champion, or no groups were compared yet.", {})
    found = project.lake.read(manifests).execute()
    told = beyond(found, reigning.iloc[0], most)
    facts = {"attributes_compared": int(found["attribute"].nunique()), "attributes_beyond": len(told)}
    if told:
        return Seen(False, f"{task}, champion '{reigning.iloc[0]}': {' '.join(told)}", facts)
    return Seen(True, f"No two groups surely differ by more than {most:.0%} in the share chosen.", facts)


VOLUME = (
    "The rows read and the rows kept are about as many as earlier periods and their season let expect. A warning: half a file may be "
    "missing, or a file read twice. The partition is published all the same. With few rows or few periods it passes and says so."
)


FEATURES = "features/customers"
DRIFT = (
    "The features are distributed as at some cut-off that the models learn from. A warning: more than one in twenty of them is unlike "
    "every one of these cut-offs (population stability index above 0.25, and above chance), so that the models judge customers such "
    "as they never saw. The partition is published all the same. With few cut-offs it passes and says so."
)
ENOUGH, SHARE, ROWS = 5, 0.05, 20_000
"""Cut-offs from which on something is said; share of shifted features that is a warning; customers of a period that are compared."""


def drift_of(project: Project, period: str) -> Seen:
    """Hold the features of a period against each cut-off that its models learn from."""
    from crm_pipeline.reports.drift import shifted_from_all

    settings, calendar = project.settings, project.calendar
    back = [settings.horizon + i * settings.training_stride for i in range(settings.training_cutoffs)]
    cutoffs = [m for b in back if (m := project.lake.manifest(FEATURES, calendar.shift(period, -b))) and m.rows]
    if len(cutoffs) < ENOUGH or not project.complete(period):
        return Seen(True, "Too few cut-offs, or a period that is not complete: nothing to say.", {})
    try:
        now = _features(project, project.lake.snapshot(FEATURES, [period])[0])
        found, compared = shifted_from_all((_features(project, manifest) for manifest in cutoffs), now)
    except (
        CrmError
    ) as error:  # a lost file of an earlier period is the doctor's to tell; what is published here is right
        return Seen(True, f"Not compared: {error}", {})
    facts = {"features_shifted": len(found), "features_compared": compared, "cutoffs": len(cutoffs)}
    if len(found) <= SHARE * compared:
        return Seen(True, "Distributed as at some cut-off that the models learn from.", facts)
    most = ", ".join(
        f"{r.feature} (median {r.median_before:.4g}, now {r.median_now:.4g})" for r in found[:3].itertuples()
    )
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    said = (
        f"features of {calendar.label(period)}: {len(found)} of {compared} are distributed otherwise than at each of the "
        f"{len(cutoffs)} cut-offs that the models learn from: {most}{more}; see whether a table is cut or a column changed its meaning."
    )
    return Seen(False, said, facts)


def _features(project: Project, manifest: Manifest) -> Any:
    """Return the features of a sample of a period's customers that does not depend on their order."""
    from crm_pipeline.reports.drift import OF_ITS_OWN

    table = project.lake.read([manifest])
    names = [n for n, kind in table.schema().items() if kind.is_numeric() and not n.startswith(OF_ITS_OWN)]
    return table.filter(table.customer_id.hash() % max(1, manifest.rows // ROWS) == 0).select(names).execute()


def volume_of(project: Project, table: str, period: str) -> Seen:
    """Hold the rows of a table's period, as read and as kept, against those of the periods before it, by the manifests."""
    if not project.complete(period):
        return Seen(True, "The period is not complete: nothing to say of its rows yet.", {})
    facts: dict[str, float | int] = {}
    for what, layer in (("read", "raw"), ("kept", "clean")):
        now = project.lake.manifest(f"{layer}/{table}", period)
        if now is None:  # orders that are made of their lines have no raw table
            continue
        found = volume.judge(now.rows, _earlier(project, f"{layer}/{table}", period), project.settings.year)
        facts[f"rows_{what}"] = found.rows
        if found.expected is None or found.low is None or found.high is None:
            continue
        facts |= {
            f"{what}_expected": round(found.expected),
            f"{what}_low": ceil(found.low),
            f"{what}_high": floor(found.high),
        }
        if not found.usual:
            said = (
                f"{table} of {project.calendar.label(period)}: {found.rows:,} rows were {what}, where earlier periods let expect about "
                f"{found.expected:,.0f} ({ceil(found.low):,} to {floor(found.high):,}); see whether a file is missing, cut or there twice."
            )
            return Seen(False, said, facts)
    judged = any(name.endswith("_expected") for name in facts)
    return Seen(True, "As many rows as expected." if judged else "Too few periods or rows to say.", facts)


def _earlier(project: Project, asset: str, period: str) -> list[int]:
    """Return the rows of the periods before one, the oldest first, without a gap, of at most two and a half years.

    The first period with rows is left out: it may be cut, or hold all that came before it.
    """
    calendar, most = project.calendar, project.settings.year * 5 // 2
    rows: list[int] = []
    for back in range(1, most + 1):
        key = calendar.shift(period, -back)
        manifest = project.lake.manifest(asset, key) if key >= project.source.first else None
        if manifest is None:
            break
        rows.insert(0, manifest.rows)
    begun = next((i for i, n in enumerate(rows) if n), len(rows))
    return rows[begun:] if len(rows) == most and not begun else rows[begun + 1 :]
