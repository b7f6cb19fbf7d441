"""The contract of what the pipeline makes: columns, types, units and meaning of models, evaluations and scores. No values here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from crm_pipeline.contracts.actions import HIGH, MEDIUM
from crm_pipeline.contracts.column import Output, arrow_schema
from crm_pipeline.contracts.explanations import DEPENDENCE, PARTIAL, REASONS, SURVIVES
from crm_pipeline.contracts.leaderboards import LEADERBOARD, LEADERS


def _columns(*rows: tuple[str, ...]) -> tuple[Output, ...]:
    return tuple(Output(*row) for row in rows)


WORTH = "_ablation"
"""Ending of the asset that tells what tables, texts and audio are worth to a task: ``evaluation/<task>_ablation``."""

FAIR = "_fairness"
"""Ending of the asset that compares groups of people under a task's models: ``evaluation/<task>_fairness``."""

CARD = _columns(
    ("task", "text", "what the model predicts"),
    ("estimator", "text", "which learner"),
    ("model_version", "text", "follows from training data, code, settings and seed"),
    ("status", "text", "fitted, or abstained"),
    ("reason", "text", "what was missing when it abstained"),
    ("trained_as_of", "date32", "everything known before this day was learned from"),
    ("rows", "int64", "training rows", "customer × cut-off"),
    ("customers", "int64", "different customers trained on", "customers"),
    ("cutoffs", "int64", "different cut-offs trained on", "periods"),
    ("events", "int64", "training rows with the outcome (lapsed, or bought)", "rows"),
    ("features", "text", "the features it reads, as JSON list"),
    ("parameters", "text", "its parameters, as JSON"),
    ("model_uri", "text", "where MLflow keeps it"),
    ("run_id", "text", "its MLflow run"),
)

SEGMENT_CARD = (
    *CARD,
    *_columns(
        (
            "k",
            "int64",
            "how many segments: the fewest of 4 to 8 whose mean silhouette is within 0.02 of the best",
            "segments",
        ),
        ("silhouette", "float64", "mean silhouette over a fixed sample of at most 2,000 customers, from -1 to 1"),
        (
            "stability",
            "float64",
            "adjusted Rand index with the period before, over customers known in both: 1 is the same groups, 0 is chance",
        ),
        (
            "refit_stability",
            "float64",
            "the same of today's customers by both periods' centres: what the refit alone changed",
        ),
        (
            "segments",
            "text",
            "the fitted segments, as JSON: names, centres (logarithms of one more), scale, RFM quintiles, silhouettes",
        ),
    ),
)

SEGMENTS = _columns(
    ("customer_id", "text", "the customer"),
    ("as_of", "date32", "everything known before this day was used"),
    ("status", "text", "scored, or abstained"),
    ("status_reason", "text", "why there is no segment"),
    ("segment", "text", "the kind of customer, in words"),
    ("recency", "int64", "RFM: fifth of the customers by days since the last order; 5 is the most recent"),
    ("frequency", "int64", "RFM: fifth by purchase days; 5 is the most"),
    ("monetary", "int64", "RFM: fifth by spend; 5 is the highest"),
    ("model_version", "text", "version of the fitted segments"),
)

CATEGORIES = _columns(
    ("customer_id", "text", "the customer"),
    ("as_of", "date32", "everything known before this day was used"),
    ("horizon_end", "date32", "the spend is that until this day"),
    ("category", "text", "product category; beyond the 20 biggest, (other categories)"),
    (
        "expected_spend",
        "float64",
        "expected spend on it; a customer's categories add up to the expected spend",
        "major currency units",
    ),
    ("share", "float64", "its share in what the customer is expected to spend"),
    ("rank", "int64", "1 is the category with most"),
)

CATEGORY_TOTALS = _columns(
    ("category", "text", "product category; beyond the 20 biggest, (other categories)"),
    ("as_of", "date32", "everything known before this day was used"),
    ("horizon_end", "date32", "the spend is that until this day"),
    ("expected_spend", "float64", "expected spend of all scored customers on it", "major currency units"),
    ("share", "float64", "its share in all expected spend: last year's, moved by the season"),
    ("share_last_year", "float64", "its share in the last year's spend"),
    ("share_last_season", "float64", "its share in the same season a year ago; null where the data begin later"),
)

LEVEL = _columns(
    ("task", "text", "what is predicted"),
    ("level", "text", "the a-priori seasonal level, as JSON: shift in log-odds or log amount, forecast of the total"),
)

INTERVALS = _columns(
    ("task", "text", "what is predicted"),
    ("model", "text", "estimator or baseline"),
    ("band", "int64", "customers of like predictions; 1 are the lowest"),
    (
        "above",
        "float64",
        "predicted amount from which the band goes; a lower one counts as the first",
        "major currency units",
    ),
    ("low", "float64", "lower end of the 80 % interval, as a multiple of the predicted amount"),
    ("median", "float64", "median, as a multiple of it"),
    ("high", "float64", "upper end, as a multiple of it"),
    (
        "asked",
        "float64",
        "share of the calibration rows that the interval holds: 0.8, moved by the coverage seen",
        "probability",
    ),
    ("rows", "int64", "customers at earlier cut-offs that calibrated all bands of the model", "rows"),
    ("cutoffs", "int64", "those cut-offs, h periods apart", "periods"),
)

EVALUATION = _columns(
    ("task", "text", "what was predicted"),
    ("model", "text", "estimator or baseline"),
    ("kind", "text", "estimator or baseline"),
    ("cutoff", "date32", "first day of the period at whose end the prediction was made"),
    ("metric", "text", "which measure"),
    ("value", "float64", "its value"),
    ("low", "float64", "lower end of the 95 % interval over customers, within this period"),
    ("high", "float64", "upper end of it"),
    ("n", "int64", "customers judged", "customers"),
)

ABLATION = _columns(
    ("task", "text", "what was predicted"),
    ("left_out", "text", "the features that one of the two fits does without: of tables, texts, audio, or two of them"),
    ("estimator", "text", "the estimator, fitted twice"),
    ("cutoff", "date32", "first day of the period at whose end the prediction was made"),
    ("metric", "text", "which measure"),
    ("with_features", "float64", "its value with the features"),
    ("without_features", "float64", "its value without them"),
    ("n", "int64", "customers judged", "customers"),
)

FAIRNESS = _columns(
    ("task", "text", "what was predicted"),
    ("model", "text", "estimator"),
    ("cutoff", "date32", "first day of the period at whose end the prediction was made"),
    ("attribute", "text", "by which groups are told apart: gender, age, region, country, as known then"),
    (
        "group",
        "text",
        "the group; (unknown); (all others): the small ones pooled; (between groups): the largest difference",
    ),
    ("metric", "text", "which measure; of a mitigation, one that begins with mitigated_"),
    ("value", "float64", "its value; null for fewer than 30 customers"),
    (
        "low",
        "float64",
        "lower end of the 95 % interval over customers, within this period; between groups for all pairs at once",
    ),
    ("high", "float64", "upper end of it"),
    ("n", "int64", "customers", "customers"),
    ("events", "int64", "of these, those with the outcome (lapsed, or bought)", "customers"),
    ("chosen_from", "float64", "prediction from which a customer counts as chosen"),
)

PREDICTIONS = _columns(
    ("customer_id", "text", "the customer"),
    ("cutoff", "date32", "first day of the period at whose end the prediction was made"),
    ("outcome", "float64", "what happened: 1 lapsed, 0 not; or spend", "major currency units"),
)
"""Followed by one column per estimator, and one per baseline prefixed ``baseline_``."""

CHAMPION = _columns(
    ("task", "text", "what is predicted"),
    ("as_of", "date32", "everything known before this day was judged"),
    ("champion", "text", "the estimator that scores"),
    ("model_version", "text", "version of that model"),
    ("status", "text", "promoted, held, fixed, rolled_back, unjudged, kept or abstained"),
    ("reason", "text", "why, in words"),
    (
        "since",
        "date32",
        "as_of of the first decision in a row, one a block of time, that named this estimator; null: too few",
    ),
    ("blocks", "int64", "non-overlapping blocks of h periods the decision rests on", "blocks"),
    ("runner_up", "text", "the fitted estimator of the lowest mean loss over them beside the champion"),
    (
        "beats_constant",
        "bool",
        "a model beats the baseline that says the same of everyone, and ranks better than chance",
    ),
    ("evidence", "text", "the figures behind the decision, as JSON"),
    ("model_uri", "text", "where MLflow keeps it"),
    ("trained_as_of", "date32", "everything known before this day was learned from"),
)

_SCORED = _columns(
    ("customer_id", "text", "the customer"),
    ("task", "text", "what is predicted"),
    ("as_of", "date32", "everything known before this day was used"),
    ("horizon_end", "date32", "the prediction speaks of the time until this day"),
    ("label_definition", "text", "what exactly is predicted"),
    ("status", "text", "scored, abstained or extrapolated"),
    ("status_reason", "text", "why there is no score"),
)
_EXPLAINED = _columns(
    ("low", "float64", "lower end of the 80 % interval"),
    ("high", "float64", "upper end of the 80 % interval"),
    ("interval_basis", "text", "what the interval rests on, in words"),
    ("percentile", "float64", "100 is the highest risk or value"),
    ("reason_1", "text", "the theme that moved the score most, in words"),
    ("reason_2", "text", "the next"),
    ("reason_3", "text", "the next"),
    ("factors", "text", "theme to contribution in log-odds (log amount), as JSON"),
    ("model", "text", "the champion that scored"),
    ("model_version", "text", "its version"),
    ("features_hash", "text", "hash of the customer's features"),
    ("run_id", "text", "Dagster run that scored"),
)


def score_columns(answers: Iterable[Output]) -> tuple[Output, ...]:
    """Return the columns of ``scores/<task>``: who and when, the task's own answers, and what explains them."""
    return (*_SCORED, *answers, *_EXPLAINED)


VALUE = _columns(
    ("customer_id", "text", "the customer"),
    ("as_of", "date32", "everything known before this day was used"),
    ("horizon_end", "date32", "the value is that of the year until this day"),
    (
        "status",
        "text",
        "scored: an outcome of a year has judged the values of such customers; extrapolated: none has; or abstained",
    ),
    ("status_reason", "text", "why, in one sentence"),
    (
        "value",
        "float64",
        "expected spend over the next year (a mean): expected purchase days × spend on one",
        "major currency units",
    ),
    (
        "expected_days",
        "float64",
        "purchase days expected in the next year, mean of the two purchase processes",
        "purchase days",
    ),
    (
        "spend_per_day",
        "float64",
        "expected spend on a purchase day (Gamma-Gamma): between everybody's and the customer's own, the nearer to it the more days",
        "major currency units",
    ),
    ("percentile", "float64", "100 is the highest value"),
    ("value_basis", "text", "revenue"),
    (
        "low",
        "float64",
        "lower end of the 80 % interval, as the year before calibrated it; null: extrapolated",
        "major currency units",
    ),
    ("high", "float64", "upper end of it", "major currency units"),
    (
        "value_learned",
        "float64",
        "what gradient boosting expects beside, of customers with an order in the last year; null until a year's outcomes exist",
        "major currency units",
    ),
    ("model_version", "text", "version of the fitted models"),
)

CUSTOMERS = _columns(
    ("customer_id", "text", "the customer"),
    ("as_of", "date32", "everything known before this day was used"),
    ("horizon_end", "date32", "the predictions speak of the time until this day"),
    ("label_definition", "text", "what lapse means here"),
    ("status", "text", "scored or abstained"),
    ("status_reason", "text", "why there is no score, or none of demand"),
    ("last_order_at", "timestamp[us]", "last order with a positive amount", "the source's time zone"),
    ("orders_12m", "int64", "orders in the last year", "orders"),
    ("spend_12m", "float64", "spend in the last year", "major currency units"),
    ("churn_probability", "float64", "probability of no order in the horizon", "probability"),
    ("churn_percentile", "float64", "100 is the highest risk among the scored"),
    ("churn_bucket", "text", f"high ({HIGH:.0%} or more), medium ({MEDIUM:.0%} or more) or low risk"),
    ("change_since_last", "float64", "change of the probability since the last published period"),
    ("reason_1", "text", "the theme that moved the risk most, in words"),
    ("reason_2", "text", "the next"),
    ("reason_3", "text", "the next"),
    ("reasons_changed", "bool", "the first reason differs from the last published one"),
    ("expected_orders", "float64", "expected orders in the horizon", "orders"),
    ("expected_spend", "float64", "expected spend in the horizon (a mean)", "major currency units"),
    ("median_spend", "float64", "median spend in the horizon", "major currency units"),
    (
        "expected_spend_low",
        "float64",
        "lower end of the shortest interval that holds four in five such customers; 0 where many buy nothing",
        "major currency units",
    ),
    (
        "expected_spend_high",
        "float64",
        "upper end of it; it can lie below the mean, and is 0 where four in five customers of like expected spend buy nothing",
        "major currency units",
    ),
    (
        "next_category",
        "text",
        "category the customer spent most on in the last year; without any, the one with most expected spend",
    ),
    (
        "customer_value",
        "float64",
        "spend over the next year by the purchase process (`scores/value`); another model: it can be below `expected_spend` of who is gone",
        "major currency units",
    ),
    ("value_basis", "text", "revenue, or margin where unit costs are known"),
    (
        "value_status",
        "text",
        "scored; extrapolated: no outcome of a year has judged the value of such a customer; or abstained",
    ),
    (
        "still_active",
        "float64",
        "probability of still being active by the purchase process (mean of MBG/NBD and Pareto/NBD); below a half: to be won back",
        "probability",
    ),
    (
        "value_at_risk",
        "float64",
        "probability of lapse × expected spend if still active (over `still_active`, or a half where that is less): the order of *save*",
        "major currency units",
    ),
    ("value_tier", "text", "top 10 %, next 20 %, middle 40 %, low 30 % by expected spend"),
    ("segment", "text", "the kind of customer, in words (`scores/segments`); null where too few customers are known"),
    (
        "sentiment",
        "float64",
        "how the customer's messages of the last year felt, on average, from -1 to 1; null without any",
    ),
    ("open_cases", "int64", "cases opened and not closed", "cases"),
    (
        "contactable",
        "bool",
        "false: an opt-out, or (command and report) consent refused; true: none so far, which is no permission; null: opt-outs are unknown",
    ),
    ("not_contactable_reason", "text", "why not"),
    ("preferred_channel", "text", "channel of the last order"),
    ("in_control_group", "bool", "drawn into a control arm in the last year"),
    ("recommended_action", "text", "what to do, by the rule below"),
    ("action_basis", "text", "rule, or measured by a randomised control arm"),
    ("action_expected_gain", "float64", "null unless measured", "major currency units"),
    ("action_gain_low", "float64", "null unless measured", "major currency units"),
    ("action_gain_high", "float64", "null unless measured", "major currency units"),
    ("scoring_release", "text", "model version per task"),
    ("features_hash", "text", "hash of the customer's features"),
    ("run_id", "text", "Dagster run that scored"),
    ("scored_at", "timestamp[us]", "when", "the source's time zone"),
    ("model_age_periods", "int64", "periods since the scoring model was trained", "periods"),
)

TRACK_RECORD = _columns(
    ("customer_id", "text", "the customer"),
    ("cutoff", "date32", "first day of the scored period"),
    ("edition", "text", "published: what the team read first; restated: what a later backfill made of it"),
    ("published_at", "text", "when that edition was published (UTC)"),
    ("model", "text", "the champion that scored"),
    ("predicted", "float64", "probability, or expected spend"),
    ("low", "float64", "lower end of the 80 % interval that was published with an amount"),
    ("high", "float64", "upper end of it"),
    ("outcome", "float64", "what happened"),
)

QUALITY = _columns(
    ("source_table", "text", "table the rows belong to"),
    ("source_file", "text", "file they come from"),
    ("fate", "text", "read: all of them; clean: those kept; refused: those not"),
    ("reasons", "text", "why they were refused, every reason; of those kept, that they name no customer"),
    ("rows", "int64", "how many", "rows"),
)

REPORT = _columns(
    ("as_of", "date32", "the report speaks of what was known before this day"),
    ("path", "text", "the page, relative to the home"),
)


SCORES = {
    "customers": CUSTOMERS,
    "value": VALUE,
    "segments": SEGMENTS,
    "categories": CATEGORIES,
    "category_totals": CATEGORY_TOTALS,
}


def output_columns(asset: str) -> tuple[Output, ...]:
    """Return the columns of an asset that the modelling layers make; empty for others, and for what belongs to a task."""
    layer, _, name = asset.partition("/")
    if asset == "models/segments":
        return SEGMENT_CARD
    if layer == "models":
        return CHAMPION if name.endswith("/champion") else CARD
    if layer == "scores":
        return SCORES.get(name, ())
    if layer == "evaluation":
        ends = {"_predictions": PREDICTIONS, WORTH: ABLATION, LEADERS: LEADERBOARD, FAIR: FAIRNESS, SURVIVES: REASONS,
                PARTIAL: DEPENDENCE}  # fmt: skip
        return next((columns for end, columns in ends.items() if name.endswith(end)), EVALUATION)
    return {
        "levels": LEVEL,
        "intervals": INTERVALS,
        "quality": QUALITY,
        "track_record": EVALUATION if name == "categories" else TRACK_RECORD,
        "reports": REPORT,
    }.get(layer, ())


def conform_each(frames: Iterable[Any], columns: Iterable[Output]) -> Any:
    """Return DataFrames one after another as an Arrow reader with these columns alone, each made when it is read."""
    import pyarrow as pa

    columns = list(columns)
    schema = arrow_schema(columns)

    def batches() -> Iterator[Any]:
        for frame in frames:
            yield from conform(frame, columns).select(schema.names).cast(schema).to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())


def conform(frame: Any, columns: Iterable[Output]) -> Any:
    """Return a DataFrame, or a list of rows as dicts, as an Arrow table with these columns and types; a missing one is null.

    Further columns of the frame follow, with the types they have. Raises `pyarrow.ArrowInvalid` for values that
    are of another type.
    """
    import pandas as pd
    import pyarrow as pa

    frame = pd.DataFrame(frame) if isinstance(frame, list) else frame
    names, arrays = [], []
    for column in columns:
        kind = pa.string() if column.type == "text" else pa.type_for_alias(column.type)
        if column.name in frame:
            arrays.append(pa.Array.from_pandas(frame[column.name], type=kind))
        else:
            arrays.append(pa.nulls(len(frame), kind))
        names.append(column.name)
    for name in frame.columns:
        if name not in names:
            arrays.append(pa.Array.from_pandas(frame[name]))
            names.append(name)
    return pa.table(arrays, names=names)
