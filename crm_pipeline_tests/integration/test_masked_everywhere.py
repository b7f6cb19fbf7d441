"""Personal data that messages hold stand in raw/ alone: in no other table, file, report, log or export of a home."""

from __future__ import annotations

import html
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crm_pipeline_tests.integration import world
from crm_pipeline_tests.integration.conftest import Built

RAW = ("lake/raw/", "lake/.data/raw/")
OF_CUSTOMERS = ("customers",)
"""Tables whose own columns are name, e-mail and telephone: what is read when acting."""


@pytest.fixture(scope="module")
def messages(whole: Built) -> pd.DataFrame:
    """The messages of the scored periods as they were cleaned, beside what was planted in them."""
    lake = world.lake_of(whole.home)
    periods = [p for p in lake.partitions("clean/messages") if p[:7] <= whole.through]
    clean = lake.table("clean/messages", periods).select("message_id", "body", "subject").execute()
    truth = pd.read_parquet(whole.source / "truth" / "messages.parquet")
    return clean.merge(truth, on="message_id")


def test_planted_data_are_masked_and_no_business_number_is(messages: pd.DataFrame) -> None:
    planted = messages[messages["personal_value"].notna()]
    signed = messages[messages["signed"].notna()]
    assert set(planted["personal_kind"]) == {"email", "phone", "card", "iban", "url", "name"}
    assert len(planted) + len(signed) > 60
    stays = [v in t for rows, c in ((planted, "personal_value"), (signed, "signed"))
             for v, t in zip(rows[c], rows["body"], strict=True)]  # fmt: skip
    assert 1 - sum(stays) / len(stays) >= 0.99
    numbered = messages[messages["kept_number"].notna()]
    assert len(numbered) > 30
    assert all(number in body for number, body in zip(numbered["kept_number"], numbered["body"], strict=True))


def test_no_file_but_raw_holds_what_was_planted(whole: Built, messages: pd.DataFrame, tmp_path: Path) -> None:
    own = {*messages.loc[messages["personal_kind"].isin(["email", "phone", "name"]), "personal_value"]}
    own |= {*messages["signed"].dropna()}
    planted = {*messages["personal_value"].dropna()} | own
    exported = tmp_path / "scores.csv"
    world.crm("scores", "--home", whole.home, "--format", "csv", "--to", exported)
    seen, found = 0, []
    raw = _values_in(next(_files(whole.home, within=RAW, ending="messages")), planted)
    assert raw, "the search finds what there is"
    for path in [*_files(whole.home, without=RAW), exported]:
        seen += 1
        values = _values_in(path, planted)
        if any(name in path.parts for name in OF_CUSTOMERS):
            values -= own
        found += [(path.relative_to(whole.home) if path != exported else path, value) for value in sorted(values)]
    assert seen > 500
    assert found == []


def _files(home: Path, without: tuple[str, ...] = (), within: tuple[str, ...] = (), ending: str = "") -> Iterator[Path]:
    """Yield each file once, a hard link or not."""
    known = set()
    for path in sorted(home.rglob("*")):
        name, stat = path.relative_to(home).as_posix(), path.lstat()
        if not path.is_file() or stat.st_ino in known or name.startswith(without):
            continue
        if within and not (name.startswith(within) and ending in path.parts):
            continue
        known.add(stat.st_ino)
        yield path


def _values_in(path: Path, values: set[str]) -> set[str]:
    texts = [*_texts(path.name, path.read_bytes())]
    return {value for value in values if any(form in text for form in _forms(value) for text in texts)}


def _forms(value: str) -> set[str]:
    """As it is, and as JSON and HTML write it."""
    return {value, json.dumps(value)[1:-1], html.escape(value)}


def _texts(name: str, content: bytes) -> Iterator[str]:
    """Yield what a file says: its bytes, the columns of a Parquet file, the members of an archive."""
    yield content.decode("utf-8", "replace")
    if name.endswith(".parquet"):
        table = pq.read_table(io.BytesIO(content))
        for column in table.columns:
            if not pa.types.is_primitive(column.type):
                yield "\n".join(map(str, column.to_pylist()))
    elif zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from _texts(member, archive.read(member))
