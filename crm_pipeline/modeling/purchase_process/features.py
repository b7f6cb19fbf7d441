"""The purchase process as customer features: fitted on a fixed sample, predicted for all. No formulas belong here."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.util import hash_array

from crm_pipeline.modeling.purchase_process.fit import fit_mbg_nbd, fit_pareto_nbd
from crm_pipeline.modeling.purchase_process.mbg_nbd import MBGNBD
from crm_pipeline.modeling.purchase_process.pareto_nbd import ParetoNBD

COLUMNS = (
    "mbg_expected_orders",
    "mbg_alive",
    "mbg_no_order",
    "pareto_expected_orders",
    "pareto_alive",
    "pareto_no_order",
)
YEAR = ("mbg_expected_year", "pareto_expected_year")
"""Purchase days expected over a year: no feature of the tasks, but what the value of a customer is made of."""


class PurchaseProcess(NamedTuple):
    """The features and the two models they come from."""

    features: pd.DataFrame
    """One row per customer, in the order of the input: customer_id, the `COLUMNS` and `YEAR`, DOUBLE."""
    mbg: MBGNBD
    pareto: ParetoNBD


def purchase_process_features(
    lifetime: pd.DataFrame, as_of_day: int, horizon_days: int, sample: int, seed: int, year_days: int = 365
) -> PurchaseProcess:
    """Fit both purchase processes as of a day and predict the next ``horizon_days``, and the next year, for every customer.

    Parameters
    ----------
    lifetime
        One row per customer: customer_id (text), first_order_day and last_order_day (days since the epoch),
        n_order_days (distinct days with an order). Customers who never ordered (0 or null) get null features.
    as_of_day
        First day after the period, days since the epoch; no order may lie on or after it.
    horizon_days
        Length of the horizon in days.
    sample
        Most customers the fit uses: a fixed choice by a hash of customer_id and ``seed``, whatever the order of rows.
    year_days
        Length of the year to come in days.

    Returns
    -------
    PurchaseProcess
        ``*_expected_orders`` (purchase days in the horizon), ``*_alive`` (probability), ``*_no_order`` (probability of
        no purchase in the horizon) of the MBG/NBD and the Pareto/NBD, ``*_expected_year`` (purchase days in the year), and
        the fitted models.

    Raises
    ------
    ValueError
        Days out of order (last before first, or not before ``as_of_day``), one order day with a last day after the
        first, or ``sample`` below 1.
    """
    if sample < 1:
        raise ValueError(f"sample must be at least 1, found {sample}")
    first, last, count = (
        lifetime[name].to_numpy(dtype=np.float64, na_value=np.nan)
        for name in ("first_order_day", "last_order_day", "n_order_days")
    )
    buyers = np.flatnonzero(count > 0)
    first, last, x = first[buyers], last[buyers], count[buyers] - 1.0
    if not ((first <= last) & (last < as_of_day)).all():
        raise ValueError(f"orders must lie between the first and the last order day and before day {as_of_day}")
    t_x, T = last - first, as_of_day - first

    rank = customer_rank(lifetime["customer_id"].iloc[buyers], seed)
    chosen = rank <= np.partition(rank, sample - 1)[sample - 1] if len(rank) > sample else slice(None)
    mbg = fit_mbg_nbd(x[chosen], t_x[chosen], T[chosen])
    pareto = fit_pareto_nbd(x[chosen], t_x[chosen], T[chosen])

    names = (*COLUMNS, *YEAR)
    values = np.full((len(names), len(lifetime)), np.nan)
    for row, model in ((0, mbg), (3, pareto)):
        for i, column in enumerate(model.predict(horizon_days, x, t_x, T)):
            values[row + i, buyers] = column
        values[len(COLUMNS) + row // 3, buyers] = model.expected_purchases(year_days, x, t_x, T)
    features = pd.DataFrame({"customer_id": pd.Series(lifetime["customer_id"].to_numpy(), dtype="str")})
    return PurchaseProcess(features.assign(**dict(zip(names, values, strict=True))), mbg, pareto)


def customer_rank(customer_id: pd.Series, seed: int) -> NDArray[np.uint64]:
    """A number per customer, uniform in 64 bits, that depends on the id's text and the seed alone (splitmix64)."""
    z = hash_array(customer_id.to_numpy(dtype=object), categorize=False)  # pyright: ignore[reportCallIssue]
    with np.errstate(over="ignore"):
        z = z + np.uint64((seed * 0x9E3779B97F4A7C15) % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
