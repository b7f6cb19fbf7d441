"""Search of the boosting's regularisation, walking forward over blocks of time, where there are enough. No learner here.

A candidate is fitted on the cut-offs whose outcomes were known at a later block's cut-off and judged on that block; the number
of trees is where the mean of these losses stops falling. Fewer than `BLOCKS_TO_CHOOSE` blocks, and nothing is searched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crm_pipeline.modeling.estimators.rows import sampled
from crm_pipeline.modeling.preprocessing import YEAR_MARK, matrix
from crm_pipeline.periods import Calendar, Grain
from crm_pipeline.settings import BLOCKS_TO_CHOOSE

CAP = 5_000
"""Rows a candidate is fitted on, and judged on, at most: whole customers, those whose hash is least."""

ROUNDS = 200
"""Most trees of a candidate."""

RANGES: dict[str, tuple[str, float, float]] = {
    "max_depth": ("int", 2, 4),
    "learning_rate": ("log", 0.02, 0.15),
    "min_child_weight": ("log", 2.0, 100.0),
    "reg_lambda": ("log", 0.5, 50.0),
    "subsample": ("float", 0.5, 1.0),
    "colsample_bytree": ("float", 0.3, 1.0),
}
"""What is searched, under XGBoost's names. Deeper trees would make explanations slow."""


@dataclass(frozen=True)
class Tuned:
    """What a search chose (XGBoost's names, ``n_estimators`` among them; empty: the defaults stay), and what it says of itself."""

    chosen: Mapping[str, float]
    told: Mapping[str, str]


def walk_forward(X: pd.DataFrame, horizon: int, grain: Grain) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return per fold the places of the rows to learn from and of those to judge on; none where there are too few blocks.

    Blocks are cut-offs with a year of history before them, ``horizon`` periods apart, taken backwards from the newest. Each but
    the first is judged by what is known at it: cut-offs at least a horizon earlier, so that no outcome reaches over it.
    """
    if "cutoff" not in X.index.names or YEAR_MARK not in X.columns or horizon < 1:
        return []
    calendar = Calendar(grain)
    keys = np.array([str(c)[:10] for c in X.index.get_level_values("cutoff")])
    cutoffs = sorted(set(keys[X[YEAR_MARK].notna().to_numpy()]), reverse=True)
    blocks: list[str] = []
    for cutoff in cutoffs:
        if not blocks or calendar.distance(cutoff, blocks[-1]) >= horizon:
            blocks.append(cutoff)
    if len(blocks) < BLOCKS_TO_CHOOSE:
        return []
    found = []
    for block in sorted(blocks)[1:]:
        known = [c for c in cutoffs if c < block and calendar.distance(c, block) >= horizon]
        places = (np.flatnonzero(np.isin(keys, own)) for own in (known, [block]))
        learnt, asked = (at[sampled(X.iloc[at], CAP)] for at in places)
        found.append((learnt, asked))
    return found


def tuned(
    X: pd.DataFrame,
    y: np.ndarray,
    *,
    columns: list[str],
    defaults: Mapping[str, Any],
    objective: Mapping[str, Any],
    by_mean: bool,
    trials: int,
    horizon: int,
    grain: Grain,
) -> Tuned:
    """Search ``trials`` candidates (TPE, Bergstra et al. 2011, with a fixed seed), the defaults among them.

    The best stays only where its loss is less than the defaults' by more than one standard error of the paired differences
    over the folds: among equals the simpler wins. It was chosen on these folds, so that this difference flatters it.

    Parameters
    ----------
    X, y : DataFrame, array
        As `Learner.fit` has them.
    defaults : mapping
        XGBoost's parameters without a search.
    objective : mapping
        Its objective, and ``eval_metric``.
    by_mean : bool
        Whether labels are learned in units of the mean of the rows learned from.
    """
    import optuna

    folds = walk_forward(X, horizon, grain)
    if not folds or trials < 1:
        return Tuned({}, {})
    data = [_data(X, y, columns, fold, by_mean) for fold in folds]
    fixed = {"tree_method": "hist", "nthread": 1, "seed": defaults["random_state"], **objective}
    start = {name: defaults[name] for name in RANGES}
    tried: list[tuple[dict[str, Any], np.ndarray]] = []

    def loss(trial: optuna.Trial) -> float:
        own = {name: _suggest(trial, name) for name in RANGES}
        curves = _curves(data, fixed | own, str(objective["eval_metric"]))
        tried.append((own, curves))
        return float(curves.mean(axis=0).min())

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=defaults["random_state"]))
    study.enqueue_trial(start)
    study.optimize(loss, n_trials=trials)
    before = tried[0][1][:, int(defaults["n_estimators"]) - 1]
    own, curves = tried[study.best_trial.number]
    trees = int(curves.mean(axis=0).argmin()) + 1
    gains = before - curves[:, trees - 1]
    error = float(gains.std(ddof=1)) / np.sqrt(len(gains))
    better = float(gains.mean()) > error
    told = (
        f"{trials} trials over {len(folds)} later blocks; the best has {gains.mean():.4f} less loss than the defaults, "
        f"block standard error {error:.4f}: {'it is taken' if better else 'the defaults stay'}."
    )
    rounded = [
        {**{k: round(v, 3) for k, v in p.items()}, "loss": round(float(c.mean(axis=0).min()), 5)} for p, c in tried
    ]
    return Tuned({**own, "n_estimators": trees} if better else {}, {"tuning": told, "tried": json.dumps(rounded)})


def _suggest(trial: Any, name: str) -> float:
    kind, low, high = RANGES[name]
    if kind == "int":
        return int(trial.suggest_int(name, int(low), int(high)))
    return float(trial.suggest_float(name, low, high, log=kind == "log"))


def _data(
    X: pd.DataFrame, y: np.ndarray, columns: list[str], fold: tuple[np.ndarray, np.ndarray], by_mean: bool
) -> Any:
    """Return a fold's rows as XGBoost reads them: to learn from, and to judge on in the bins of the former."""
    from xgboost import DMatrix

    learnt, asked = fold
    unit = float(np.mean(y[learnt])) if by_mean else 1.0
    return tuple(
        DMatrix(matrix(X.iloc[at], columns), np.asarray(y[at], dtype=float) / unit, nthread=1) for at in (learnt, asked)
    )


def _curves(data: list[Any], parameters: Mapping[str, Any], metric: str) -> np.ndarray:
    """Return the loss on the later block after every tree (folds × rounds)."""
    import xgboost

    curves = []
    for learnt, asked in data:
        seen: dict[str, Any] = {}
        xgboost.train(dict(parameters), learnt, ROUNDS, evals=[(asked, "later")], evals_result=seen, verbose_eval=False)
        curves.append(seen["later"][metric])
    return np.array(curves)
