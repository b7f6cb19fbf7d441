"""Works through batches of rows in several processes, with the result of one. What is done to a batch does not belong here.

A helper is this module as a program. It needs no fork, no shared memory and no guard in the main script; it reads its work from its
standard input, and ends as soon as that ends, also where who started it was killed. Helpers are a convenience: what one of
them cannot do, because it could not be started, was killed or failed, is done in this process, which then also says why it fails.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import IO, Any

import pyarrow as pa

Work = Callable[[pa.RecordBatch], pa.RecordBatch]

_LENGTH = struct.Struct("<Q")
_LOG = logging.getLogger(__name__)


def mapped(
    make: Callable[..., Work], given: tuple[Any, ...], batches: Sequence[pa.RecordBatch], processes: int
) -> list[pa.RecordBatch]:
    """Return what the work makes of each batch, in order.

    Parameters
    ----------
    make : callable
        A function at the top of a module; ``make(*given)`` returns the work. What that makes of a batch must not depend on
        which batches it saw before.
    given : tuple
        Values that can be pickled.
    batches : sequence of RecordBatch
    processes : int
        At most so many, this one among them; never more than there are cores or batches.
    """
    waiting, done = deque(enumerate(batches)), dict[int, pa.RecordBatch]()
    helpers = [_Helper(make, given, waiting, done) for _ in range(min(processes, cores(), len(batches)) - 1)]
    try:
        work = make(*given)
        while (one := _taken(waiting)) is not None:
            done[one[0]] = work(one[1])
        for helper in helpers:
            helper.join()
    finally:
        for helper in helpers:
            helper.end()
    return [done[place] if place in done else work(batch) for place, batch in enumerate(batches)]


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _taken(waiting: deque[tuple[int, pa.RecordBatch]]) -> tuple[int, pa.RecordBatch] | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None


class _Helper(threading.Thread):
    """A process, and the thread that hands it batches for as long as there are any."""

    def __init__(
        self,
        make: Callable[..., Work],
        given: tuple[Any, ...],
        waiting: deque[tuple[int, pa.RecordBatch]],
        done: dict[int, pa.RecordBatch],
    ) -> None:
        super().__init__(name="reads messages", daemon=True)
        self.first = pickle.dumps((make, given))
        self.waiting, self.done = waiting, done
        self.process: subprocess.Popen[bytes] | None = None
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
            )
            self.start()
        except (OSError, RuntimeError) as error:  # no process or no thread is to be had
            _LOG.warning("No second process reads messages, this one does it alone: %s", error)

    def run(self) -> None:
        """Hand out batches until there are none, or the process cannot go on."""
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            _send(self.process.stdin, self.first)
            while (one := _taken(self.waiting)) is not None:
                _send(self.process.stdin, _packed(one[1]))
                answer = _received(self.process.stdout)
                if answer is None:
                    raise EOFError("it ended")
                self.done[one[0]] = _unpacked(answer)
        except (OSError, EOFError, ValueError) as error:
            _LOG.warning("A process that read messages is gone, its messages are read here: %s", error)

    def join(self, timeout: float | None = None) -> None:
        """Wait for what was begun."""
        if self.ident is not None:
            super().join(timeout)

    def end(self) -> None:
        """End the process, whatever it does."""
        if self.process is not None:
            self.process.kill()
            self.join()
            self.process.communicate()


def _send(out: IO[bytes], frame: bytes | pa.Buffer) -> None:
    out.write(_LENGTH.pack(len(frame)))
    out.write(frame)
    out.flush()


def _received(given: IO[bytes]) -> bytes | None:
    """Return the next frame; None at the end."""
    head = given.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    frame = given.read(length)
    return frame if len(frame) == length else None


def _packed(batch: pa.RecordBatch) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return sink.getvalue()


def _unpacked(frame: bytes) -> pa.RecordBatch:
    return pa.ipc.open_stream(frame).read_next_batch()


def _help() -> None:
    """Be a helper: read what to do and then batches, and answer each; a failure ends it, and is told on standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who was interrupted ends this one
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not stand between the answers
    frames: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, frames), daemon=True).start()
    make, given = pickle.loads(frames.get())
    work = make(*given)
    while True:
        _send(answers, _packed(work(_unpacked(frames.get()))))


def _listen(given: IO[bytes], frames: queue.SimpleQueue[bytes]) -> None:
    while (frame := _received(given)) is not None:
        frames.put(frame)
    os._exit(0)  # in the middle of a batch, too: nobody waits for it


if __name__ == "__main__":
    _help()
