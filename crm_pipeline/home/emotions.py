"""What a home learns from recordings labelled with how they sound: where they come from, what it keeps, the trial. No model's insides."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from crm_pipeline.audio import emotion_cnn
from crm_pipeline.audio.emotion import EmotionModel, folds_of
from crm_pipeline.audio.emotion_judging import Given, Judgement, best, compared
from crm_pipeline.audio.emotion_labels import Labelled, parse, taken, trainable
from crm_pipeline.audio.emotion_stretches import example
from crm_pipeline.engine import storage_error
from crm_pipeline.errors import UsageError
from crm_pipeline.hashing import digest
from crm_pipeline.home.disk import told_of_disk
from crm_pipeline.home.labels import EMOTIONS, TOLD, EmotionLabels
from crm_pipeline.home.project import Project
from crm_pipeline.lake import only_one
from crm_pipeline.settings import load_settings
from crm_pipeline.tracking import Tracked, Tracker

NORMALISED = b"normalised_by_speaker"
"""Metadata of the file kept: whether vectors are normalised by speaker."""

SECONDS = 3
"""Of a processor that a network takes to be fitted, about."""

NO_NETWORK = (
    "No network is fitted beside the SVM: it needs the extra 'deep': pip install --editable '.[deep]' in the clone."
)

KEPT = ("path", "emotion", "speaker", "seconds", "level", "vector", "image")
"""Columns of the file kept: no sound."""


@dataclass(frozen=True)
class TrainedEmotions:
    """What `train_emotion` did.

    Attributes
    ----------
    file, judged_on : str
    recordings, speakers : int
        Learned from.
    labels : list of str
    normalised : bool
        By speaker.
    notes : list of str
        What is odd about the files.
    judgement : Judgement
        Of the model chosen.
    refused : float
        Share of unheard speech that is taken for something else.
    compared : dict of str to dict
        Figures of the same recordings by model: ``svm``, and where a network was fitted ``cnn`` and ``average``.
    chosen : str
        The model that runs fit: that with the least log loss on speakers of ``file`` left out.
    run_id, model_uri : str
        Of the model chosen.
    other_runs : dict of str to str
        Runs of the other models that were recorded, by model.
    stored : Path
    earlier : Path or None
        What was kept before.
    """

    file: str
    judged_on: str
    recordings: int
    speakers: int
    labels: list[str]
    normalised: bool
    notes: list[str]
    judgement: Judgement
    refused: float
    compared: dict[str, dict[str, float]]
    chosen: str
    run_id: str
    model_uri: str
    other_runs: dict[str, str]
    stored: Path
    earlier: Path | None

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        tables = {name: getattr(self.judgement, name).to_dict("records") for name in ("confusions", "speakers")}
        paths = {"stored": str(self.stored), "earlier": str(self.earlier) if self.earlier else None}
        return vars(self) | paths | {"judgement": vars(self.judgement) | tables}


def train_emotion(
    home: Path,
    file: Path,
    test: Path | None = None,
    normalised: bool = False,
    network: bool = True,
    say: Callable[[str], None] = lambda text: None,
) -> TrainedEmotions:
    """Fit a model of how voices sound, judge it, record it, and keep what was measured for the runs to come.

    Beside the SVM a network is fitted where the extra ``deep`` is installed; the better on speakers left out, or their average, is chosen.

    Parameters
    ----------
    home, file : Path
    test : Path, optional
        Labelled recordings to judge it on; without, speakers of ``file`` are left out in turn.
    normalised : bool
        Whether vectors are normalised by speaker, which needs several recordings of each.
    network : bool
        Whether a network is fitted too.
    say : callable, optional
        Is told what is going on.

    Raises
    ------
    UsageError, CrmError
        One sentence about a file or the home.
    """
    settings = load_settings(home)
    say("measuring")
    learn = trainable(read_recordings(file, processes=settings.threads))
    probe = read_recordings(test, processes=settings.threads) if test else None
    if probe is not None and not len(probe):
        raise UsageError(f"{probe.name} has no usable recording to judge on: give labelled ones, or leave --test out.")
    notes = [*learn.notes, *(_odd(learn, probe) if probe else ())]
    _prepared(home)
    kinds = ["svm"]
    if network and emotion_cnn.available():
        kinds.append("cnn")
        fits = folds_of(learn.rows["speaker"].to_numpy()).max() + 2
        say(f"fitting (the network takes about {fits * SECONDS} s of a processor; --without-network leaves it out)")
    else:
        notes += [NO_NETWORK] if network else []
        say("fitting")
    found = compared(kinds, _given(learn), settings.seed, normalised, _given(probe) if probe else None)
    judged_on = f"the speakers of {learn.name}, each left out" if learn.known_speakers else f"folds of {learn.name}"
    judged_on = probe.name if probe else judged_on
    chosen = best(found)
    say("recording")
    with told_of_disk(home):
        recorded = dict.fromkeys([*kinds, chosen])
        tracked = {name: _recorded(home, learn, name, *found[name], judged_on) for name in recorded}
        stored, earlier = _kept(home, learn, normalised, chosen)
    model, judgement = found[chosen]
    return TrainedEmotions(
        file=str(file),
        judged_on=judged_on,
        recordings=len(learn),
        speakers=int(learn.rows["speaker"].nunique()),
        labels=model.labels,
        normalised=normalised,
        notes=notes,
        judgement=judgement,
        refused=model.limits.refused,
        compared={kind: judged.metrics for kind, (_, judged) in found.items()},
        chosen=chosen,
        run_id=tracked[chosen].run_id,
        model_uri=tracked[chosen].model_uri,
        other_runs={name: one.run_id for name, one in tracked.items() if name != chosen},
        stored=stored,
        earlier=earlier,
    )


def read_recordings(file: Path, within: Path | None = None, processes: int = 2) -> Labelled:
    """Return the labelled recordings of a CSV file, measured; paths are relative to its folder.

    Parameters
    ----------
    file : Path
    within : Path, optional
        The folder in which recordings must lie.
    processes : int

    Raises
    ------
    UsageError
        When the file cannot be read; a recording that cannot is left out, and said.
    """
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read ({error.strerror}): give a CSV file of labelled recordings."
        ) from error
    return taken(parse(content, str(file)), Path(file).parent, within, processes)


def kept_recordings(home: Path) -> tuple[pd.DataFrame, bool]:
    """Return what a home keeps of its own labelled recordings, and whether they are normalised by speaker.

    Raises
    ------
    UsageError
        When someone changed the file so that it cannot be read.
    """
    path = home / EMOTIONS
    try:
        table = pq.read_table(path, columns=[*KEPT])
    except (OSError, pa.ArrowInvalid) as error:
        raise UsageError(
            f"{path} cannot be read ({error}): run `crm-pipeline train-emotion` again, or remove it."
        ) from error
    return table.to_pandas(), (table.schema.metadata or {}).get(NORMALISED) == b"true"


def recordings_of(project: Project, labels: EmotionLabels) -> tuple[pd.DataFrame, list[str]]:
    """Return the labelled recordings that a home learns from, and what is odd about them.

    Raises
    ------
    UsageError
        When they cannot be read.
    """
    if labels.source is None:
        rows, normalised = kept_recordings(project.home)
        return rows.assign(normalised=normalised), []
    root = Path(project.source.files)
    found = read_recordings(root / labels.source, within=root, processes=project.settings.threads)
    return found.rows[[*KEPT]].assign(normalised=False), found.notes


def version_of(rows: pd.DataFrame) -> str:
    """Return a hash of labelled recordings: of what was measured, and how it is labelled."""
    told = (f"{row.emotion}\t{row.speaker}\t{row.vector.hex()}" for row in rows.itertuples())
    return digest("\n".join(sorted(told)), 16)


def _prepared(home: Path) -> None:
    try:
        (home / EMOTIONS).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, home) from error
    if (home / EMOTIONS).is_dir():
        raise UsageError(f"{home / EMOTIONS} is a folder: remove it, what was measured is kept in a file of that name.")


def _given(labelled: Labelled) -> Given:
    return labelled.stretches, labelled.rows["emotion"].tolist(), labelled.rows["speaker"].tolist()


def _odd(learn: Labelled, probe: Labelled) -> list[str]:
    """Return what is odd about recordings to judge on, one sentence each; without a label that is learned they are refused."""
    notes, labels = [*probe.notes], sorted(set(learn.rows["emotion"]))
    heard = sorted(set(learn.rows["speaker"]) & set(probe.rows["speaker"]))
    if heard:
        notes.append(
            f"{probe.name}: {len(heard)} of its {probe.rows['speaker'].nunique()} speakers, such as {heard[0]}, are in "
            f"{learn.name} too: the figures are not of unheard speakers alone."
        )
    if not set(probe.rows["emotion"]) & set(labels):
        raise UsageError(
            f"{probe.name} has no label of {learn.name} ({', '.join(labels[:5])}): there is nothing to judge."
        )
    return notes


def _recorded(
    home: Path, learn: Labelled, kind: str, model: EmotionModel, judgement: Judgement, judged_on: str
) -> Tracked:
    """Record a model, what it was learned from and how it did as one MLflow run."""
    tracker, version = Tracker(home), version_of(learn.rows)
    tracked = tracker.log_model(
        f"emotion/{kind}@{version[:8]}",
        model,
        parameters={
            "file": Path(learn.name).name,
            "judged_on": judged_on,
            "labels": len(model.labels),
            "speakers": learn.rows["speaker"].nunique(),
            "normalised_by_speaker": model.by_speaker,
            "temperature": ", ".join(f"{one:.4f}" for one in model.temperatures.values()),
        },
        metrics={"recordings": len(learn), "refused": model.limits.refused} | judgement.metrics,
        tags={"crm.asset": "train-emotion", "crm.labels": version},
        example=example(),
    )
    told = {name: getattr(judgement, name).to_csv(index=False) for name in ("confusions", "speakers")}
    tracker.log_tables(tracked.run_id, told)
    return tracked


def _kept(home: Path, learn: Labelled, normalised: bool, chosen: str) -> tuple[Path, Path | None]:
    """Put what was measured in the home, atomically; what was there before stays beside it under its day and second."""
    path = home / EMOTIONS
    table = pa.Table.from_pandas(learn.rows[[*KEPT]], preserve_index=False)
    table = table.replace_schema_metadata({NORMALISED: str(normalised).lower().encode()})
    with only_one(path.with_name(".emotions.lock")):
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        pq.write_table(table, temporary, compression="zstd")
        earlier = None
        if path.exists() and path.read_bytes() != temporary.read_bytes():
            earlier = path.with_name(f"emotions.{datetime.now(UTC):%Y%m%dT%H%M%S%f}.parquet")
            os.link(path, earlier)
        os.replace(temporary, path)
        told = {
            "version": version_of(learn.rows) + f" {normalised}",
            "counts": learn.rows["emotion"].value_counts().to_dict(),
            "model": chosen,
        }
        temporary.write_text(json.dumps(told, indent=1), encoding="utf-8")
        os.replace(temporary, home / TOLD)
    return path, earlier
