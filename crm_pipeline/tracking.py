"""MLflow under the home: one run per trained model, its later evaluation, and the champion alias. No learning here."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, NamedTuple

from crm_pipeline.database import make_schema, mlflow_url
from crm_pipeline.errors import CrmError
from crm_pipeline.lake import is_alive, only_one, sign_of_life
from crm_pipeline.settings import load_settings
from crm_pipeline.tracking_store import any_running, lost_models, relocate

EXPERIMENT = "crm_pipeline"
ABOUT = {
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.note.content": "One run per trained model (task/estimator@period): its parameters, what it learned from, how it did later.",
}
"""Tags of the experiment: which view the MLflow UI opens, and its description."""

LEARNER = "learner"
"""Where a stored model's metadata say of which class it is, as ``module:Class``."""

KEPT = 64
"""Models that a tracker keeps in memory, the last used: a model is immutable, so that it need not be read again."""


class Tracked(NamedTuple):
    """Where MLflow keeps a model."""

    run_id: str
    model_uri: str


class Tracker:
    """The MLflow store of one home: ``mlflow.db``, or the database of its settings, and ``mlartifacts/``.

    Parameters
    ----------
    home : Path
    """

    def __init__(self, home: Path) -> None:
        self.home = Path(home).absolute()
        self.artifacts = self.home / "mlartifacts"
        self.setting = load_settings(self.home).database_url
        self.database: Path | str = mlflow_url(self.setting) if self.setting else self.home / "mlflow.db"
        self.uri = self.database if isinstance(self.database, str) else f"sqlite:///{self.database}"
        self._loaded: dict[str, Any] = {}

    @cached_property
    def mlflow(self) -> Any:
        """The mlflow module, pointed at this home; the store is made, migrated or told of a move at first use."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        for name in ("mlflow", "alembic", "mlflow.store.db.utils"):
            logging.getLogger(name).setLevel(logging.ERROR)
        import mlflow

        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        with only_one(self.artifacts / ".opening.lock"):
            if isinstance(self.database, Path):
                self._make_file(mlflow, self.database, self.artifacts / ".mlflow.db")
            else:
                make_schema(self.setting)
            relocate(self.database, self.artifacts, EXPERIMENT)
            if mlflow.get_experiment_by_name(EXPERIMENT) is None:
                mlflow.create_experiment(EXPERIMENT, artifact_location=self.artifacts.as_uri(), tags=ABOUT)
            mlflow.set_experiment(EXPERIMENT)
        return mlflow

    def _make_file(self, mlflow: Any, database: Path, temporary: Path) -> None:
        """Make a new file apart and put it in place whole: a kill during its migrations leaves nothing half made."""
        if database.exists():
            return
        temporary.unlink(missing_ok=True)
        mlflow.MlflowClient(tracking_uri=f"sqlite:///{temporary}").search_experiments()
        os.replace(temporary, database)

    @cached_property
    def client(self) -> Any:
        """The MLflow client of this home."""
        return self.mlflow.MlflowClient()

    def log_model(
        self,
        name: str,
        model: Any,
        *,
        parameters: Mapping[str, Any],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        example: Any,
    ) -> Tracked:
        """Record a fitted model as one finished run with signature and input example; `log_evaluation` adds plots.

        A run whose recording fails ends as FAILED. The model stores itself (`Learner.log`), its class is kept with it;
        ``example`` is a small DataFrame of features.
        """
        with self._run(name, tags) as run:
            from mlflow.models import infer_signature

            self.mlflow.log_params({k: str(v)[:500] for k, v in parameters.items()})
            self.mlflow.log_metrics({k: float(v) for k, v in metrics.items()})
            info = model.log(
                self.mlflow,
                name=name.replace("/", "_").replace("@", "_"),
                signature=infer_signature(example, model.predict(example)),
                pip_requirements=[f"{name}=={version(name)}" for name in model.requires],
                metadata={LEARNER: f"{type(model).__module__}:{type(model).__qualname__}"},
            )
            self.mlflow.log_dict(example.head(3).to_dict(orient="split"), "input_example.json")
            self._keep(info.model_uri, model)
            return Tracked(run.info.run_id, info.model_uri)

    def log_evaluation(
        self, run_id: str, metrics: Mapping[str, float], plots: Mapping[str, bytes], age: int = 0
    ) -> None:
        """Add to a model's run how it did on later outcomes: metrics at its ``age`` in periods, plots as PNG bytes by name."""
        from mlflow.entities import Metric

        stamp = self.client.get_run(run_id).info.end_time or 0
        self.client.log_batch(
            run_id, metrics=[Metric(name, float(value), stamp, age) for name, value in metrics.items()]
        )
        with tempfile.TemporaryDirectory() as folder:
            for name, png in plots.items():
                path = Path(folder, f"{name}.png")
                path.write_bytes(png)
                self.client.log_artifact(run_id, str(path), "evaluation")

    def log_card(self, run_id: str, page: str) -> None:
        """Add a model card to a model's run."""
        self.client.log_text(run_id, page, "model_card.html")

    def log_tables(self, run_id: str, tables: Mapping[str, str]) -> None:
        """Add tables to a model's run, as CSV text by name."""
        for name, text in tables.items():
            self.client.log_text(run_id, text, f"evaluation/{name}.csv")

    def lost(self, uris: Iterable[str]) -> set[str]:
        """Return which of these models are no longer there."""
        return lost_models(self.database, self.artifacts, uris)

    def load(self, model_uri: str) -> Any:
        """Return a recorded model.

        Raises
        ------
        CrmError
            When it is no longer there, or its class is not.
        """
        try:
            if model_uri not in self._loaded:
                self._loaded[model_uri] = self._class_of(model_uri).load(self.mlflow, model_uri)
            return self._keep(model_uri, self._loaded.pop(model_uri))
        except (OSError, self.mlflow.exceptions.MlflowException) as error:
            raise CrmError(
                f"The model {model_uri} is not in {self.home}: `crm-pipeline run` trains it again."
            ) from error

    def _class_of(self, model_uri: str) -> Any:
        named = (self.mlflow.models.get_model_info(model_uri).metadata or {}).get(LEARNER, "none that is recorded")
        try:
            return resolve_name(named)
        except (ImportError, AttributeError, ValueError) as error:
            raise CrmError(
                f"The model {model_uri} in {self.home} is of a class that this version does not have ({named}): "
                "`crm-pipeline run` trains it again."
            ) from error

    def _keep(self, model_uri: str, model: Any) -> Any:
        """Remember a model as the last used, and forget the one not used for longest."""
        self._loaded[model_uri] = model
        if len(self._loaded) > KEPT:
            self._loaded.pop(next(iter(self._loaded)))
        return model

    def link(self, run_id: str) -> str:
        """Return the address of a run in the MLflow UI that `crm-pipeline ui` starts."""
        experiment = self.client.get_run(run_id).info.experiment_id
        base = os.environ.get("CRM_MLFLOW_UI", "http://127.0.0.1:5000")
        return f"{base}/#/experiments/{experiment}/runs/{run_id}"

    def set_champion(self, task: str, tracked: Tracked, as_of: str, version: str) -> None:
        """Register a champion and move the task's alias to it, never to an older as_of (a backfill)."""
        name = f"{EXPERIMENT}_{task}"
        from mlflow.exceptions import MlflowException

        try:
            current = self.client.get_model_version_by_alias(name, "champion")
        except MlflowException:
            current = None
            if not self.client.search_registered_models(f"name = '{name}'"):
                self.client.create_registered_model(name, description=f"Champions of the task {task}.")
        if current is not None and current.tags.get("as_of", "") > as_of:
            return
        if current is not None and current.tags.get("model_version") == version and current.tags.get("as_of") == as_of:
            return
        tags = {"as_of": as_of, "model_version": version}
        there = self.client.search_model_versions(f"name = '{name}' and run_id = '{tracked.run_id}'")
        known = [one for one in there if tags.items() <= one.tags.items()]  # it reigned before: a rollback
        made = known or [
            self.client.create_model_version(name, source=tracked.model_uri, run_id=tracked.run_id, tags=tags)
        ]
        self.client.set_registered_model_alias(name, "champion", made[0].version)

    def close_orphans(self) -> int:
        """End runs that a killed process left RUNNING; returns how many. Those of living processes go on."""
        if not any_running(self.database):
            return 0
        experiment = self.mlflow.get_experiment_by_name(EXPERIMENT)
        running = self.client.search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'")
        killed = [run for run in running if not is_alive(self.home, run.data.tags.get("crm.process", ""))]
        for run in killed:
            self.client.set_terminated(run.info.run_id, status="KILLED")
        return len(killed)

    @contextmanager
    def _run(self, name: str, tags: Mapping[str, str]) -> Iterator[Any]:
        with self.mlflow.start_run(run_name=name, tags={**tags, "crm.process": sign_of_life(self.home)}) as run:
            yield run
