"""A learner from outside the package: neither additive over a matrix nor stored by skops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from crm_pipeline.modeling.calibration import logit
from crm_pipeline.modeling.estimators.learner import ProbabilityLearner

FILE = "habit.json"


class Habit(ProbabilityLearner):
    """One chance for those who ordered lately, another for the rest. A flavour of MLflow of its own: a JSON file."""

    requires: ClassVar[tuple[str, ...]] = ("numpy",)
    facts_: dict[str, Any]

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Habit:
        self.columns_ = ["recency_days"]
        self.limit_ = float(X["recency_days"].median())
        late = X["recency_days"].to_numpy() > self.limit_
        self.base_ = float(logit(y.mean()))
        self.steps_ = [float(logit(np.clip(y[group].mean(), 0.01, 0.99))) - self.base_ for group in (~late, late)]
        return self

    def raw(self, X: pd.DataFrame) -> np.ndarray:
        terms, base = self.attributions(X)
        return terms.sum(axis=1) + base

    def attributions(self, X: pd.DataFrame) -> tuple[np.ndarray, float]:
        late = (X["recency_days"].to_numpy() > self.limit_).astype(int)
        return np.array(self.steps_)[late][:, None], self.base_

    def log(self, mlflow: Any, **model: Any) -> Any:
        return mlflow.models.Model.log(artifact_path=None, flavor=_Flavour(), learner=self, **model)

    @classmethod
    def load(cls, mlflow: Any, model_uri: str) -> Habit:
        folder = mlflow.artifacts.download_artifacts(model_uri)
        read = cls()
        read.__dict__.update(json.loads(Path(folder, FILE).read_text(encoding="utf-8")))
        return read


class _Flavour:
    """What `mlflow.models.Model.log` asks of a flavour."""

    def save_model(self, path: str, mlflow_model: Any, learner: Habit, **given: Any) -> None:
        Path(path).mkdir(parents=True)
        Path(path, FILE).write_text(json.dumps(vars(learner), default=str), encoding="utf-8")
        mlflow_model.signature = given["signature"]
        mlflow_model.add_flavor("habit")
        mlflow_model.save(str(Path(path, "MLmodel")))
