"""What `make bench` runs: measures every part, prints tables and bars, writes results.json and docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import measure, page, tables

DOCS = Path(__file__).parent.parent / "docs" / "benchmarks.md"
RESULTS = measure.OUT / "results.json"

PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "text": measure.text,
    "audio": measure.audio,
    "speech": measure.speech,
    "models": measure.models,
    "reading": measure.reading,
}
SIZES = (10_000, 100_000, 1_000_000)


def main() -> None:
    """Measure, print and write; what is not measured this time is taken from results.json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    every = [*PARTS, *map(str, SIZES)]
    parser.add_argument(
        "parts", nargs="*", default=every, help=f"What to measure: numbers of customers, or of {', '.join(PARTS)}."
    )
    parser.add_argument("--rounds", type=int, default=1, help="Whole runs and straight lines per size, alternately.")
    parser.add_argument("--no-docs", action="store_true", help="Leave docs/benchmarks.md as it is.")
    parser.add_argument("--again", action="store_true", help="Measure nothing.")
    given = parser.parse_args()
    if unknown := [name for name in given.parts if name not in PARTS and not name.isdecimal()]:
        parser.error(f"{', '.join(unknown)}: not a number of customers, and none of {', '.join(PARTS)}.")
    measure.OUT.mkdir(exist_ok=True)
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in () if given.again else given.parts:
        if name in PARTS:
            found[name] = PARTS[name]()
        else:
            found["sizes"] = found.get("sizes", {}) | {name: size(int(name), given.rounds)}
        found["machine"] = measure.machine()
        RESULTS.write_text(json.dumps(found, indent=1), encoding="utf-8")
    if not found:
        parser.error(f"Nothing has been measured yet: there is no {RESULTS}.")
    missed = show(found)
    if not given.no_docs:
        DOCS.write_text(page.page(found, DOCS.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(missed)


def size(customers: int, rounds: int) -> dict[str, Any]:
    """Measure everything for one number of customers."""
    _say(f"\n{customers:,} customers: {page.settings_line(measure.SETTINGS)}")
    _say(f"company in {measure.company(customers)}")
    found: dict[str, Any] = {"customers": customers, "measured": datetime.now(UTC).isoformat(timespec="minutes")}
    found["settings"] = measure.SETTINGS
    found["features"] = measure.feature_layer(customers)
    found["runs"], found["straight"] = [], []
    for _ in range(rounds):
        for kind, work in (("runs", measure.whole_run), ("straight", measure.straight_line)):
            found[kind].append(work(customers))
            last = found[kind][-1]
            _say(f"{work.__name__.replace('_', ' ')}: {last['seconds']:.1f} s {last.get('failure', '')}")
    return found


def show(found: dict[str, Any]) -> bool:
    """Print the tables of all that was found, and tell whether a bar was missed."""
    listed = sorted(found.get("sizes", {}).values(), key=lambda one: int(one["customers"]))
    for one in listed:
        _say(f"\n{one['customers']:,} customers")
        for table in (tables.layer_table(one), tables.within_table(one), tables.slowest(one)):
            _say("\n" + tables.plain(table))
    verdicts = {"reading": tables.reading_verdicts, "text": tables.text_verdicts, "audio": tables.audio_verdicts,
                "models": tables.model_verdicts}  # fmt: skip
    bars = [
        *([tables.verdicts(listed)] if listed else []),
        *(say(found[n]) for n, say in verdicts.items() if found.get(n)),
    ]
    told = {"text": tables.text_table, "speech": tables.speech_table}
    for table in [*(say(found[name]) for name, say in told.items() if found.get(name)), *bars]:
        _say("\n" + tables.plain(table))
    failed = any("failure" in found.get(name, {}) for name in PARTS)
    return failed or any(row[-1] == "missed" for table in bars for row in table)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
