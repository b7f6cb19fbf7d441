"""Predicts with a recorded model in a process of its own. Not a test.

Usage: python loading.py HOME TASK MODEL_URI FEATURES.parquet OUT.parquet
"""

from __future__ import annotations

import sys

import pandas as pd


def main(home: str, task: str, uri: str, features: str, out: str) -> None:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{home}/mlflow.db")
    mlflow.set_registry_uri(f"sqlite:///{home}/mlflow.db")
    model = mlflow.sklearn.load_model(uri)
    rows = pd.read_parquet(features)
    # skops refuses types it does not know, so a model that loads here needs nothing but its libraries
    pd.DataFrame({"customer_id": rows["customer_id"], "raw": model.raw(rows)}).to_parquet(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
