"""How a model of text is kept in MLflow and read again. What it says of a text does not belong here."""

from __future__ import annotations

from typing import Any, Self


class Stored:
    """A model that is stored by skops, without pickles."""

    def log(self, mlflow: Any, **model: Any) -> Any:
        """Store within the active MLflow run; ``model`` are the arguments every flavour takes. Returns its ModelInfo."""
        from skops.io import dumps, get_untrusted_types

        return mlflow.sklearn.log_model(
            self,
            serialization_format="skops",
            skops_trusted_types=list(get_untrusted_types(data=dumps(self))),
            **model,
        )

    @classmethod
    def load(cls, mlflow: Any, model_uri: str) -> Self:
        """Return the model that `log` stored."""
        return mlflow.sklearn.load_model(model_uri)
