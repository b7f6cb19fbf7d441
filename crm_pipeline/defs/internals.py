"""The private API of Dagster that this code location stands on, each with the reason why no public one does. Nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from dagster import DagsterError, DagsterInstance
from dagster._core.definitions.data_version import DATA_VERSION_TAG  # noqa: F401
from dagster._core.instance.ref import InstanceRef
from dagster_shared.check import CheckError

from crm_pipeline.errors import CrmError

# DATA_VERSION_TAG: a runless materialization can carry a data version by this tag alone, and what the instance knows of many
# partitions can be asked for in one query by it alone (`DagsterInstance.event_log_storage`).

_QUIET = {
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}


def quiet_instance(folder: Path) -> DagsterInstance:
    """Open the instance of a folder without capturing what runs print: `DagsterInstance.get` takes no overrides.

    The settings of the folder itself stay, so that the UI and its daemon capture output as they always do.

    Raises
    ------
    CrmError
        As `told_of_settings`.
    """
    with told_of_settings(folder):
        return DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=_QUIET))


@contextmanager
def told_of_settings(folder: Path) -> Iterator[None]:
    """Say in one sentence that an instance's ``dagster.yaml`` cannot be used: what it names is not there, or it is no YAML.

    Raises
    ------
    CrmError
    """
    try:
        yield
    except (DagsterError, CheckError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())
        raise CrmError(
            f"{folder / 'dagster.yaml'} cannot be used ({said[:300]}): mend it, or remove it and the next run writes its own."
        ) from error


def hold_connections(instance: DagsterInstance) -> None:
    """Let a process that carries out runs keep its connections to a database server.

    Dagster opens one for each statement, 1,900 in a run of 56 partitions and two fifths of its time, and offers this, which
    leaves 125, to its webserver alone. No statement is timed out, and a connection is opened anew after five minutes.
    """
    instance.optimize_for_webserver(statement_timeout=0, pool_recycle=300, max_overflow=20)
