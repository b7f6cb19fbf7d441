"""One self-contained HTML page per period: gathers the sections and fills the templates. No files, no lake."""

from __future__ import annotations

from typing import Any

from crm_pipeline.reports import theme, words
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.section_calls import calls_view
from crm_pipeline.reports.section_curves import curves_view, demand_view
from crm_pipeline.reports.section_customers import call_view, quality_view, scored_view
from crm_pipeline.reports.section_fairness import fairness_view
from crm_pipeline.reports.section_inputs import drift_view, reasons_view
from crm_pipeline.reports.section_models import comparison_view
from crm_pipeline.reports.section_segments import segments_view
from crm_pipeline.reports.section_texts import texts_view
from crm_pipeline.reports.section_track import track_view
from crm_pipeline.reports.view import Draw

__all__ = ["ReportData", "render_report"]

# Template (without .html.j2, also the anchor) and title, in the order of the page.
SECTIONS = (
    ("track", "Track record of published scores"),
    ("quality", "Data quality"),
    ("scored", "Who was scored, and who not"),
    ("segments", "Kinds of customers, and what they are worth"),
    ("comparison", "Models against baselines"),
    ("curves", "Ranking and calibration"),
    ("fairness", "Fairness between groups of people"),
    ("reasons", "Reasons overall"),
    ("texts", "What customers write"),
    ("calls", "Calls, and who needs a person first"),
    ("drift", "Drift of the inputs"),
    ("demand", "Demand, predicted and actual"),
    ("call", "Whom to save, and whom to win back"),
    ("glossary", "How each number was computed"),
)
_DARK = {
    "ink": "#e6eaf0",
    "muted": "#9aa5b4",
    "line": "#323b47",
    "paper": "#14181e",
    "champion": "#6cb2f5",
    "other": "#596473",
    "band": "#2c4564",
    "good": "#63c08a",
    "warn": "#e0aa4d",
    "bad": "#f0857b",
    "s1": "#ee9a63",
    "s2": "#5cc7b4",
    "s3": "#c08fd6",
    "s4": "#cdb93f",
}


def render_report(data: ReportData) -> str:
    """Return the report of one period as one HTML page: styles and drawings inside, no links but to model cards and leaderboards beside it.

    The first section is the track record of published scores. Empty frames give sentences that say what is missing and
    why; equal data give an equal page.

    Parameters
    ----------
    data : ReportData
    """
    return page("report.html.j2", _context(data))


def page(template: str, context: dict[str, Any]) -> str:
    """Return a template filled in, in the colours of the report."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("crm_pipeline.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["css_string"] = _css_string
    return environment.get_template(template).render({"dark": _DARK, **context})


def _context(data: ReportData) -> dict[str, Any]:
    draw = Draw(data)
    period = words.period(data.period, data.grain)
    return {
        "data": data,
        "period": period,
        "running": f"{data.source}: customer report {period}",
        "as_of": words.day(data.as_of),
        "horizon_end": words.day(data.horizon_end),
        "synthetic": data.synthetic,
        "no_use": [found.no_use for task in data.tasks if (found := data.decision(task)) and found.no_use]
        + [f"{task.capitalize()}: {line}" for task, lines in data.unequal.items() for line in lines],
        "colors": {name: color for color, name in theme.VARIABLES.items()},
        "sections": [
            {"id": name, "title": title, "template": f"{name}.html.j2"}
            for name, title in SECTIONS
            if name not in ("texts", "calls") or getattr(data, name) is not None
        ],
        "measures": sorted(words.MEASURES.items(), key=lambda item: item[1].label.lower()),
        "track": track_view(data, draw),
        "quality": quality_view(data),
        "scored": scored_view(data),
        "segments": segments_view(data),
        "comparison": comparison_view(data, draw),
        "curves": curves_view(data, draw),
        "fairness": fairness_view(data),
        "reasons": reasons_view(data, draw),
        "texts": texts_view(data, draw),
        "calls": calls_view(data, draw),
        "drift": drift_view(data, draw),
        "demand": demand_view(data, draw),
        "call": call_view(data),
    }


def _css_string(text: str) -> str:
    """Quote text for a style sheet: all but letters, digits and spaces as hexadecimal escapes."""
    return '"' + "".join(c if c.isascii() and (c.isalnum() or c == " ") else f"\\{ord(c):06x}" for c in text) + '"'
