"""Which source files are gone since the last sync, and what left the home with them. No files are read here."""

from __future__ import annotations

from collections.abc import Callable

from crm_pipeline.sources.index import Index, Record

SHOWN = 5
"""So many files of a table are named one by one; the others are counted."""


def vanished(before: Index, after: Index, label: Callable[[str], str], there: Callable[[str], bool]) -> list[str]:
    """Return a sentence per source file that was read before and is not there now.

    A file that source.yaml leaves out now, or that is there under another name with the same content, is not gone.

    Parameters
    ----------
    label : callable
        Day (ISO) to the short name of its period.
    there : callable
        Whether there is a file of a name.
    """
    found = []
    for name, table in before.tables.items():
        now = after.tables[name].records.values() if name in after.tables else []
        names = {r.name for r in now}
        known = {r.name for r in table.records.values()}
        renamed = {r.sha256 for r in now if r.name not in known}
        left = [r for r in table.records.values() if r.name not in names and r.sha256 not in renamed]
        gone = [r for r in left if not there(r.name)]
        found += [f"{r.name} is gone: {_left(name, r, label)}." for r in gone[:SHOWN]]
        if len(gone) > SHOWN:
            rest = gone[SHOWN:]
            found.append(f"{len(rest)} more files of {name} are gone, with {sum(r.rows for r in rest):,} rows.")
    return found


def _left(table: str, record: Record, label: Callable[[str], str]) -> str:
    rows = f"its {record.rows:,} row{'s' if record.rows != 1 else ''} of {table}"
    if not record.days:
        return f"{rows} left the home"
    first, last = label(min(record.days)), label(max(record.days))
    return f"{rows} ({first if first == last else f'{first} to {last}'}) left the home"
