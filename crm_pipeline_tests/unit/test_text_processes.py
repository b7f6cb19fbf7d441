"""Helpers: the result of several processes is that of one, whatever becomes of them; and nobody is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from functools import cache, partial
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.text import bodies, intents, messages, processes, sentiment

BATCHES = [pa.record_batch({"n": [*range(start, start + 5)]}) for start in range(0, 60, 5)]


def doubling(_: str) -> processes.Work:
    return _doubled


def _doubled(batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.record_batch({"n": [2 * n for n in batch.column("n").to_pylist()], "by": [os.getpid()] * len(batch)})


def dying(here: int) -> processes.Work:
    return partial(_died, here=here)


def _died(batch: pa.RecordBatch, here: int) -> pa.RecordBatch:
    if os.getpid() != here:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.2)
    return _doubled(batch)


def failing(_: str) -> processes.Work:
    return _failed


def _failed(batch: pa.RecordBatch) -> pa.RecordBatch:
    raise ArithmeticError(f"no {batch.column('n')[0]}")


def slow(file: str) -> processes.Work:
    return partial(_slept, file=file)


def _slept(batch: pa.RecordBatch, file: str) -> pa.RecordBatch:
    with Path(file).open("a", encoding="ascii") as out:
        out.write(f"{os.getpid()}\n")
    time.sleep(60)
    return batch


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 2)


def numbers(made: list[pa.RecordBatch]) -> list[int]:
    return pa.Table.from_batches(made)["n"].to_pylist()


@pytest.mark.usefixtures("two_cores")
def test_batches_come_back_in_order() -> None:
    assert numbers(processes.mapped(doubling, ("",), BATCHES, 2)) == [2 * n for n in range(60)]
    assert processes.mapped(doubling, ("",), [], 2) == []


@pytest.mark.usefixtures("two_cores")
def test_what_a_killed_helper_had_is_done_here() -> None:
    made = processes.mapped(dying, (os.getpid(),), BATCHES, 2)
    assert numbers(made) == [2 * n for n in range(60)]
    assert set(pa.Table.from_batches(made)["by"].to_pylist()) == {os.getpid()}


@pytest.mark.usefixtures("two_cores")
def test_without_a_second_process_one_does_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert numbers(processes.mapped(doubling, ("",), BATCHES, 2)) == [2 * n for n in range(60)]
    assert "this one does it alone" in caplog.text


@pytest.mark.usefixtures("two_cores")
def test_a_failure_is_raised_as_it_is() -> None:
    with pytest.raises(ArithmeticError, match="no "):
        processes.mapped(failing, ("",), BATCHES, 2)


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nobody_is_left_behind(tmp_path: Path, sent: signal.Signals) -> None:
    file = tmp_path / "pids"
    program = textwrap.dedent(f"""
        import signal
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs the tests may ignore it
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        from crm_pipeline.text import processes
        from crm_pipeline_tests.unit.test_text_processes import BATCHES, slow
        processes.cores = lambda: 2
        processes.mapped(slow, ({str(file)!r},), BATCHES, 2)
    """)
    parent = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    pids = wait_for(lambda: file.read_text(encoding="ascii").split() if file.exists() else [], 2)
    helper = next(int(pid) for pid in pids if int(pid) != parent.pid)
    parent.send_signal(sent)
    parent.wait(60)
    wait_for(lambda: [] if alive(helper) else [0], 1)


def wait_for(look, count: int) -> list:
    until = time.monotonic() + 60
    while len(found := look()) < count:
        assert time.monotonic() < until
        time.sleep(0.05)
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


WRITTEN = st.sampled_from(
    ["I hate this, order 4711!", "ada@example.org is me", "Wo ist mein Paket? Ich bin sehr unzufrieden.", "", "love :) 😀",
     "call +49 30 901820 please", "Dear Ms Lovelace", "不好", "So great. But not THIS one!!"]
)  # fmt: skip


@pytest.mark.usefixtures("two_cores")
@settings(max_examples=3, deadline=None)
@given(st.lists(st.one_of(st.none(), WRITTEN, st.text(max_size=40)), min_size=9, max_size=40), st.randoms())
def test_two_processes_understand_and_mask_as_one(texts: list[str | None], chance) -> None:
    n = len(texts)
    ids = pa.array([str(i) for i in range(n)])
    rows = pa.table({"message_id": ids, "customer_id": ids, "event_at": pa.array([0] * n, pa.timestamp("us")),
                     "body": pa.array(texts, pa.string()), "inbound": [chance.random() < 0.8 for _ in texts]})  # fmt: skip
    models = learned()
    whole = messages.understand(rows, *models)
    with pytest.MonkeyPatch.context() as small:
        small.setattr(messages, "MANY", 1), small.setattr(messages, "ROWS", 4)
        small.setattr(bodies, "MANY", 1), small.setattr(bodies, "ROWS", 4)
        assert messages.understand(rows, *models, 2) == whole
        assert messages.understand(rows, *models) == whole
        assert bodies.masked(rows, ("DE",), 2) == bodies.masked(rows, ("DE",), 1)


@cache
def learned() -> tuple[intents.IntentModel, sentiment.SentimentModel]:
    texts = [f"{begin} {end}" for begin in ("I hate", "Where is", "love", "so") for end in ("this order", "my parcel", "not THIS one",
             "it, really", "the card", "paper", "you", "any call", "mein Paket")]  # fmt: skip
    about = [text.split()[-1][:2] for text in texts]
    felt = ["negative" if "hate" in text else "positive" if "love" in text else "neutral" for text in texts]
    return intents.fit(texts, about), sentiment.fit(texts, felt)
