"""The features of months in pandas, from the same activity files: the other yardstick of bench_features.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

PERIOD, SPAN, YEAR = pd.Timestamp("2011-11-01"), 15, 12
AS_OF = 15_309


def run(folder: Path) -> pd.DataFrame:
    """Read the files and compute the columns of ``features_by_hand.sql``."""
    life = pd.read_parquet(folder / "lifetime.parquet").set_index("customer_id")
    life = life[life.last_day >= 14_944]
    out = pd.DataFrame(index=life.index)
    _lifetime(out, life)
    _orders(out, _window(folder, "orders"))
    lines = _year(_window(folder, "order_lines")).groupby("customer_id")[["n_products", "n_orders"]].sum()
    out["products_per_order_12"] = lines.n_products / lines.n_orders
    by_category = (
        _year(_window(folder, "categories")).groupby(["customer_id", "category"]).spend.sum().groupby("customer_id")
    )
    out["categories_12"] = by_category.count()
    out["top_category_share_12"] = by_category.max() / by_category.sum()
    for name, columns in {
        "messages": {"messages": "n_messages", "messages_in": "n_in"},
        "cases": {"cases": "n_opened"},
        "calls": {"calls": "n_calls"},
        "contacts": {"contacts": "n_sent", "opened": "n_opened", "clicked": "n_clicked"},
    }.items():
        table = _window(folder, name)
        for window in (3, YEAR):
            sums = table[table.back <= window].groupby("customer_id")[list(columns.values())].sum()
            for feature, column in columns.items():
                out[f"{feature}_{window}"] = sums[column]
    sent = out.contacts_12.replace(0, np.nan)
    out["contact_open_share_12"] = (out.pop("opened_12") / sent).clip(upper=1)
    out["contact_click_share_12"] = (out.pop("clicked_12") / sent).clip(upper=1)
    process = pd.read_parquet(folder / "purchase_process.parquet").set_index("customer_id")
    out[process.columns] = process
    counts = [c for c in out.columns if c.startswith(("categories", "messages", "cases", "calls", "contacts"))]
    return out.drop(columns=["opened_3", "clicked_3"]).fillna(dict.fromkeys(counts, 0))


def _window(folder: Path, name: str) -> pd.DataFrame:
    keys = pd.date_range(end=PERIOD, periods=SPAN, freq="MS")
    parts = [pd.read_parquet(folder / f"{name}-{k:%Y-%m-%d}.parquet").assign(back=SPAN - i) for i, k in enumerate(keys)]
    return pd.concat(parts)


def _year(table: pd.DataFrame) -> pd.DataFrame:
    return table[table.back <= YEAR]


def _lifetime(out: pd.DataFrame, life: pd.DataFrame) -> None:
    gaps = life.gaps.replace(0, np.nan).astype(float)
    out["recency_days"], out["tenure_days"] = AS_OF - life.last_day, AS_OF - life.first_day
    out["orders_all"], out["order_days_all"], out["spend_all"] = life.n_orders, life.order_days, life.spend
    out["gap_mean_days"] = life.gap_days_sum / gaps
    variance = (life.gap_days_sumsq - life.gap_days_sum.astype(float) ** 2 / gaps) / (gaps - 1).replace(0, np.nan)
    out["gap_sd_days"] = np.sqrt(variance.clip(lower=0))
    out["gap_cv"] = out.gap_sd_days / out.gap_mean_days.replace(0, np.nan)
    out["recency_over_gap"] = out.recency_days / out.gap_mean_days.replace(0, np.nan)
    out["cases_open"] = (life.cases_opened - life.cases_closed).clip(lower=0)


def _orders(out: pd.DataFrame, table: pd.DataFrame) -> None:
    table = table.assign(active=(table.n_orders > 0).astype(int), spend_sumsq=table.spend_sumsq.astype(float))

    def sums(low: int, high: int, columns: list[str]) -> pd.DataFrame:
        inside = table[(table.back > low) & (table.back <= high)]
        return inside.groupby("customer_id")[columns].sum().reindex(out.index, fill_value=0)

    for w in (1, 3, 6, 12):
        names = {"n_orders": "orders", "order_days": "order_days", "active": "active_periods", "spend": "spend"}
        found = sums(0, w, list(names))
        for column, name in names.items():
            out[f"{name}_{w}"] = found[column]
    for i in range(1, 13):
        out[f"orders_m{i}"] = sums(i - 1, i, ["n_orders"])
    before, season = sums(3, 6, ["n_orders", "spend"]), sums(9, 12, ["n_orders", "spend"])
    out["orders_trend"] = ((out.orders_3 - before.n_orders) / (out.orders_3 + before.n_orders)).fillna(0)
    out["spend_trend"] = ((out.spend_3 - before.spend) / (out.spend_3 + before.spend)).fillna(0)
    out["orders_season_ly"], out["spend_season_ly"] = season.n_orders, season.spend
    out["orders_before_season_ly"] = sums(12, 15, ["n_orders"])
    out["orders_share_3_of_12"] = out.orders_3 / out.orders_12
    out["order_value_mean_12"] = out.spend_12 / out.orders_12
    year = _year(table).groupby("customer_id")
    out["order_value_max_12"] = year.max_amount.max()
    variance = (year.spend_sumsq.sum() - out.spend_12.astype(float) ** 2 / out.orders_12) / (out.orders_12 - 1)
    out["order_value_cv_12"] = np.sqrt(variance.clip(lower=0)) / out.order_value_mean_12
    discount = year.discount.sum()
    out["discount_share_12"] = discount / (out.spend_12 + discount)
    out["returns_3"], out["returns_12"] = sums(0, 3, ["n_returns"]), year.n_returns.sum()
    out["return_share_12"] = year.returned_amount.sum() / out.spend_12
    out["channels_12"] = 2 - (year.min_channel.min() == year.max_channel.max()).astype(int)
