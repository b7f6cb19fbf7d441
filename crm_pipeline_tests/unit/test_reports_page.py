"""The report as a page: a realistic made-up period, the same page with parts missing, and what must never be in it."""

import dataclasses
import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from crm_pipeline.reports import plots
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.report import SECTIONS as ALL_SECTIONS
from crm_pipeline.reports.report import render_report

CUTOFFS = ["2010-11-01", "2011-02-01", "2011-05-01"]
BASELINES = {"recency": 0.9, "rfm": 0.7, "purchase_process": 0.55, "last_season": 1.3}
ESTIMATORS = {
    "average": 0.35,
    "logistic": 0.4,
    "gradient_boosting": 0.45,
    "random_forest": 0.55,
    "purchase_process": 0.55,
}
AMOUNT_MODELS = {"two_part": 0.25, "gradient_boosting": 0.3, "linear": 0.6, "decision_tree": 0.7}
AMOUNT_BASELINES = {"purchase_process": 0.7, "last_season": 1.1, "last_spend": 1.2, "zero": 1.5}

SECTIONS = [(name, title) for name, title in ALL_SECTIONS if name not in ("texts", "calls")]
"""Of a source without messages and recordings; the parts of these have tests of their own."""


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def churn_predictions(rng, n, cutoff="2011-05-01"):
    truth = rng.normal(-0.2, 1.3, n)
    frame = pd.DataFrame({"customer_id": np.arange(n).astype(str), "cutoff": date.fromisoformat(cutoff)})
    frame["outcome"] = (rng.random(n) < _sigmoid(truth)).astype("int8")
    for name, noise in ESTIMATORS.items():
        frame[name] = _sigmoid((truth + rng.normal(0, noise * 1.6, n)) * 0.85 - 0.05)
    for name, noise in BASELINES.items():
        frame[f"baseline_{name}"] = _sigmoid((truth + rng.normal(0, noise * 2, n)) * 0.6 + 0.2)
    return frame


def demand_predictions(rng, n, cutoff="2011-05-01"):
    mean = np.exp(rng.normal(4.5, 1.1, n))
    buys = rng.random(n) < 0.55
    frame = pd.DataFrame({"customer_id": np.arange(n).astype(str), "cutoff": date.fromisoformat(cutoff)})
    frame["outcome"] = np.where(buys, mean * rng.gamma(6, 1 / 6, n), 0.0).round(2)
    for name, noise in AMOUNT_MODELS.items():
        frame[name] = mean * 0.55 * np.exp(rng.normal(0, noise, n) - noise**2 / 2)
    for name, noise in AMOUNT_BASELINES.items():
        spend = mean * 0.4 * np.exp(rng.normal(0, noise, n) - noise**2 / 2)
        frame[f"baseline_{name}"] = 0.0 if name == "zero" else spend
    return frame


def evaluation(rng, task):
    models = ESTIMATORS if task == "churn" else AMOUNT_MODELS
    baselines = BASELINES if task == "churn" else AMOUNT_BASELINES
    level = {"auc": (0.80, -0.06), "brier": (0.185, 0.03), "log_loss": (0.56, 0.06), "average_precision": (0.71, -0.07)}
    if task == "demand":
        level = {"wape": (0.62, 0.15), "spearman": (0.62, -0.1), "total_ratio": (1.02, -0.2)}
    rows = []
    for cutoff in CUTOFFS:
        shift = rng.normal(0, 0.012)
        for kind, names in (("estimator", models), ("baseline", baselines)):
            for name, noise in names.items():
                for metric, (base, slope) in level.items():
                    value = base + slope * noise + shift + rng.normal(0, 0.004)
                    key = name if kind == "estimator" else f"baseline_{name}"
                    rows.append(
                        (task, key, kind, date.fromisoformat(cutoff), metric, value, value - 0.016, value + 0.016, 4102)
                    )
    return pd.DataFrame(rows, columns=["task", "model", "kind", "cutoff", "metric", "value", "low", "high", "n"])


def interval_rows():
    rows = [
        ("demand", model, kind, date.fromisoformat(cutoff), metric, value + 0.02 * at, None, None, 4102)
        for model, kind in (("two_part", "estimator"), ("baseline_zero", "baseline"))
        for at, cutoff in enumerate(CUTOFFS[-2:])
        for metric, value in {
            "coverage": 0.78,
            "coverage_buyers": 0.55,
            "coverage_non_buyers": 0.99,
            "width": 412.0,
        }.items()
    ]
    return pd.DataFrame(rows, columns=["task", "model", "kind", "cutoff", "metric", "value", "low", "high", "n"])


def track_record(rng, task, n=900):
    make = churn_predictions if task == "churn" else demand_predictions
    lead = "average" if task == "churn" else "two_part"
    parts = []
    for at, cutoff in enumerate(["2010-11-01", "2010-12-01", "2011-01-01", "2011-02-01", "2011-03-01", "2011-05-01"]):
        frame = make(rng, n + 60 * at, cutoff)
        if at == 2:  # a period that was lost
            frame[lead] = frame[lead].sample(frac=1, random_state=1).to_numpy()
        kept = [c for c in frame.columns if c.startswith("baseline_")]
        frame = frame[["customer_id", "cutoff", "outcome", lead, *kept]].rename(columns={lead: "predicted"})
        published = pd.Timestamp("2011-09-02") if at < 2 else pd.Timestamp(cutoff) + pd.Timedelta(days=33)
        parts.append(frame.assign(edition="published", published_at=published))
        if at == 3:
            parts.append(frame.assign(edition="restated", published_at=pd.Timestamp("2011-09-02")))
    return pd.concat(parts, ignore_index=True)


def scores(rng, n=5312):
    status = np.where(rng.random(n) < 0.82, "scored", "abstained")
    known = status == "scored"
    reasons = np.where(
        known, "", np.where(rng.random(n) < 0.9, "not eligible: no order in the last 12 months", "only refused orders")
    )
    probability = np.where(known, _sigmoid(rng.normal(-0.2, 1.2, n)), np.nan)
    spend = np.where(known, np.exp(rng.normal(4.6, 1.1, n)), np.nan)
    bucket = pd.cut(probability, [0, 0.25, 0.5, 0.75, 1], labels=["low", "medium", "high", "very high"])
    tier = pd.cut(spend, [0, 50, 150, 500, 1e9], labels=["D", "C", "B", "A"])
    texts = [
        "no order for 94 days, usually every 21",
        "spend halved against the quarter before",
        "one order in twelve months",
        "two open cases",
        "answers no campaign",
    ]
    pick = rng.integers(0, len(texts), (n, 2))
    return pd.DataFrame(
        {
            "customer_id": (12000 + np.arange(n)).astype(str),
            "status": status,
            "status_reason": pd.Series(reasons).replace("", None),
            "label_definition": "lapse: no order with a positive amount in the 3 months after the cut-off",
            "last_order_at": pd.Timestamp("2011-09-01") - pd.to_timedelta(rng.integers(1, 360, n), unit="D"),
            "spend_12m": spend * 3,
            "churn_probability": probability,
            "churn_bucket": bucket.astype(object),
            "expected_spend": spend,
            "customer_value": spend * 4,
            "value_at_risk": probability * spend,
            "value_tier": tier.astype(object),
            "reason_1": np.where(known, np.array(texts)[pick[:, 0]], None),
            "reason_2": np.where(known, np.array(texts)[pick[:, 1]], None),
            "contactable": np.where(rng.random(n) < 0.03, False, None),
            "recommended_action": np.where(known, "call about the open case", None),
            "action_basis": "rule",
        }
    )


def features(rng, n, shift=0.0):
    frame = pd.DataFrame({"customer_id": np.arange(n).astype(str), "as_of": date(2011, 9, 1)})
    for at, name in enumerate(
        [
            "recency_days",
            "tenure_days",
            "spend_12",
            "orders_3",
            "gap_mean_days",
            "returns_12",
            "mbg_alive",
            "orders_season_ly",
        ]
    ):
        frame[name] = rng.gamma(2, 20, n) * (1 + shift * at / 4)
    frame["orders_3"] = rng.poisson(1.2 + shift, n).astype(float)
    frame.loc[rng.random(n) < 0.2 + shift, "orders_season_ly"] = np.nan
    return frame


def fake(seed=7, n=4102, synthetic=True):
    rng = np.random.default_rng(seed)
    cards = [
        (
            "churn",
            m,
            "fitted",
            None,
            38210,
            5120,
            10,
            17033,
            '["recency_days", "spend_12"]',
            '{"depth": 3, "trees": 200}',
        )
        for m in ESTIMATORS
    ] + [
        ("demand", m, "fitted", None, 38210, 5120, 10, 21177, '["recency_days"]', '{"alpha": 1.0}')
        for m in AMOUNT_MODELS
    ]
    cards[3] = (
        "churn",
        "random_forest",
        "abstained",
        "switched off: fewer than 1,000 rows",
        None,
        None,
        None,
        None,
        None,
        None,
    )
    themes = ["recency", "rhythm", "spend", "season", "breadth", "service", "messages", "contacts"]
    shares = np.array([0.31, 0.22, 0.16, 0.11, 0.08, 0.06, 0.04, 0.02])
    reasons = pd.DataFrame(
        {
            "theme": themes,
            "share": shares,
            "raises": shares * 0.6,
            "lowers": shares * 0.4,
            "strongest": shares,
            "customers": n,
        }
    )
    return ReportData(
        source='Online Retail <UK> & co, "$1" to $9',
        period="2011-08-01",
        as_of=date(2011, 9, 1),
        horizon_end=date(2011, 12, 1),
        currency="GBP",
        synthetic=synthetic,
        scores=scores(rng),
        track_record={task: track_record(rng, task) for task in ("churn", "demand")},
        quality=pd.DataFrame(
            {
                "table": ["order_lines", "customers"],
                "rows": [1067371, 5942],
                "clean": [1033034, 5942],
                "refused": [34337, 0],
                "conserved": [True, True],
            }
        ),
        refusals=pd.DataFrame(
            {
                "table": "order_lines",
                "reason": ["duplicate of an earlier row", "no customer_id", "unit_price is negative"],
                "rows": [34150, 180, 7],
            }
        ),
        absent_tables=("messages", "calls", "subscriptions"),
        evaluation={task: evaluation(rng, task) for task in ("churn", "demand")},
        intervals={"demand": interval_rows()},
        predictions={"churn": churn_predictions(rng, n), "demand": demand_predictions(rng, n)},
        champions=pd.DataFrame(
            {
                "task": ["churn", "demand"],
                "champion": ["average", "two_part"],
                "model_version": ["3f1c9a", "b07e44"],
                "status": ["fixed", "kept"],
                "reason": [
                    "Log loss beats the best baseline (recency rule) at 3 of 3 cut-offs.",
                    "Deviance within one standard error of gradient boosting; the simpler stays.",
                ],
                "blocks": [3, 3],
            }
        ),
        cards=pd.DataFrame(
            cards,
            columns=[
                "task",
                "estimator",
                "status",
                "reason",
                "rows",
                "customers",
                "cutoffs",
                "events",
                "features",
                "parameters",
            ],
        ),
        features=features(rng, n, 0.2),
        previous_features=features(rng, n - 60),
        previous_period="2011-07-01",
        descriptions={"recency_days": "days since the last order", "spend_12": "spend in the last 12 months"},
        reasons={"churn": reasons, "demand": reasons},
        comebacks=pd.DataFrame({"cutoff": [date(2010, 11, 1)], "lapsed": [1871], "returned": [742], "periods": [6]}),
    )


VOID = {"meta", "br", "hr", "img", "link", "input", "path", "use", "rect", "line"}


class Checker(HTMLParser):
    """Collects ids, anchors, headings, images' texts and unclosed tags."""

    def __init__(self, page):
        super().__init__()
        self.ids, self.anchors, self.resources, self.images, self.open, self.wrong = [], [], [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a":
            self.anchors.append(found["href"])
        if found.get("role") == "img":
            self.images.append(found.get("aria-label", ""))
        self.resources += [v for k, v in found.items() if k in ("src", "href", "xlink:href", "action", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID and self.open.pop() != tag:
            self.wrong.append(tag)


def without_models(data, **changes):
    """The same period with no models, records, reasons or drift: a page without figures, cheap to render."""
    nothing = {"track_record": {}, "evaluation": {}, "predictions": {}, "reasons": {}, "features": pd.DataFrame()}
    return dataclasses.replace(data, **{**nothing, **changes})


@pytest.fixture(scope="module")
def page():
    return render_report(fake())


def test_page_is_self_contained_and_navigable(page):
    found = Checker(page)
    assert not found.open
    assert not found.wrong
    assert len(found.ids) == len(set(found.ids))
    assert all(r.startswith("#") for r in found.resources), "nothing is fetched from anywhere"
    assert {a[1:] for a in found.anchors} <= set(found.ids)
    assert "http" not in re.sub(r'xmlns(:xlink)?="http[^"]*"', "", page)
    assert "<script" not in page
    assert len(found.images) >= 10
    assert all(len(text) > 20 for text in found.images)
    assert [found.ids.index(name) for name, _ in SECTIONS] == sorted(found.ids.index(name) for name, _ in SECTIONS)
    assert page.index('id="track"') < page.index('id="quality"')
    assert len(page) < 1_500_000


def test_drawings_take_the_colours_of_the_page(page):
    drawings = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.S))
    assert "var(--champion)" in drawings
    assert "#1d2430" not in drawings
    assert not re.findall(r"(?:fill|stroke): #(?!fefefe)", drawings)


def test_intervals_are_told_of_buyers_and_non_buyers_with_their_range(page):
    at = page.index("80 % intervals, of every cut-off")
    told = " ".join(re.sub(r"<[^>]+>", " ", page[at : at + 6000]).split())
    assert "Two-part champion, 2 cut-offs 79 % 78 % to 80 % 56 % 100 % GBP 412" in told
    assert "Nobody buys baseline, 2 cut-offs" in told


def test_source_text_is_escaped(page):
    assert "Online Retail &lt;UK&gt; &amp; co" in page
    assert "<UK>" not in page


def test_synthetic_is_on_every_header_and_figure(page):
    headers = re.findall(r"<h2 id=.*?</h2>", page, flags=re.S)
    assert len(headers) == len(SECTIONS)
    assert all("synthetic data" in h for h in headers)
    assert all("synthetic data" in d for d in re.findall(r"<svg.*?</svg>", page, flags=re.S))
    data = fake(synthetic=False)
    assert "synthetic" not in render_report(without_models(data, reasons=data.reasons)).lower()


def test_equal_data_give_an_equal_page():
    one, two = (without_models(d, reasons=d.reasons) for d in (fake(), fake()))
    assert render_report(one) == render_report(two)


def test_published_and_restated_are_never_mixed(page):
    churn = page[page.index('id="track"') : page.index('id="quality"')]
    published, restated = churn.index("Churn scores as published"), churn.index("Churn scores as restated")
    assert "6 matured periods" in churn[:published]
    assert "over 1 matured period:" in churn[published:restated]
    assert "published 2011-09-02, late" in churn[published:restated]
    assert "restated 2011-09-02<" in churn[restated:]


def test_lost_period_is_told(page):
    churn = page[page.index('id="track"') : page.index("Churn scores as restated")]
    assert "behind in 1" in churn
    assert re.search(r'<span class="chip bad">behind</span>', churn)


def test_rows_without_a_usable_time_are_told_beside_the_count():
    page = render_report(replace(fake(), undated={"orders": 1_234}))
    assert "Beside these, 1,234 rows of orders had no usable time" in page
    assert "rejects/&lt;table&gt;/undated" in page
    assert "no usable time" not in render_report(fake())


def test_no_track_record_says_why():
    page = render_report(without_models(fake(n=300)))
    assert "those of 2011-08 can be judged at the end of 2011-11" in page
    note = without_models(fake(n=300), track_record_note={"churn": "Switched on today."})
    assert "Switched on today." in render_report(note)


def test_empty_report_is_still_a_page():
    empty = ReportData("New shop", "2026-01-01", date(2026, 2, 1), date(2026, 5, 1), "EUR", pd.DataFrame())
    found = Checker(render_report(empty))
    assert not found.wrong
    assert {name for name, _ in SECTIONS} <= set(found.ids)


def typed_empty(frame):
    return frame.iloc[:0]


def test_all_parts_empty_but_typed():
    data = fake(n=300)
    page = render_report(
        dataclasses.replace(
            data,
            scores=typed_empty(data.scores),
            track_record={k: typed_empty(v) for k, v in data.track_record.items()},
            quality=typed_empty(data.quality),
            refusals=typed_empty(data.refusals),
            evaluation={k: typed_empty(v) for k, v in data.evaluation.items()},
            predictions={k: typed_empty(v) for k, v in data.predictions.items()},
            champions=typed_empty(data.champions),
            cards=typed_empty(data.cards),
            features=typed_empty(data.features),
            previous_features=typed_empty(data.previous_features),
            reasons={k: typed_empty(v) for k, v in data.reasons.items()},
            comebacks=typed_empty(data.comebacks),
        )
    )
    assert "No model was judged yet" in page


def test_abstained_without_baselines_at_one_cutoff():
    data = fake(n=300)
    gone = ("churn_probability", "churn_bucket", "expected_spend", "value_at_risk", "value_tier", "customer_value")
    scores = data.scores.assign(status="abstained", status_reason="one class only", **dict.fromkeys(gone))
    churn, record = data.evaluation["churn"], data.track_record["churn"]
    newest = churn[
        (churn["cutoff"] == churn["cutoff"].max()) & (churn["kind"] == "estimator") & (churn["metric"] == "auc")
    ]
    page = render_report(
        without_models(
            data,
            scores=scores,
            evaluation={"churn": newest},
            track_record={"churn": record[[c for c in record if not c.startswith("baseline_")]]},
            champions=data.champions.assign(status="abstained", champion=None, blocks=None),
        )
    )
    assert "Nobody was scored in this period" in page
    assert "one class only" in page
    assert "Nobody to call" in page
    assert "No baseline was judged beside these models" in page


def test_nulls_everywhere():
    data = fake(n=300)
    rng = np.random.default_rng(0)

    def holes(frame, *kept):
        return frame.mask(pd.DataFrame(rng.random(frame.shape) < 0.3, frame.index, frame.columns)).assign(
            **{c: frame[c] for c in kept}
        )

    record = data.track_record["demand"]
    waiting = record.assign(outcome=np.where(record["cutoff"] == record["cutoff"].max(), np.nan, record["outcome"]))
    page = render_report(
        without_models(
            data,
            scores=holes(data.scores, "customer_id"),
            predictions={k: holes(v, "customer_id", "cutoff") for k, v in data.predictions.items()},
            track_record={"demand": waiting},
            features=holes(data.features),
            cards=holes(data.cards, "task"),
            quality=holes(data.quality),
        )
    )
    assert "outcome not yet known" in page
    assert ">nan" not in page.lower()


def test_weeks_are_named_as_weeks():
    page = render_report(without_models(fake(n=300), grain="week", period="2011-08-29", horizon=13))
    assert "Customer report 2011-W35" in page
    assert "13 weeks" in page


def test_hundred_thousand_predictions_make_a_page_of_ordinary_size():
    rng = np.random.default_rng(3)
    n = 100_000
    predictions = {"churn": churn_predictions(rng, n), "demand": demand_predictions(rng, n)}
    data = without_models(fake(), predictions=predictions, scores=scores(rng, n), features=features(rng, n))
    page = render_report(data)
    assert len(page) < 1_000_000


EMPTY = pd.DataFrame()
DRAWN = {
    "roc": lambda d: plots.roc(d.predictions["churn"], "average", synthetic=True),
    "lift": lambda d: plots.lift_gain(d.predictions["churn"], None),
    "calibration": lambda d: plots.calibration(d.predictions["churn"], "average"),
    "deciles": lambda d: plots.demand_deciles(d.predictions["demand"], "two_part", currency="$"),
    "comparison": lambda d: plots.model_comparison(d.evaluation["demand"], champion="two_part"),
}
NOTHING = {
    "roc": lambda: plots.roc(EMPTY),
    "precision_recall": lambda: plots.precision_recall(EMPTY),
    "lift": lambda: plots.lift_gain(EMPTY),
    "calibration": lambda: plots.calibration(EMPTY),
    "deciles": lambda: plots.demand_deciles(EMPTY),
    "comparison": lambda: plots.model_comparison(EMPTY),
    "drift": lambda: plots.drift_bars(EMPTY),
    "reasons": lambda: plots.reasons_bars(EMPTY),
    "track": lambda: plots.track_record_lines(EMPTY, "auc"),
}


@pytest.mark.parametrize("name", DRAWN)
def test_figures_fit_into_metadata(name):
    image = plots.markdown_image(DRAWN[name](fake(n=300)), "a plot [of] something")
    assert image.startswith("![a plot  of  something](data:image/png;base64,")
    assert len(image) < 60_000


@pytest.mark.parametrize("name", NOTHING)
def test_figures_of_nothing_say_so(name):
    assert plots.png(NOTHING[name](), dpi=40).startswith(b"\x89PNG")


def test_one_class_draws_no_roc_but_survives():
    rows = fake(n=300).predictions["churn"].assign(outcome=1)
    for plot in (plots.roc, plots.calibration):
        assert plots.png(plot(rows, "average"), dpi=40)
