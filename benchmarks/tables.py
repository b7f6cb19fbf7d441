"""Turns measurements into tables and verdicts, for the terminal and for docs/benchmarks.md. Nothing is measured here."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crm_pipeline.defs.common import LAYERS

GIB = 2**30
BARS = {
    "feature layer / hand-written SQL": 1.3,
    "whole run / straight line": 1.25,
    "growth exponent": 1.05,
    "orchestration, seconds a partition": 0.12,
    "orchestration, seconds a reused partition": 0.06,
    "minutes": 6.0,
    "gibibytes": 8.0,
}
TEXT_BARS = {"ratio": 20.0, "equal": 0.995, "seconds": 120.0, "gibibytes": 4.0, "whole": 180.0}
"""Of the text layer: how many times the naive way's speed and which share of equal tokens, at least; at most the memory, and the
seconds of counting and of the whole way."""

MODEL_BARS = {"explain churn/gradient_boosting": 50_000, "score all tasks": 100_000}
"""Least rows a second."""

AUDIO_BARS = {"ratio": 1.8, "equal": 1.0, "mebibytes": 500.0}
"""Of recordings: how many times the plain loop's speed and which share of equal values, at least; the memory of an hour, at most."""

READING_BAR = 2.5
"""At most so many times the processor seconds that DuckDB alone needs to read a source's files and write them by month."""

MESSAGES = "Banking77, questions"
"""The corpus that the bars of the text layer are about; the others are shown beside it."""

ORDER = ["start", *LAYERS, "end"]
LARGE = 1_000_000

Size = Mapping[str, Any]
"""One size's measurements: ``customers``, ``features``, ``runs`` and ``straight`` (lists, in the order measured)."""


def layers(run: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Sum a run's stretches by layer: seconds, processor seconds, peak memory (bytes), partitions."""
    found: dict[str, dict[str, float]] = {}
    for name, seconds, cpu, peak in run.get("stretches", []):
        layer = found.setdefault(name.split("/")[0], {"seconds": 0.0, "cpu": 0.0, "peak": 0.0, "partitions": 0})
        layer["seconds"] += seconds
        layer["cpu"] += cpu
        layer["peak"] = max(layer["peak"], peak)
        layer["partitions"] += "@" in name
    return {name: found[name] for name in sorted(found, key=lambda n: ORDER.index(n) if n in ORDER else len(ORDER))}


def good(runs: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the run with the fewest seconds of those that finished, an empty one where none did."""
    finished = [run for run in runs if "failure" not in run]
    return min(finished, key=lambda run: run["seconds"]) if finished else {}


def shown(runs: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the best run, or where none finished, what is known of one that failed."""
    runs = list(runs)
    return good(runs) or next((run for run in runs if run.get("stretches")), {})


def layer_table(size: Size) -> list[list[str]]:
    """Return the rows of seconds and memory per layer, whole run beside straight line."""
    run, straight = shown(size["runs"]), shown(size["straight"])
    ours, theirs = layers(run), layers(straight)
    rows = [
        ["layer", "partitions", "seconds", "cpu seconds", "peak MiB", "straight: seconds", "cpu seconds", "peak MiB"]
    ]
    for name in dict.fromkeys([*ours, *theirs]):
        mine, other = ours.get(name), theirs.get(name)
        rows.append(
            [name, f"{mine['partitions']:.0f}" if mine else "", *_three(mine), *_three(other)]
        )  # fmt: skip
    rows.append(["in all", f"{run.get('planned', '')}", *_three(run), *_three(straight)])
    return rows


def within_table(size: Size) -> list[list[str]]:
    """Return what lay within the layers: hashing, manifests, MLflow."""
    found = shown(size["runs"]).get("within", {})
    return [["within the layers", "seconds"], *([name, f"{value:.1f}"] for name, value in found.items())]


def slowest(size: Size, most: int = 12) -> list[list[str]]:
    """Return the assets that took longest, over all their partitions."""
    total: dict[str, list[float]] = {}
    for name, seconds, cpu, peak in shown(size["runs"]).get("stretches", []):
        one = total.setdefault(name.split("@")[0], [0.0, 0.0, 0.0])
        one[0], one[1], one[2] = one[0] + seconds, one[1] + cpu, max(one[2], peak)
    top = sorted(total.items(), key=lambda item: -item[1][0])[:most]
    rows = [[name, f"{s:.1f}", f"{c:.1f}", f"{p / 2**20:,.0f}"] for name, (s, c, p) in top]
    return [["slowest assets", "seconds", "cpu seconds", "peak MiB"], *rows]


def ratios(size: Size) -> dict[str, float]:
    """Return the ratios of one size that could be measured."""
    features, run, straight = size["features"], good(size["runs"]), good(size["straight"])
    found = {}
    if "layer" in features:
        found["feature layer / hand-written SQL"] = features["layer"] / features["by_hand"]
        found["the same, first period of a run"] = features["layer_cold"] / features["by_hand"]
        if "pandas" in features:
            found["feature layer / pandas"] = features["layer"] / features["pandas"]
    if "orchestration" in run:
        found["orchestration, seconds a partition"] = run["orchestration"]
        found["orchestration, seconds a reused partition"] = run["orchestration_reused"]
    if run and straight:
        found["whole run / straight line"] = run["seconds"] / straight["seconds"]
        found["whole run / straight line, cpu seconds"] = run["cpu"] / straight["cpu"]
    return found


def growth(sizes: Sequence[Size]) -> list[tuple[str, float]]:
    """Return the growth exponent between neighbouring sizes: log of the ratio of seconds over log of that of customers."""
    found = []
    for small, large in itertools.pairwise(sizes):
        few, many = good(small["runs"]), good(large["runs"])
        if few and many:
            times = math.log(many["seconds"] / few["seconds"])
            name = f"{small['customers']:,} to {large['customers']:,}"
            found.append((name, times / math.log(large["customers"] / small["customers"])))
    return found


def verdicts(sizes: Sequence[Size]) -> list[list[str]]:
    """Return every bar with what was measured and whether it is met."""
    rows = [["what", "customers", "measured", "bar", ""]]
    for size in sizes:
        who, at_bar = f"{size['customers']:,}", size["customers"] == LARGE
        for name, value in ratios(size).items():
            judged = name in BARS and (at_bar or name.startswith(("feature", "orchestration")))
            rows.append([name, who, f"{value:.3g}", *(_judged(value, BARS[name], "") if judged else ("", ""))])
        for kind in ("features", "runs", "straight"):
            for one in [size[kind]] if kind == "features" else size[kind]:
                if "failure" in one:
                    rows.append([f"{kind}: {one['failure']}"[:120], who, "failed", "", "missed"])
        run = good(size["runs"])
        if at_bar and run:
            rows.append(
                ["whole run", who, f"{run['seconds'] / 60:.1f} min", *_judged(run["seconds"] / 60, 6.0, " min")]
            )
            rows.append(["peak memory", who, f"{run['peak'] / GIB:.1f} GiB", *_judged(run["peak"] / GIB, 8.0, " GiB")])
    for name, value in growth(sizes):
        rows.append(["growth exponent", name, f"{value:.2f}", *_judged(value, BARS["growth exponent"], "")])
    return rows


def large_verdicts(sizes: Sequence[Size]) -> list[list[str]]:
    """Return what `benchmarks.large` is about: time, memory and room by size, and how they grow."""
    rows = [["what was bought alone", "customers", "measured", "bar", ""]]
    for size in sizes:
        run, who = size["runs"][0], f"{size['customers']:,}"
        if "failure" in run:
            rows.append([f"whole run: {run['failure']}"[:120], who, "failed", "", "missed"])
            continue
        rows.append(["whole run", who, f"{run['seconds'] / 60:.1f} min", "", ""])
        rows.append(["peak memory", who, f"{run['peak'] / GIB:.1f} GiB", *_judged(run["peak"] / GIB, 8.0, " GiB")])
        rows.append(["source, home", who, f"{run['source'] / GIB:.1f}, {run['home'] / GIB:.1f} GiB", "", ""])
    for name, value in growth(sizes):
        rows.append(["growth exponent", name, f"{value:.2f}", *_judged(value, BARS["growth exponent"], "")])
    return rows


def cost_curve(size: Size, most: int = 100_000_000) -> list[list[str]]:
    """Return hours and disk by tenfold sizes from a measured one on, on paper: all of it grows as the customers do."""
    run, customers = shown(size["runs"]), int(size["customers"])
    known = [name for name in ("source", "home") if name in run]
    rows = [["customers", "hours", *(f"{name} GiB" for name in known)]]
    while customers <= most:
        times = customers / size["customers"]
        room = [f"{run[name] * times / GIB:,.0f}" for name in known]
        rows.append([f"{customers:,}", f"{run['seconds'] * times / 3600:,.1f}", *room])
        customers *= 10
    return rows


def text_table(found: Mapping[str, Any]) -> list[list[str]]:
    """Return both ways of counting stems, corpus by corpus."""
    rows = [
        ["texts", "how many", "naive, a second", "ours, a second", "ratio", "tokens equal", "equal, messages uncut"]
    ]
    for name, one in found.get("corpora", {}).items():
        speeds = [f"{one['naive']:,.0f}", f"{one['ours']:,.0f}", f"{one['ratio']:.1f}"]
        rows.append([name, f"{one['texts']:,}", *speeds, f"{one['equal']:.4f}", f"{one['equal, uncut']:.4f}"])
    return rows


def speech_table(found: Mapping[str, Any]) -> list[list[str]]:
    """Return what is heard in real recordings and in made-up calls."""
    if "failure" in found:
        return [["speech"], [f"failed: {found['failure']}"[:120]]]
    rows = [["speech", "measured"]]
    for name, one in found["real"].items():
        for way in ("ours", "Decoder()"):
            wrong, cpu = one[f"{way}: words wrong"], one[f"{way}: cpu seconds"]
            rows.append([f"{name}, {way}: words wrong", f"{wrong:.2f} in {cpu:.1f} s of {one['seconds']:.0f} s"])
    for key, value in found["watched"].items():
        if not isinstance(value, Mapping):
            rows.append([f"made-up calls: {key}", f"{value:.3g}"])
            continue
        rows += [[f"made-up calls, by {key}: {what}", f"{one:.3g}"] for what, one in value.items() if what != "by word"]
        for word, of in value["by word"].items():
            told = f"{of['found']} of {of['said']} found, {of['made up']} made up"
            rows.append([f"made-up calls, by {key}: {word}", told])
    return rows


def text_verdicts(found: Mapping[str, Any]) -> list[list[str]]:
    """Return every bar of the text layer with what was measured and whether it is met."""
    rows = [["text", "messages", "measured", "bar", ""]]
    if "failure" in found:
        return [*rows, [f"text: {found['failure']}"[:120], "", "failed", "", "missed"]]
    real = found["corpora"].get(MESSAGES)
    for name, what in (("ratio", "speed / the naive way"), ("equal", "share of equal tokens")) if real else ():
        met = "met" if real[name] >= TEXT_BARS[name] else "missed"
        rows.append([what, f"{real['texts']:,}", f"{real[name]:.4g}", f"at least {TEXT_BARS[name]:g}", met])
    large = found["end to end"]
    who = f"{large['messages']:,}"
    for stretch, seconds in large["seconds"].items():
        rows.append([stretch, who, f"{seconds:.1f} s", "", ""])
    rows.append(["in all", who, f"{large['in all']:.1f} s", *_judged(large["in all"], TEXT_BARS["seconds"], " s")])
    rows.append(["the same, processor", who, f"{large['cpu']:.1f} s", "", ""])
    peak = large["peak"] / GIB
    rows.append(["peak memory", who, f"{peak:.2f} GiB", *_judged(peak, TEXT_BARS["gibibytes"], " GiB")])
    return [*rows, *whole_rows(found["whole"])]


def whole_rows(found: Mapping[str, Any]) -> list[list[str]]:
    """Return the bars of the way from `raw/messages` to the published `text/messages`."""
    if "failure" in found:
        return [[f"raw to text/messages: {found['failure']}"[:120], "", "failed", "", "missed"]]
    who, peak = f"{found['messages']:,}", found["peak"] / GIB
    return [
        *([f"raw to text/messages: {name}", who, f"{of['seconds']:.0f} s, processor {of['cpu']:.0f} s", "", ""]
          for name, of in found["steps"].items()),
        ["raw to text/messages", who, f"{found['seconds']:.0f} s", *_judged(found["seconds"], TEXT_BARS["whole"], " s")],
        ["the same, processor", who, f"{found['cpu']:.0f} s", "", ""],
        ["peak memory, all processes", who, f"{peak:.2f} GiB", *_judged(peak, TEXT_BARS["gibibytes"], " GiB")],
    ]  # fmt: skip


def audio_verdicts(found: Mapping[str, Any]) -> list[list[str]]:
    """Return every bar of measured recordings with what was measured and whether it is met."""
    rows = [["recordings", "how many", "measured", "bar", ""]]
    if "ratio" not in found:
        return [*rows, [f"recordings: {found.get('failure', 'none are there')}"[:120], "", "failed", "", "missed"]]
    who, call = f"{found['recordings']:,} ({found['seconds'] / 60:.0f} min)", found["long"]
    for name, what in (("ratio", "speed / the plain loop by librosa"), ("equal", "share of equal values")):
        met = "met" if found[name] >= AUDIO_BARS[name] else "missed"
        rows.append([what, who, f"{found[name]:.4g}", f"at least {AUDIO_BARS[name]:g}", met])
    one, peak = f"a call of {call['minutes']} minutes, stereo", call["peak"] / 2**20
    rows.append(["peak memory", one, f"{peak:.0f} MiB", *_judged(peak, AUDIO_BARS["mebibytes"], " MiB")])
    return [*rows, ["processor, a minute", one, f"{call['cpu'] / call['minutes']:.2f} s", "", ""]]


def reading_verdicts(found: Mapping[str, Any]) -> list[list[str]]:
    """Return the bar of reading a source with what was measured and whether it is met."""
    rows = [["reading a source", "customers", "measured", "bar", ""]]
    if "ratio" not in found:
        return [*rows, [f"reading: {found.get('failure', 'not measured')}"[:120], "", "failed", "", "missed"]]
    who = f"{found['customers']:,} ({found['rows'] / 1e6:.1f} M rows)"
    rows.append(["cpu seconds / DuckDB alone", who, f"{found['ratio']:.3g}", *_judged(found["ratio"], READING_BAR, "")])
    for name, what in (("alone", "DuckDB alone"), ("sync", "sync into an empty home")):
        one = found[name]
        rows.append([f"{what}: seconds, cpu seconds", who, f"{one['seconds']:.1f}, {one['cpu']:.1f}", "", ""])
        rows.append([f"{what}: peak memory", who, f"{one['peak'] / GIB:.1f} GiB", "", ""])
    return rows


def model_verdicts(found: Mapping[str, Any]) -> list[list[str]]:
    """Return every bar of the models at a million rows with what was measured and whether it is met."""
    rows = [["models", "rows", "measured", "bar", ""]]
    if "failure" in found:
        return [*rows, [f"models: {found['failure']}"[:120], "", "failed", "", "missed"]]
    who, process, fitted, told = f"{found['rows']:,}", found["processes"], found["trainings"], found["explanations"]
    speed, peak = told["rows_per_second"], process["peak_mib"] / 1024
    for name, value in speed.items():
        bar = MODEL_BARS.get(name)
        judged = [f"at least {bar:,}", "met" if value >= bar else "missed"] if bar else ["", ""]
        rows.append([name, who, f"{value:,.0f} rows/s", *judged])
    together, bar = told["score_all_tasks"], MODEL_BARS["score all tasks"]
    rows.append(
        ["score all tasks", who, f"{together:,.0f} rows/s", f"at least {bar:,}", "met" if together >= bar else "missed"]
    )
    rows.append(["purchase process", who, f"{process['seconds']:.1f} s", *_judged(process["seconds"], 30, " s")])
    rows.append(["purchase process, peak", who, f"{peak:.1f} GiB", *_judged(peak, 2, " GiB")])
    table = f"{max(fitted['table_rows'].values()):,}, the default cap"
    rows += [[f"fit {name}", table, f"{seconds:.1f} s", "", ""] for name, seconds in fitted["each"].items()]
    rows.append(
        [
            "fit every estimator",
            table,
            f"{fitted['seconds'] / 60:.1f} min",
            *_judged(fitted["seconds"] / 60, 10, " min"),
        ]
    )
    return rows


def cap_table(found: Mapping[str, Any]) -> list[list[str]]:
    """Return what more rows give each estimator of churn: AUC and seconds of the fit."""
    caps = found["caps"]
    counts = sorted(
        {int(key.removeprefix("auc_")) for own in caps["auc"].values() for key in own if key.startswith("auc_")}
    )
    head = ["AUC of the next cut-off (seconds of the fit)", *(f"{count:,} rows" for count in counts)]
    cells = [
        [name, *(f"{own[f'auc_{count}']:.4f} ({own[f'seconds_{count}']:.0f} s)" for count in counts)]
        for name, own in caps["auc"].items()
    ]
    return [head, *cells]


def _judged(value: float, bar: float, unit: str) -> tuple[str, str]:
    return f"at most {bar:g}{unit}", "met" if value <= bar else "missed"


def _three(of: Mapping[str, Any] | None) -> list[str]:
    if not of or "cpu" not in of:
        return ["", "", ""]
    return [f"{of['seconds']:.1f}", f"{of['cpu']:.1f}", f"{of['peak'] / 2**20:,.0f}"]


def plain(rows: list[list[str]]) -> str:
    """Return a table for the terminal: first column left, the others right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def markdown(rows: list[list[str]]) -> str:
    """Return a table for Markdown."""
    head = ["| " + " | ".join(rows[0]) + " |", "|" + "|".join(["---", *["---:"] * (len(rows[0]) - 1)]) + "|"]
    return "\n".join([*head, *("| " + " | ".join(row) + " |" for row in rows[1:])])
