"""What a home learns from labelled texts: the file as it keeps it, the classifier's trial, its run in MLflow. No classifier's insides."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from crm_pipeline.engine import storage_error
from crm_pipeline.errors import UsageError
from crm_pipeline.hashing import digest
from crm_pipeline.home.disk import told_of_disk
from crm_pipeline.home.labels import LABELS
from crm_pipeline.lake import only_one
from crm_pipeline.settings import Settings, load_settings
from crm_pipeline.text.intents import OUTSIDE, IntentModel, fit, folds_of
from crm_pipeline.text.judging import Judgement, judge
from crm_pipeline.text.labels import UNKNOWN, Labelled, parse, trainable, written
from crm_pipeline.text.masking import mask
from crm_pipeline.tracking import Tracker

HELD_OUT = 5
"""Without a file to test on, one in so many texts is held out for the trial."""

EXAMPLE = pd.DataFrame({"text": ["Where is my order?", "I want to send it back."]})
"""What MLflow shows as an input: never a text of a customer."""


@dataclass(frozen=True)
class Trained:
    """What `train_intents` did.

    Attributes
    ----------
    file, judged_on : str
    rows, unknown, intents : int
        Texts learned from, those among them that belong to no intent, and intents.
    notes : list of str
        What is odd about the files.
    measured : dict
        How the classifier did on folds of its own training texts; ``unknown_*`` with whole intents left out.
    judgement : Judgement
    run_id, model_uri : str
    stored : Path
    earlier : Path or None
        The labelled texts that were there before.
    """

    file: str
    judged_on: str
    rows: int
    unknown: int
    intents: int
    notes: list[str]
    measured: dict[str, float]
    judgement: Judgement
    run_id: str
    model_uri: str
    stored: Path
    earlier: Path | None

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        confused = self.judgement.confusions.to_dict("records")
        return asdict(self) | {"judgement": vars(self.judgement) | {"confusions": confused}}


def train_intents(
    home: Path,
    file: Path,
    test: Path | None = None,
    columns: tuple[str | None, str | None] = (None, None),
    say: Callable[[str], None] = lambda text: None,
) -> Trained:
    """Fit a classifier of intents, judge it, record it, and keep the labelled texts for the runs to come.

    Parameters
    ----------
    home, file : Path
    test : Path, optional
        Labelled texts to judge it on; without, a fifth of ``file`` is held out, and then learned from as well.
    columns : pair of str, optional
        Of the texts and of the labels.
    say : callable, optional
        Is told what is going on.

    Raises
    ------
    UsageError, CrmError
        One sentence about a file or the home.
    """
    settings = load_settings(home)
    learn = trainable(masked(read_labelled(file, *columns), settings))
    probe = masked(read_labelled(test, *columns), settings) if test else None
    if probe is not None and not len(probe):
        raise UsageError(f"{probe.name} has no text to judge on: give labelled texts, or leave --test out.")
    _prepared(home)
    say("fitting")
    model = fit(learn.texts, learn.intents, settings.seed)
    say("judging")
    if probe is not None:
        judgement, judged_on = judge(model, probe.texts, probe.intents), probe.name
    else:
        judgement, judged_on = _held_out(learn, settings.seed), f"a fifth of {learn.name}, held out"
    say("recording")
    text = written(learn)
    with told_of_disk(home):
        run_id, model_uri = _recorded(home, learn, model, judgement, judged_on, text)
        stored, earlier = _kept(home, text)
    return Trained(
        file=str(file),
        judged_on=judged_on,
        rows=len(learn),
        unknown=learn.intents.count(UNKNOWN),
        intents=len(model.labels),
        notes=learn.notes + (probe.notes if probe else []),
        measured=model.measured,
        judgement=judgement,
        run_id=run_id,
        model_uri=model_uri,
        stored=stored,
        earlier=earlier,
    )


def read_labelled(file: Path, text_column: str | None = None, label_column: str | None = None) -> Labelled:
    """Return the labelled texts of a file, fit to be learned from and kept.

    Raises
    ------
    UsageError
        When it cannot be read.
    """
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror}): give a CSV file of labelled texts.") from error
    return parse(content, str(file), text_column, label_column)


def masked(found: Labelled, settings: Settings) -> Labelled:
    """Return the labelled texts as they may be learned from and kept in a home: masked as messages are."""
    if not settings.mask_text:
        return found
    return replace(
        found, texts=mask(pa.array(found.texts, pa.string()), regions=settings.phone_regions).texts.to_pylist()
    )


def _prepared(home: Path) -> None:
    try:
        (home / LABELS).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, home) from error
    if (home / LABELS).is_dir():
        raise UsageError(f"{home / LABELS} is a folder: remove it, the labelled texts are kept in a file of that name.")


def _held_out(learn: Labelled, seed: int) -> Judgement:
    """Judge a classifier that never saw a fifth of the texts on that fifth; a text that stands twice is on one side."""
    texts, labels = np.array(learn.texts, dtype=object), np.array(learn.intents, dtype=object)
    held = folds_of(labels, HELD_OUT, np.random.default_rng(seed)) == 0
    held &= ~np.isin(texts.astype(str), texts[~held].astype(str))
    return judge(fit(texts[~held], labels[~held], seed), texts[held], labels[held])


def _recorded(
    home: Path, learn: Labelled, model: IntentModel, judgement: Judgement, judged_on: str, text: str
) -> tuple[str, str]:
    """Record the classifier, what it was learned from and how it did as one MLflow run."""
    tracker = Tracker(home)
    version = digest(text, 16)
    figures = judgement.metrics | {f"folds_{name}": value for name, value in model.measured.items()}
    tracked = tracker.log_model(
        f"intent/linear_svm@{version[:8]}",
        model,
        parameters={
            "file": Path(learn.name).name,
            "judged_on": judged_on,
            "intents": len(model.labels),
            "features": model.vectors.width,
            "temperature": round(model.temperature, 4),
            "share_outside_assumed": OUTSIDE,
        },
        metrics={"rows": len(learn)} | figures,
        tags={"crm.asset": "train-intents", "crm.labels": version},
        example=EXAMPLE,
    )
    tracker.log_tables(tracked.run_id, {"confusions": judgement.confusions.to_csv(index=False)})
    return tracked.run_id, tracked.model_uri


def _kept(home: Path, text: str) -> tuple[Path, Path | None]:
    """Put the labelled texts in the home, atomically; what was there before stays beside it under its day and second."""
    path = home / LABELS
    with only_one(path.with_name(".intents.lock")):
        content = text.encode()
        if path.exists() and path.read_bytes() == content:
            return path, None
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_bytes(content)
        earlier = None
        if path.exists():
            earlier = path.with_name(f"intents.{datetime.now(UTC):%Y%m%dT%H%M%S%f}.csv")
            os.link(path, earlier)
        os.replace(temporary, path)
    return path, earlier
