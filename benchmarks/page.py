"""Writes docs/benchmarks.md from what `python -m benchmarks` and `python -m benchmarks.large` found. Nothing is measured here."""

from __future__ import annotations

import json
from collections.abc import Iterable
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

BUSY = 0.05
"""Share of the cores that others had, above which seconds are not the program's own."""

LEFT_OUT = (
    "The straight-line script (`benchmarks/straight_line.py`) calls the same functions on plain Parquet files: the same "
    "reading, cleaning, activity, lifetime, features, training, judging at the same cut-offs, scoring with reasons and "
    "report. It leaves out Dagster, plan, manifests, content hashes, contract audits, hard links, views for outsiders, "
    "MLflow with its plots, the track record, and what a customer buys next by category; it reads a training table once for "
    "all estimators and keeps the models in memory."
)

MEANS = (
    "Others had so much of the cores while it was measured, so its seconds, and what follows from them, are longer than the program's own; "
    "processor seconds, memory, and ratios taken in one process nearly are."
)


def settings_line(settings: dict[str, Any]) -> str:
    """Return the settings of the runs in one line."""
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def text_section(found: dict[str, Any]) -> list[str]:
    """Return what docs/benchmarks.md says of the text layer."""
    how = " ".join((bench_text.__doc__ or "").split("\n\n", 2)[2].split())
    how += " From raw to text/messages: " + " ".join((bench_messages.__doc__ or "").split("\n\n", 1)[1].split())
    how += " The first table's speeds are per processor second, the fastest of three rounds."
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
    return [TEN_MILLION, how, tables.markdown(tables.large_verdicts(found["sizes"])),
            tables.markdown(tables.layer_table(biggest)), tables.markdown(tables.slowest(biggest))]  # fmt: skip


def paper_section(sizes: list[dict[str, Any]]) -> list[str]:
    """Return what more customers would cost on a machine like this, from the largest size that was measured."""
    big = [size for size in sizes if size["customers"] >= tables.LARGE and tables.good(size["runs"])]
    if not big:
        return []
    biggest = max(big, key=lambda size: size["customers"])
    alone = ", of what was bought alone," if "source" in tables.good(biggest["runs"]) else ""
    how = (
        f"From {biggest['customers']:,} customers{alone} as measured above to more, on a machine like this one, as if all of it grew as "
        "the customers do. Two things do not: models and evaluation grow less, for what is learned from and judged is a fixed sample, "
        "and features more, for they look through their inputs once for every range of customers that fits the memory limit. The memory "
        "that the report needs grows with the customers. On a cluster (`engine: spark`) the tables from `clean` on and the scores are "
        "divided among its machines; reading, training, judging and the report are not."
    )
    return [ON_PAPER, how, tables.markdown(tables.cost_curve(biggest))]


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


def busy(found: Any, name: str = "") -> dict[str, float]:
    """Return what was measured while others had more than `BUSY` of the cores, and how much they had."""
    if isinstance(found, list):
        found = dict(enumerate(found))
    if not isinstance(found, dict):
        return {}
    name = f"{found['customers']:,} customers" if "customers" in found and "runs" in found else name
    had = {name: found["others"]} if found.get("others", 0.0) > BUSY else {}
    for key, one in found.items():
        had = {part: max(share, had.get(part, 0.0)) for part, share in (had | busy(one, name or str(key))).items()}
    return had


def size_section(found: dict[str, Any]) -> list[str]:
    """Return what docs/benchmarks.md says of one number of customers."""
    return [
        f"## {found['customers']:,} customers",
        (
            f"Measured {found['measured']} (UTC) with {settings_line(found['settings'])}. `training_rows` is the row cap of "
            "every learner, `process_sample` that of the purchase process; reasons are computed for every scored customer."
        ),
        (
            "A layer's seconds run from the end of the partition before to the end of its own, so they hold Dagster's steps; "
            "its peak is the process's memory in that time."
        ),
        *(tables.markdown(t) for t in (tables.layer_table(found), tables.within_table(found), tables.slowest(found))),
    ]


SECTIONS = {
    "reading": reading_section,
    "text": text_section,
    "audio": audio_section,
    "speech": speech_section,
    "models": model_section,
}
"""By the part of results.json that it tells of."""


BARS, TEN_MILLION, ON_PAPER = "## Bars", "## Ten million customers", "## On paper"
HEAD = ("## Machine", BARS)
LATER = (TEN_MILLION, ON_PAPER, "## Reading", "## Text", "## Recordings", "## Speech", "## Models")
"""Headings after those of the numbers of customers."""


def page(found: dict[str, Any], last: str = "") -> str:
    """Return docs/benchmarks.md.

    Parameters
    ----------
    found : dict
        What results.json holds; of ten million customers, large.json is read where there is one.
    last : str
        The page as it was: its sections stay where nothing was measured on this machine that would replace them.
    """
    listed = sorted(found.get("sizes", {}).values(), key=lambda one: int(one["customers"]))
    ten_million = json.loads(large.RESULT.read_text(encoding="utf-8")) if large.RESULT.exists() else {}
    disturbed = [f"{name} ({share:.0%} of the cores)" for name, share in busy(found | {"large": ten_million}).items()]
    measured, kept = _measured(listed, found, ten_million), sections_of(last)
    if TEN_MILLION in kept and not ten_million:
        measured.pop(ON_PAPER, None)  # from the largest size that was ever measured
    old = {name: text for name, text in kept.items() if name not in (*measured, *HEAD)}
    before = ", ".join(name.removeprefix("## ") for name in old)
    sections = measured | old
    bars = "\n".join([tables.markdown(tables.verdicts(listed)), *_bars_of(kept.get(BARS, ""), old)])
    parts = [
        "# Benchmarks",
        *([f"**Provisional**: {', '.join(disturbed)}. {MEANS}"] if disturbed else []),
        (
            "Generated by `make bench` (`python -m benchmarks`); do not edit. The companies are made up: synthetic data, "
            f"{measure.ORDERS} orders per customer over {measure.PERIODS} months, seed {measure.SEED}."
        ),
        *([f"Measured before the rest, on a machine of the same kind: {before}."] if old else []),
        "## Machine",
        "\n".join(f"- {name}: {value}" for name, value in found["machine"].items()),
        *([BARS, bars, LEFT_OUT] if listed else []),
        *(sections[name] for name in sorted(sections, key=_place)),
    ]
    return "\n\n".join(parts) + "\n"


def _measured(listed: list[dict[str, Any]], found: dict[str, Any], ten_million: dict[str, Any]) -> dict[str, str]:
    """Return the sections of what was measured by their headings."""
    sections = [
        *map(size_section, listed),
        *([large_section(ten_million)] if ten_million else []),
        paper_section([*listed, *ten_million.get("sizes", [])]),
        *(section(found[name]) for name, section in SECTIONS.items() if found.get(name)),
    ]
    return {section[0]: "\n\n".join(section) for section in sections if section}


def _bars_of(text: str, sections: Iterable[str]) -> list[str]:
    """Return the rows of a table of bars that are of the numbers of customers of some sections."""
    sizes = {name.split()[1] for name in sections}
    return [line for line in text.splitlines() if line.startswith("|") and line.split("|")[2].strip() in sizes]


def _place(heading: str) -> tuple[int, int]:
    """Return where a section stands: numbers of customers first, by size."""
    number = heading.split()[1].replace(",", "")
    return (0, int(number)) if number.isdecimal() else (1, LATER.index(heading) if heading in LATER else len(LATER))


def sections_of(text: str) -> dict[str, str]:
    """Return the sections of a page by their headings."""
    found = [f"## {section.strip()}" for section in text.split("\n## ")[1:]]
    return {section.partition("\n")[0]: section for section in found}
