"""The private API of Dagster that this code location stands on, each with the reason why no public one does. Nothing else."""

from pathlib import Path

from dagster import DagsterInstance
from dagster._core.definitions.data_version import DATA_VERSION_TAG  # noqa: F401
from dagster._core.instance.ref import InstanceRef

# DATA_VERSION_TAG: a runless materialization can carry a data version by this tag alone, and what the instance knows of many
# partitions can be asked for in one query by it alone (`DagsterInstance.event_log_storage`).

_QUIET = {
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}


def quiet_instance(folder: Path) -> DagsterInstance:
    """Open the instance of a folder without capturing what runs print: `DagsterInstance.get` takes no overrides.

    The settings of the folder itself stay, so that the UI and its daemon capture output as they always do.
    """
    return DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=_QUIET))


def hold_connections(instance: DagsterInstance) -> None:
    """Let a process that carries out runs keep its connections to a database server.

    Dagster opens one for each statement, 1,900 in a run of 56 partitions and two fifths of its time, and offers this, which
    leaves 125, to its webserver alone. No statement is timed out, and a connection is opened anew after five minutes.
    """
    instance.optimize_for_webserver(statement_timeout=0, pool_recycle=300, max_overflow=20)
