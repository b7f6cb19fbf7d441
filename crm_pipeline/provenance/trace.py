"""Where one score comes from: its features, model, training periods, pinned partitions, and the customer's own rows in the files."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.contracts.core import MARKERS, MOVED
from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.lake import Lake, Manifest
from crm_pipeline.modeling.tasks import tasks
from crm_pipeline.periods import Calendar
from crm_pipeline.provenance.generations import Past, generation, moment

TABLE, FEATURES = "scores/customers", "features/customers"


class Pinned(NamedTuple):
    """A partition that had a part in a score; ``features`` says whether in the customer's features, else in the model or level."""

    asset: str
    partition: str
    content_hash: str
    rows: int
    features: bool


class SourceRow(NamedTuple):
    """What a row of a source file tells of the customer, in the source's time zone; ``refused`` says why it did not count."""

    table: str
    id: str
    event: str
    event_at: str
    source_file: str
    source_line: int
    refused: str


@dataclass(frozen=True)
class Model:
    """The model that scored; empty where none did."""

    estimator: str = ""
    version: str = ""
    trained: str = ""
    rows: int = 0
    cutoffs: tuple[str, ...] = ()
    mlflow_run: str = ""
    uri: str = ""
    decision: str = ""


@dataclass(frozen=True)
class Trace:
    """All that made one score.

    Attributes
    ----------
    score : dict
        The row of ``scores/<task>``.
    features : dict[str, float]
        Those that are known.
    pinned : list of Pinned
        Every partition behind the score, nearest first.
    rows : list of SourceRow
        The customer's own rows, in order of time.
    lost : list of str
        Pinned partitions (``asset@partition``) whose generation is no longer kept: what is behind them is not told.
    edition : str
        Which generation of the scored table read the score, where one was asked for.
    """

    customer_id: str
    task: str
    period: str
    label: str
    generation: int
    published_at: str
    score: dict[str, Any]
    features: dict[str, float]
    model: Model
    pinned: list[Pinned]
    rows: list[SourceRow]
    lost: list[str]
    edition: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        plain = asdict(self)
        return {**plain, "pinned": [p._asdict() for p in self.pinned], "rows": [r._asdict() for r in self.rows]}


def trace(lake: Lake, calendar: Calendar, customer: str, task: str, period: str, wanted: str | None = None) -> Trace:
    """Follow a score of a period back to the files; as it is, or as a generation of the scored table read it (`generation`).

    Raises
    ------
    UsageError, CrmError
        When the customer has no such score, or that generation is not kept.
    """
    past = Past(lake)
    scored = generation(lake, calendar, TABLE, period, wanted) if wanted else None
    manifest = _read_by(past, scored, task, calendar) if scored else lake.snapshot(f"scores/{task}", [period])[0]
    found = _rows_of(lake, [manifest], customer)
    if not found:
        raise _no_score(lake, calendar, customer, task, scored or lake.snapshot(TABLE, [period])[0])
    known = past.pinned(manifest, FEATURES)
    features = _rows_of(lake, known, customer)
    behind, lost = _behind(past, [manifest])
    of_features, _ = _behind(past, known)
    of_features |= {(m.asset, m.partition): m for m in known}
    return Trace(
        customer_id=customer,
        task=task,
        period=period,
        label=calendar.label(period),
        generation=manifest.generation,
        published_at=moment(manifest, calendar.timezone),
        score=_told(found[0]),
        features={k: v for k, v in _told(features[0] if features else {}).items() if k not in ("customer_id", "as_of")},
        model=_model(past, manifest, calendar),
        pinned=[Pinned(*key, m.content_hash, m.rows, key in of_features) for key, m in behind.items()],
        rows=_source_rows(lake, of_features.values(), customer, calendar),
        lost=lost,
        edition=_edition(scored, calendar) if scored else "",
    )


def _read_by(past: Past, scored: Manifest, task: str, calendar: Calendar) -> Manifest:
    """Return the scores of a task that a generation of the scored table read."""
    name = f"scores/{task}"
    found = past.pinned(scored, name)
    if not found:
        why = "its generation is not kept" if any(k.startswith(f"{name}@") for k in scored.inputs) else "it read none"
        raise CrmError(f"The {task} scores behind {_edition(scored, calendar)} cannot be read: {why}.")
    return found[-1]


def _edition(scored: Manifest, calendar: Calendar) -> str:
    when, label = moment(scored, calendar.timezone), calendar.label(scored.partition)
    return f"generation {scored.generation} of the scored table of {label}, published {when}"


def known_task(name: str) -> str:
    """Return the name of a task.

    Raises
    ------
    UsageError
        When there is none of that name.
    """
    if name not in tasks():
        raise UsageError(f"There is no task '{name}'; there are {', '.join(tasks())}.")
    return name


def _no_score(lake: Lake, calendar: Calendar, customer: str, task: str, scored: Manifest) -> CrmError:
    """Return the sentence for a customer without a score of a task: unknown, or not asked about."""
    label = calendar.label(scored.partition)
    rows = _rows_of(lake, [scored], customer)
    if rows:
        why = rows[0]["status_reason"] or "the task does not ask about this customer"
        return CrmError(f"Customer '{customer}' has no {task} score of {label}: {why.rstrip('.')}.")
    near = lake.read([scored]).customer_id.name("id").as_table().order_by("id").limit(3).execute()["id"]
    return UsageError(f"No customer '{customer}' in the scores of {label}; ids look like {', '.join(near)}.")


def _rows_of(lake: Lake, manifests: list[Manifest], customer: str) -> list[dict[str, Any]]:
    if not manifests:
        return []
    table = lake.read(manifests)
    return table.filter(table.customer_id == customer).to_pyarrow().to_pylist()


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a row is known."""
    return {name: value for name, value in row.items() if value is not None and value == value}


def _behind(past: Past, of: Iterable[Manifest]) -> tuple[dict[tuple[str, str], Manifest], list[str]]:
    """Return the partitions that had a part in these, nearest first, and those whose generation is no longer kept."""
    found: dict[tuple[str, str], Manifest] = {}
    lost, waiting = [], deque(of)
    while waiting:
        for name, pin in sorted(waiting.popleft().inputs.items()):
            asset, at, partition = name.partition("@")
            key = (asset, partition.partition("#")[0])
            if not at or pin == "absent" or key in found:
                continue
            manifest = past.find(*key, pin)
            if manifest is None:
                lost += [name] if name not in lost else []
            else:
                found[key] = manifest
                waiting.append(manifest)
    return found, lost


def _model(past: Past, score: Manifest, calendar: Calendar) -> Model:
    """Return the champion that a score pinned, with what its card and its training table say."""
    lake, task = past.lake, score.asset.partition("/")[2]
    decisions = past.pinned(score, f"models/{task}/champion")
    champion = lake.read(decisions).to_pyarrow().to_pylist()[0] if decisions else {}
    name = champion.get("champion")
    if not name:
        return Model(decision=champion.get("reason") or "")
    found = Model(name, champion["model_version"], uri=champion["model_uri"] or "", decision=champion["reason"])
    cards = [card for card in past.pinned(decisions[0], f"models/{task}/{name}") if card.rows]
    if not cards:
        return found
    card = lake.read(cards[-1:]).to_pyarrow().to_pylist()[0]
    training = past.pinned(cards[-1], f"training/{task}")
    cutoffs = (
        lake.read(training).cutoff.name("at").as_table().distinct().order_by("at").execute()["at"] if training else []
    )
    # what a fit leaves out are the first cut-offs, which do not look back far enough: the newest are those it learned from
    learned = list(cutoffs)[-card["cutoffs"] :] if card["cutoffs"] else []
    return Model(
        name,
        card["model_version"],
        calendar.label(cards[-1].partition),
        card["rows"],
        tuple(calendar.label(str(day)[:10]) for day in learned),
        card["run_id"] or "",
        card["model_uri"] or "",
        champion["reason"],
    )


def _source_rows(lake: Lake, behind: Iterable[Manifest], customer: str, calendar: Calendar) -> list[SourceRow]:
    """Return the customer's rows in the raw partitions behind a score, in order of time."""
    raw: dict[str, list[Manifest]] = {}
    for manifest in behind:
        layer, _, name = manifest.asset.partition("/")
        if layer == "raw" and "customer_id" in manifest.schema:
            raw.setdefault(name, []).append(manifest)
    found = []
    for name, manifests in raw.items():
        key = next(c for c in (*CANONICAL[name].key, "event") if c != "customer_id")
        refused = _refused(lake, name, [m.partition for m in manifests])
        rows = [
            (row, (row["source_file"], row["source_line"], row["event_at"]))
            for row in _rows_of(lake, manifests, customer)
        ]
        moved = {place for row, place in rows if row["event"] == MOVED}
        for row, place in rows:
            if row["event"] in MARKERS or place in moved:
                continue
            said = row[key] if key != "event" else ""
            found.append(
                SourceRow(
                    name,
                    str(said),
                    row["event"] or "",
                    _local(row["event_at"], calendar),
                    *place[:2],
                    refused.get(place, ""),
                )
            )
    return sorted(found, key=lambda r: (r.event_at, r.table, r.source_file, r.source_line))


def _refused(lake: Lake, table: str, partitions: list[str]) -> dict[tuple[str, int, Any], str]:
    """Return file, line and time of the refused rows of a table → why."""
    manifests = lake.snapshot(f"rejects/{table}", partitions, optional=True)
    if not manifests:
        return {}
    rows = lake.read(manifests).select("source_file", "source_line", "event_at", "reasons").to_pyarrow().to_pylist()
    return {(r["source_file"], r["source_line"], r["event_at"]): r["reasons"] for r in rows}


def _local(at: datetime | None, calendar: Calendar) -> str:
    return f"{at.replace(tzinfo=UTC).astimezone(ZoneInfo(calendar.timezone)):%Y-%m-%d %H:%M}" if at else ""
