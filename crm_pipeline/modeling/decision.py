"""A decision row in words: what the terminal, the report and the model card say of a champion, each thing once. Nothing is decided here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from crm_pipeline.modeling.baselines import PREFIX
from crm_pipeline.modeling.tasks import tasks

MEANING = {
    "promoted": "Promoted: it beat the baselines and whatever reigned before it.",
    "held": "Held: no challenger beat the champion in use.",
    "fixed": "Fixed by rule: it beats the baselines; there are too few blocks of time to choose among models.",
    "rolled_back": "Rolled back: a person let it reign again.",
    "kept": "Not promoted: no model may be; this one stands in.",
    "unjudged": "Unjudged: no outcome has matured yet, so this model was never tested.",
    "abstained": "Abstained: there is no model; nobody is scored by one.",
}
TONES = {"promoted": "good", "held": "good", "fixed": "good", "rolled_back": "warn", "kept": "warn", "unjudged": "warn"}
CONSTANTS = {"last_season": "last season's rate", "mean": "the mean"}


@dataclass(frozen=True)
class Decision:
    """One row of ``models/<task>/champion``.

    Attributes
    ----------
    by_chance : bool
        Every model that beats the constant has an AUC whose interval holds chance.
    cutoffs : tuple of str
        Keys of the blocks' cut-offs: what `blocks` counts, and over which means are taken wherever they are shown.
    mean_loss : mapping of model to float
        Over these blocks, baselines prefixed.
    differences : mapping of model to mapping
        Paired loss differences to the champion: ``mean`` (positive: worse than it) and ``block_error``.
    """

    task: str
    champion: str | None
    status: str
    reason: str
    blocks: int
    since: str
    model_version: str
    trained_as_of: str
    runner_up: str | None
    beats_constant: bool | None
    loss: str
    by_chance: bool
    cutoffs: tuple[str, ...]
    mean_loss: Mapping[str, float]
    differences: Mapping[str, Mapping[str, float]]

    @property
    def meaning(self) -> str:
        """What the status says, in one sentence."""
        return MEANING.get(self.status, "")

    @property
    def no_use(self) -> str:
        """One line where no model beats a constant or ranks better than chance; empty where one does, or none was judged."""
        if self.beats_constant is not False:
            return ""
        known = tasks().get(self.task)
        constant = known.constant if known is not None else ""
        over = f"{self.blocks} block{'' if self.blocks == 1 else 's'}"
        if self.by_chance:
            return f"No model of {self.task} surely ranks better than chance (AUC 0.5) over {over} of time: do not rank by it."
        return f"No model of {self.task} beats a constant ({CONSTANTS.get(constant, constant)}) over {over} of time: do not rank by it."

    def compared(self) -> pd.DataFrame:
        """Return the champion, the runner-up and the baselines: model, role, mean_loss, difference, block_error; best first."""
        roles = {self.champion: "champion", self.runner_up: "runner-up"}
        rows = [
            {
                "model": name.removeprefix(PREFIX),
                "role": "baseline" if name.startswith(PREFIX) else roles[name],
                "mean_loss": loss,
                "difference": 0.0 if name == self.champion else self.differences.get(name, {}).get("mean"),
                "block_error": self.differences.get(name, {}).get("block_error"),
            }
            for name, loss in self.mean_loss.items()
            if name.startswith(PREFIX) or name in roles
        ]
        frame = pd.DataFrame(rows, columns=["model", "role", "mean_loss", "difference", "block_error"])
        return frame.sort_values(["mean_loss", "model"], ignore_index=True)


def read_decision(row: Mapping[Any, Any] | pd.Series) -> Decision:
    """Return a decision row as a `Decision`; a column that is not there is empty."""
    evidence = json.loads(_text(row, "evidence") or "{}")
    beats = row.get("beats_constant")
    blocks = row.get("blocks")
    return Decision(
        task=_text(row, "task"),
        champion=_text(row, "champion") or None,
        status=_text(row, "status"),
        reason=_text(row, "reason"),
        blocks=0 if blocks is None or pd.isna(blocks) else int(blocks),
        since=_text(row, "since")[:10],
        model_version=_text(row, "model_version"),
        trained_as_of=_text(row, "trained_as_of")[:10],
        runner_up=_text(row, "runner_up") or None,
        beats_constant=None if beats is None or pd.isna(beats) else bool(beats),
        loss=evidence.get("loss", ""),
        by_chance=bool(evidence.get("by_chance")),
        cutoffs=tuple(evidence.get("cutoffs", ())),
        mean_loss=evidence.get("mean_loss", {}),
        differences=evidence.get("against_champion", {}),
    )


def _text(row: Mapping[Any, Any] | pd.Series, column: str) -> str:
    value = row.get(column)
    return "" if value is None or pd.isna(value) else str(value)
