"""Causes in words, for the terminal and for the UI. What they are is found in `causes`."""

from __future__ import annotations

from collections.abc import Sequence

from crm_pipeline.periods import Calendar
from crm_pipeline.provenance.causes import Cause, FileChange, PartChange

TOLD = {
    "code": "the code, the settings or the libraries of {asset} changed ({periods})",
    "came": "{asset} of {periods} was not there, or not read, before",
    "gone": "{asset} of {periods} is no longer there, or no longer read",
    "complete": "{periods} became complete, so {asset} tells what happened in it",
    "lost": "{asset} of {periods} changed, and why is no longer known: its older generation is not kept",
    "itself": "{asset} of {periods} was built anew from the same inputs and differs",
}
READ_ANOTHER_WAY = "the files of {asset} are read another way than before: by the mapping in source.yaml, a setting or the code ({periods})"
FOLLOWS = (
    "changed, though its files did not, by what other files say (the time of an order, a first event, a repeated id)"
)
ASSETS, FILES, CUSTOMERS, PARTS = 6, 3, 3, 3
"""How many of each are named."""


def told(causes: Sequence[Cause], calendar: Calendar) -> list[str]:
    """Return one sentence per changed raw partition, and one for all that differs in the same other way."""
    grouped: dict[str, list[Cause]] = {}
    found = []
    for cause in causes:
        if cause.kind in ("rows", "follows"):
            found.append(_rows(cause, calendar))
        else:
            grouped.setdefault(_sentence(cause), []).append(cause)
    for sentence, alike in grouped.items():
        assets = list(dict.fromkeys(cause.asset for cause in alike))
        periods = sorted({cause.partition for cause in alike})
        found.append(sentence.format(asset=_some(assets, ASSETS), periods=_periods(periods, calendar)))
    return found


def _sentence(cause: Cause) -> str:
    if cause.made:
        what = _some([_part(part) for part in cause.made], PARTS)
        return what.replace("{", "{{").replace("}", "}}") + ", by which {asset} is made ({periods})"
    raw = cause.asset.startswith(("raw/", "snapshot/"))
    return READ_ANOTHER_WAY if raw and cause.kind == "code" else TOLD[cause.kind]


def _part(change: PartChange) -> str:
    """Return what of a step's code, libraries or settings changed, for a sentence."""
    if change.part == "function":
        return "the code of the step changed"
    if change.part in ("settings", "libraries"):
        how = f"from {change.before or 'none'} to {change.after or 'none'}"
        return f"{'the setting ' if change.part == 'settings' else ''}{change.name} went {how}"
    return f"the {'code' if change.part == 'modules' else 'file'} {change.name.removeprefix('crm_pipeline.')} changed"


def way(cause: Cause) -> str:
    """Return the assets by which a cause reached what was asked about, from the cause on."""
    names = [asset for asset, _ in reversed(cause.way)]
    return " → ".join(name for i, name in enumerate(names) if i == 0 or name != names[i - 1])


def _rows(cause: Cause, calendar: Calendar) -> str:
    what = _some([_file(file) for file in cause.files], FILES) or "its rows stand in other lines"
    how = FOLLOWS if cause.kind == "follows" else "changed"
    return f"{cause.asset} of {_periods([cause.partition], calendar)} {how}: {what}"


def _file(file: FileChange) -> str:
    parts = [f"{count:,} {name}" for count, name in ((file.gone, "gone"), (file.new, "new")) if count]
    some = "s" if len(file.customers) > 1 else ""
    of = f"; {len(file.customers):,} customer{some}: {_some(file.customers, CUSTOMERS)}" if file.customers else ""
    return f"{file.file} (rows: {', '.join(parts)}{of})"


def _some(names: Sequence[str], most: int) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def _periods(partitions: Sequence[str], calendar: Calendar) -> str:
    labels = [calendar.label(p) if calendar.holds(p) else p for p in partitions]
    return labels[0] if len(labels) == 1 else f"{len(labels)} periods, {labels[0]} to {labels[-1]}"
