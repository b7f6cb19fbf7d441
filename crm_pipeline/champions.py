"""Reading the decisions on the champions, and naming the one before for a rollback. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm_pipeline.contracts.leaderboards import LEADERS
from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.home.rollbacks import read_rollbacks, write_rollbacks
from crm_pipeline.modeling.decision import Decision, read_decision
from crm_pipeline.modeling.rollback import Rollback
from crm_pipeline.modeling.tasks import chosen
from crm_pipeline.scored import Opened, open_home
from crm_pipeline.settings import load_settings

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Reign:
    """The decision of a task as of a period's end; ``blocks`` are the labels of its cut-offs."""

    label: str
    decision: Decision
    blocks: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: the decision's words and figures, and champion, runner-up and baselines beside each other."""
        told = asdict(self.decision)
        left_out = ("mean_loss", "differences", "cutoffs")
        rows = self.decision.compared()
        return {
            "period": self.label,
            **{name: value for name, value in told.items() if name not in left_out},
            "meaning": self.decision.meaning,
            "warning": self.decision.no_use,
            "judged_after": list(self.blocks),
            "compared": rows.astype(object).where(rows.notna(), None).to_dict("records"),
        }


def open_champions(home: Path, task: str | None = None, as_of: str | None = None) -> list[Reign]:
    """Read the newest decision of every task, or of one, as of a period (default: the latest there is).

    Raises
    ------
    UsageError, CrmError
        When the home, the task or the period is not there, or nothing was decided yet.
    """
    opened, tasks = open_home(home), _tasks(home, task)
    wanted = opened.calendar.parse(as_of) if as_of else None
    return [_reign(opened, name, _period(opened, name, wanted)) for name in tasks]


def open_leaderboards(home: Path, task: str | None = None, as_of: str | None = None) -> dict[str, pd.DataFrame]:
    """Read by task ``evaluation/<task>_leaderboard``, as of a period (default: the latest there is).

    Raises
    ------
    UsageError, CrmError
        As `open_champions`; also when the period was run by a version that made none.
    """
    opened, tasks = open_home(home), _tasks(home, task)
    wanted, found = opened.calendar.parse(as_of) if as_of else None, {}
    for name in tasks:
        asset, period = f"evaluation/{name}{LEADERS}", _period(opened, name, wanted)
        if opened.lake.manifest(asset, period) is None:
            label = opened.calendar.label(period)
            raise CrmError(
                f"{home} has no leaderboard of {name} as of {label}: `crm-pipeline run --home {home}` makes it."
            )
        found[name] = opened.lake.table(asset, [period]).execute()
    return found


def roll_back(home: Path, task: str | None) -> tuple[str, dict[str, tuple[Rollback, ...]]]:
    """Record that the champion before is to reign again from the latest decided period on; the next run heeds it.

    Returns
    -------
    period : str
        Key of that period.
    earlier : dict
        The rollbacks as they were, for `write_rollbacks`, should that run fail.

    Raises
    ------
    UsageError, CrmError
        When the task is not named, or no other champion is known that could be fitted now.
    """
    opened, tasks = open_home(home), _tasks(home, task)
    if len(tasks) > 1:
        raise UsageError(f"--rollback needs --task: choose {' or '.join(tasks)}.")
    name = tasks[0]
    period = _period(opened, name, None)
    now = _reign(opened, name, period).decision
    before = _champion_before(opened, name, period, now)
    settings = load_settings(home)
    trained = opened.calendar.last_of_block(period, settings.train_every)
    cards = opened.lake.table(f"models/{name}/{before}", [trained]).execute() if (
        opened.lake.manifest(f"models/{name}/{before}", trained)
    ) else None  # fmt: skip
    if cards is None or cards.empty or cards["status"].iloc[0] != "fitted":
        raise CrmError(
            f"'{before}', the champion of {name} before, was not fitted as of {opened.calendar.label(period)}."
        )
    earlier = read_rollbacks(home)
    own = (*earlier.get(name, ()), Rollback(period, before, str(now.champion)))
    write_rollbacks(home, earlier | {name: own})
    return period, earlier


def _champion_before(opened: Opened, task: str, period: str, now: Decision) -> str:
    """Return the estimator that reigned last before the one that reigns, as published: a decision made anew forgets none."""
    asset, lake, calendar = f"models/{task}/champion", opened.lake, opened.calendar
    if now.champion is None:
        raise CrmError(f"{task} has no champion as of {calendar.label(period)}: {now.reason}")
    for key in sorted(lake.partitions(asset), reverse=True):
        for manifest in reversed(lake.editions(asset, key, calendar.grain)):
            found = read_decision(lake.read([manifest]).execute().iloc[0]).champion
            if found not in (None, now.champion):
                return str(found)
    raise CrmError(
        f"No champion of {task} before '{now.champion}' is known in {lake.home}: there is nothing to roll back to."
    )


def _tasks(home: Path, task: str | None) -> Sequence[str]:
    known = chosen(load_settings(home))
    if task is not None and task not in known:
        raise UsageError(f"--task {task} is not known: choose {' or '.join(known)}.")
    return [task] if task is not None else known


def _period(opened: Opened, task: str, wanted: str | None) -> str:
    lake, label = opened.lake, opened.calendar.label
    known = sorted(lake.partitions(f"models/{task}/champion"))
    if not known:
        raise CrmError(f"{lake.home} has no champion of {task} yet: run `crm-pipeline run --home {lake.home}` first.")
    if wanted is None:
        return known[-1]
    if wanted not in known:
        raise UsageError(
            f"{lake.home} has no champion of {task} as of {label(wanted)}; it has {', '.join(label(k) for k in known[-6:])}."
        )
    return wanted


def _reign(opened: Opened, task: str, period: str) -> Reign:
    decision = read_decision(opened.lake.table(f"models/{task}/champion", [period]).execute().iloc[0])
    label = opened.calendar.label
    return Reign(label(period), decision, tuple(label(cutoff) for cutoff in decision.cutoffs))
