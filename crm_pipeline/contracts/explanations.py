"""The contract of what is told of explanations: whether reasons survive a refit, and what one feature does. No values here."""

from __future__ import annotations

from crm_pipeline.contracts.column import Output

SURVIVES = "_reasons"
"""Ending of the asset that tells whether a task's reasons survive a refit: ``evaluation/<task>_reasons``."""

PARTIAL = "_dependence"
"""Ending of the asset that tells what a task's champion says as one feature changes: ``evaluation/<task>_dependence``."""

REASONS = (
    Output("task", "text", "what is predicted"),
    Output("as_of", "date32", "everything known before this day was used"),
    Output("estimator", "text", "the champion, fitted anew twice on training customers drawn with replacement"),
    Output("model_version", "text", "version of the champion"),
    Output("status", "text", "measured, or abstained"),
    Output("reason", "text", "why nothing was measured"),
    Output("first", "float64", "share of customers of whom both refits name the same first theme", "probability"),
    Output(
        "clear", "float64", "the same among the half of them whose first theme leads the second by most", "probability"
    ),
    Output("two", "float64", "mean share of the two strongest themes that both name", "probability"),
    Output("rank", "float64", "mean over customers of Spearman's correlation of the themes' contributions"),
    Output("customers", "int64", "customers compared", "customers"),
    Output("rows", "int64", "training rows from which customers were drawn", "rows"),
)

DEPENDENCE = (
    Output("task", "text", "what is predicted"),
    Output("as_of", "date32", "everything known before this day was used"),
    Output("estimator", "text", "the champion"),
    Output("feature", "text", "one of the five features of the champion with the largest mean absolute contribution"),
    Output("theme", "text", "its theme"),
    Output("rank", "int64", "1 is the feature with the largest"),
    Output("contribution", "float64", "its mean absolute contribution in log-odds (log amount)"),
    Output("point", "int64", "which of its values, lowest first"),
    Output("at", "float64", "the value that it is set to for everybody"),
    Output("said", "float64", "what the model then says, mean over at most 500 customers: the model, not a cause"),
    Output(
        "alike",
        "text",
        "the feature that moves most with it, where that is much: setting one alone makes customers that hardly exist",
    ),
    Output("correlation", "float64", "Spearman's correlation with that feature; null below 0.8"),
)
