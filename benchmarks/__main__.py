"""What `make bench` runs: measures every size, prints tables and bars, writes results.json and docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import (
    bench_audio,
    bench_messages,
    bench_models,
    bench_reading,
    bench_speech,
    bench_text,
    large,
    measure,
    tables,
)

DOCS = Path(__file__).parent.parent / "docs" / "benchmarks.md"
RESULTS = measure.OUT / "results.json"
BUSY = 0.5
"""Load of the machine before a run above which its seconds are not the program's own."""

LEFT_OUT = (
    "The straight-line script (`benchmarks/straight_line.py`) calls the same functions on plain Parquet files: the same "
    "reading, cleaning, activity, lifetime, features, training, judging at the same cut-offs, scoring with reasons and "
    "report. It leaves out Dagster, plan, manifests, content hashes, contract audits, hard links, views for outsiders, "
    "MLflow with its plots, and the track record; it reads a training table once for all estimators and keeps the models "
    "in memory."
)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000", help="Customers, separated by commas.")
    parser.add_argument("--rounds", type=int, default=1, help="Whole runs and straight lines per size, alternately.")
    parser.add_argument("--no-docs", action="store_true", help="Leave docs/benchmarks.md as it is.")
    parser.add_argument("--again", action="store_true", help="Only print and write what results.json holds.")
    given = parser.parse_args()
    measure.OUT.mkdir(exist_ok=True)
    found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    sizes: dict[str, Any] = found.get("sizes", {})
    text = found.get("text") if given.again else measure.text()
    audio = found.get("audio") if given.again else measure.audio()
    speech = found.get("speech") if given.again else measure.speech()
    models = found.get("models") if given.again else measure.models()
    reading = found.get("reading") if given.again else measure.reading()
    for customers in () if given.again else sorted(int(size) for size in given.sizes.split(",")):
        sizes[str(customers)] = size(customers, given.rounds)
        RESULTS.write_text(
            json.dumps({"machine": measure.machine(), "sizes": sizes, "text": text, "audio": audio, "speech": speech,
                        "models": models, "reading": reading}, indent=1),
            encoding="utf-8",
        )  # fmt: skip
    listed = sorted(sizes.values(), key=lambda one: one["customers"])
    for one in listed if given.again else ():
        show(one)
    bars = [
        tables.verdicts(listed),
        *([tables.reading_verdicts(reading)] if reading else []),
        *([tables.text_verdicts(text)] if text else []),
        *([tables.audio_verdicts(audio)] if audio else []),
        *([tables.model_verdicts(models)] if models else []),
    ]
    heard = [tables.speech_table(speech)] if speech else []
    for table in [*([tables.text_table(text)] if text else []), *heard, *bars]:
        print("\n" + tables.plain(table))
    if not given.no_docs:
        DOCS.write_text(page(listed, reading, text, audio, speech, models), encoding="utf-8")
    sys.exit(any(row[-1] == "missed" for table in bars for row in table))


def size(customers: int, rounds: int) -> dict[str, Any]:
    """Measure everything for one number of customers."""
    _say(f"\n{customers:,} customers: {settings_line(measure.SETTINGS)}")
    _say(f"company in {measure.company(customers)}; load of the machine {os.getloadavg()[0]:.1f}")
    found: dict[str, Any] = {"customers": customers, "measured": datetime.now(UTC).isoformat(timespec="minutes")}
    found["settings"] = measure.SETTINGS
    found["features"] = measure.feature_layer(customers)
    found["runs"], found["straight"] = [], []
    for _ in range(rounds):
        for kind, work in (("runs", measure.whole_run), ("straight", measure.straight_line)):
            found[kind].append(work(customers))
            last = found[kind][-1]
            _say(f"{work.__name__.replace('_', ' ')}: {last['seconds']:.1f} s {last.get('failure', '')}")
    show(found)
    return found


def show(found: dict[str, Any]) -> None:
    """Print the tables of one size."""
    _say(f"\n{found['customers']:,} customers")
    for table in (tables.layer_table(found), tables.within_table(found), tables.slowest(found)):
        _say("\n" + tables.plain(table))


def settings_line(settings: dict[str, Any]) -> str:
    """Return the settings of the runs in one line."""
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def text_section(found: dict[str, Any]) -> list[str]:
    """Return what docs/benchmarks.md says of the text layer."""
    how = " ".join((bench_text.__doc__ or "").split("\n\n", 2)[2].split())
    how += " From raw to text/messages: " + " ".join((bench_messages.__doc__ or "").split("\n\n", 1)[1].split())
    how += " The first table's speeds are per processor second, the fastest of three rounds."
    if found.get("load_before", 0) > BUSY:
        how += f" The machine was busy (load {found['load_before']:.1f} before): wall seconds are longer than the program's own."
    return ["## Text", how, tables.markdown(tables.text_table(found)), tables.markdown(tables.text_verdicts(found))]


def reading_section(found: dict[str, Any]) -> list[str]:
    """Return what docs/benchmarks.md says of reading a source."""
    how = " ".join((bench_reading.__doc__ or "").split("\n\n", 1)[1].split())
    return ["## Reading", how, tables.markdown(tables.reading_verdicts(found))]


def large_section(found: dict[str, Any]) -> list[str]:
    """Return what docs/benchmarks.md says of ten million customers."""
    how = " ".join((large.__doc__ or "").split("\n\n", 1)[1].split())
    when = "; ".join(f"{one['customers']:,} customers {one['measured']} (UTC)" for one in found["sizes"])
    how += f" Measured: {when}, with {settings_line(found['sizes'][-1]['settings'])}."
    biggest = found["sizes"][-1]
    return ["## Ten million customers", how, tables.markdown(tables.large_verdicts(found["sizes"])),
            tables.markdown(tables.layer_table(biggest)), tables.markdown(tables.slowest(biggest))]  # fmt: skip


def paper_section(sizes: list[dict[str, Any]]) -> list[str]:
    """Return what more customers would cost on a machine like this, from the largest size that was measured."""
    big = [size for size in sizes if size["customers"] >= tables.LARGE and tables.good(size["runs"])]
    if not big:
        return []
    biggest = max(big, key=lambda size: size["customers"])
    how = (
        f"From {biggest['customers']:,} customers as measured above to more, on a machine like this one. "
        f"{', '.join(tables.FIXED)}: as long as measured, for what is learned from and judged is a fixed sample where there are more "
        "than a million customers; all other layers grow as the customers do. What grows faster (sorts that spill to disk) is not in it. "
        "On a cluster (`engine: spark`) the tables from `clean` on are divided among its machines; reading, models and scores are not."
    )
    return ["## On paper", how, tables.markdown(tables.cost_curve(biggest))]


def audio_section(found: dict[str, Any]) -> list[str]:
    """Return what docs/benchmarks.md says of recordings."""
    how = " ".join((bench_audio.__doc__ or "").split("\n\n", 1)[1].split())
    return ["## Recordings", how, tables.markdown(tables.audio_verdicts(found))]


def speech_section(found: dict[str, Any]) -> list[str]:
    """Return what docs/benchmarks.md says of speech."""
    how = " ".join((bench_speech.__doc__ or "").split("\n\n", 2)[2].split())
    return ["## Speech", how, tables.markdown(tables.speech_table(found))]


def model_section(found: dict[str, Any]) -> list[str]:
    """Return what docs/benchmarks.md says of the models."""
    how = " ".join((bench_models.__doc__ or "").split("\n\n", 1)[1].split())
    if "failure" not in found:
        how += f" {found['distinct']:,} of the rows are distinct."
    caps = [tables.markdown(tables.cap_table(found))] if "caps" in found else []
    return ["## Models", how, tables.markdown(tables.model_verdicts(found)), *caps]


def page(
    listed: list[dict[str, Any]],
    reading: dict[str, Any] | None,
    text: dict[str, Any] | None,
    audio: dict[str, Any] | None,
    speech: dict[str, Any] | None,
    models: dict[str, Any] | None,
) -> str:
    """Return docs/benchmarks.md."""
    facts = "\n".join(f"- {name}: {value}" for name, value in measure.machine().items())
    loads = [run["load_before"] for one in listed for run in one["runs"] if "load_before" in run]
    busy = (
        f"\n- load before each whole run: {', '.join(f'{x:.1f}' for x in loads)} (what others ran at the same time "
        "makes seconds longer; processor seconds hardly change)"
    )
    provisional = (
        "**Provisional:** other work kept this machine busy while it was measured, so seconds, their ratios and the "
        "growth exponent are not to be relied on; processor seconds, memory and the feature layer's ratios nearly are."
    )
    parts = [
        "# Benchmarks",
        *([provisional] if max(loads, default=0) > BUSY else []),
        (
            "Generated by `make bench` (`python -m benchmarks`); do not edit. The companies are made up: synthetic data, "
            f"{measure.ORDERS} orders per customer over {measure.PERIODS} months, seed {measure.SEED}."
        ),
        "## Machine",
        facts + busy,
        "## Bars",
        tables.markdown(tables.verdicts(listed)),
        LEFT_OUT,
    ]
    for one in listed:
        parts += [
            f"## {one['customers']:,} customers",
            (
                f"Measured {one['measured']} (UTC) with {settings_line(one['settings'])}. `training_rows` is the row cap of "
                "every learner, `process_sample` that of the purchase process; reasons are computed for every scored customer."
            ),
            (
                "A layer's seconds run from the end of the partition before to the end of its own, so they hold Dagster's steps; "
                "its peak is the process's memory in that time."
            ),
            *(tables.markdown(t) for t in (tables.layer_table(one), tables.within_table(one), tables.slowest(one))),
        ]
    parts += reading_section(reading) if reading else []
    kept = json.loads(large.RESULT.read_text(encoding="utf-8")) if large.RESULT.exists() else {}
    parts += large_section(kept) if kept else []
    parts += paper_section([*listed, *(kept["sizes"] if kept else [])])
    parts += text_section(text) if text else []
    parts += audio_section(audio) if audio else []
    parts += speech_section(speech) if speech else []
    parts += model_section(models) if models else []
    return "\n\n".join(parts) + "\n"


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
