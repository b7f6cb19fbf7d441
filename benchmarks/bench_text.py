"""The text layer: real messages counted the naive way and ours in one run, and a million messages end to end.

Usage: ``python -m benchmarks.bench_text [--messages 1000000] [--rounds 3] [--result FILE]``.

The naive way is a script's: ``word_tokenize`` of a message, stop words out, ``word_tokenize`` again, the Porter stem of every
occurrence, ``FreqDist``. Ours is `tokens.process`, which also tells sentences, and a count of the stems. Both begin with
nothing known and take the same texts and the same stop words; the naive way is given the sentences, ready made and off the
clock. Compared are the tokens before stemming: ours against those of the naive way's first ``word_tokenize`` (the bar), and
against what it says of whole messages, where it leaves a full stop between two sentences on its word.

The million messages are drawn word by word from the real ones, so that hardly two are equal, and no table of messages helps:
as many words as a real message has, each a real one with its marks, one in a hundred mistyped, and in one message of three a
number that no other has. They lie in a Parquet file; a process of its own reads them, tells the language of each, counts and
stems, and writes the result.
"""

from __future__ import annotations

import argparse
import csv
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks.meter import Meter, high_water
from crm_pipeline.text import language, tokens, vocabulary

DATA = Path(os.environ.get("CRM_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
SEED = 7


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_text", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--result", type=Path)
    parser.add_argument("--file", type=Path, help="Only read, count and stem the messages in this file.")
    given = parser.parse_args()
    found = end_to_end(given.file) if given.file else measured(given.messages, given.rounds)
    print(json.dumps(found, indent=1))
    if given.result:
        given.result.write_text(json.dumps(found), encoding="utf-8")


def measured(messages: int, rounds: int) -> dict[str, Any]:
    """Measure both ways on each real corpus, and the made-up messages."""
    corpora = {"Banking77, questions": questions, "Online Retail, distinct descriptions": descriptions}
    found: dict[str, Any] = {"corpora": {}}
    for name, read in corpora.items():
        texts = read()
        if texts:
            found["corpora"][name] = compared(texts, rounds)
    with tempfile.TemporaryDirectory() as folder:
        file, result = Path(folder) / "messages.parquet", Path(folder) / "result.json"
        distinct = make(questions() or ["My card has not arrived, please help."], messages, file)
        command = [sys.executable, "-m", "benchmarks.bench_text", "--file", str(file), "--result", str(result)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found["end to end"] = {"messages": messages, "distinct": distinct} | json.loads(
            result.read_text(encoding="utf-8")
        )
    return found


def compared(texts: list[str], rounds: int) -> dict[str, Any]:
    """Measure both ways on the same texts, alternately; the fastest of each counts."""
    cut = [sentence for text in texts for sentence in tokens.sentences(text)]
    naive(cut[:50]), ours(texts[:50])
    seconds: dict[str, list[float]] = {"naive": [], "ours": []}
    for _ in range(rounds):
        for name, way, given in (("naive", naive, cut), ("ours", ours, texts)):
            vocabulary.content.cache_clear()
            gc.collect()
            seconds[name].append(clocked(way, given))
    slow, fast = (min(of) for of in seconds.values())
    own = [tokens.tokens(text) for text in texts]
    return {
        "texts": len(texts),
        "naive": len(texts) / slow,
        "ours": len(texts) / fast,
        "ratio": slow / fast,
        "equal": equal(own, (careful(text) for text in texts)),
        "equal, uncut": equal(own, (tokenizer()(text, preserve_line=True) for text in texts)),
    }


def naive(texts: list[str]) -> Any:
    """Count stems as a script does it."""
    from nltk import FreqDist
    from nltk.stem import PorterStemmer

    tokenize, stemmer, stop, counted = tokenizer(), PorterStemmer(), vocabulary.stop_words("en"), FreqDist()
    for text in texts:
        kept = [token for token in tokenize(text.lower(), preserve_line=True) if token not in stop]
        counted.update(stemmer.stem(token) for token in tokenize(" ".join(kept), preserve_line=True))
    return counted


def ours(texts: list[str]) -> Any:
    """Count stems as the pipeline does it."""
    return pc.value_counts(pc.list_flatten(tokens.process(texts)["stems"]))


def careful(text: str) -> list[str]:
    """Return nltk's tokens of each sentence."""
    return [token for sentence in tokens.sentences(text) for token in tokenizer()(sentence, preserve_line=True)]


def equal(own: Iterable[list[str]], other: Iterable[list[str]]) -> float:
    """Return the share of tokens that both have, message by message."""
    same = total = 0
    for ours, theirs in zip(own, other, strict=True):
        same += (Counter(ours) & Counter(theirs)).total()
        total += max(len(ours), len(theirs))
    return same / total


def end_to_end(file: Path) -> dict[str, Any]:
    """Read messages, tell their languages, count and stem them, write the result."""
    meter = Meter()
    read = pq.read_table(file)["body"]
    meter.mark("reading")
    codes = language.detect(read)
    meter.mark("language")
    counted = tokens.process(read, codes)
    meter.mark("tokens")
    pq.write_table(counted, file.with_suffix(".out.parquet"))
    meter.mark("writing")
    seconds = {stretch.name: stretch.seconds for stretch in meter.stretches}
    cpu = sum(stretch.cpu for stretch in meter.stretches)
    told = 1 - codes.null_count / max(len(codes), 1)
    return {
        "seconds": seconds,
        "in all": sum(seconds.values()),
        "cpu": cpu,
        "peak": high_water(),
        "language told": told,
    }


def make(texts: list[str], messages: int, file: Path) -> int:
    """Write messages drawn from real ones, word by word; return how many are distinct."""
    draw = np.random.default_rng(SEED)
    chunks = np.array(list(chain.from_iterable(text.split() for text in texts)))
    lengths = np.array([len(text.split()) for text in texts])
    distinct = 0
    with pq.ParquetWriter(file, pa.schema({"body": pa.string()})) as out:
        for start in range(0, messages, 100_000):
            many = draw.choice(lengths, min(100_000, messages - start))
            said = draw.choice(chunks, many.sum()).tolist()
            for at in np.flatnonzero(draw.random(len(said)) < 0.01).tolist():
                said[at] = mistyped(said[at], draw)
            ends = np.cumsum(many).tolist()
            bodies = [" ".join(said[a:b]) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
            numbered = [f"{b} Order {start + i:09}." if i % 3 == 0 else b for i, b in enumerate(bodies)]
            distinct += len(set(numbered))
            out.write_table(pa.table({"body": numbered}))
    return distinct


def mistyped(word: str, draw: np.random.Generator) -> str:
    """Return a word with a letter too many."""
    at = int(draw.integers(len(word) + 1))
    return word[:at] + chr(97 + int(draw.integers(26))) + word[at:]


def questions() -> list[str]:
    """Return what people asked a bank."""
    found: list[str] = []
    for part in ("train", "test"):
        path = DATA / "banking77" / f"{part}.csv"
        if path.exists():
            with path.open(encoding="utf-8", newline="") as lines:
                found += [row["text"] for row in csv.DictReader(lines)]
    return found


def descriptions() -> list[str]:
    """Return the distinct descriptions of goods."""
    found: set[str] = set()
    for path in sorted((DATA / "online_retail" / "by-day").glob("*.csv")):
        found.update(pa.csv.read_csv(path)["Description"].cast(pa.string()).drop_null().to_pylist())
    return sorted(found)


def tokenizer() -> Callable[..., list[str]]:
    """Return nltk's own."""
    from nltk.tokenize import word_tokenize

    return word_tokenize


def clocked(way: Callable[[list[str]], Any], texts: list[str]) -> float:
    """Return the processor seconds that a way takes: others on the machine do not count."""
    began = time.process_time()
    way(texts)
    return time.process_time() - began


if __name__ == "__main__":
    main()
