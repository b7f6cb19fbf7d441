"""Labelled texts: a CSV's content read into examples, what is odd about them said, and names made of labels. No learning, no paths."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from crm_pipeline.contracts.texts import UNKNOWN
from crm_pipeline.errors import UsageError

NONE_OF_THEM = frozenset({"", "unknown", "oos", "ood", "out_of_scope"})
"""Labels, as `_plain` writes them, by which a file says that a text belongs to no intent."""

COLUMNS = {
    "text": ("text", "body", "message", "utterance", "query", "question", "sentence", "content", "comment", "example"),
    "intent": ("intent", "label", "category", "class", "topic", "target", "tag"),
    "sentiment": ("sentiment", "polarity"),
    "language": ("language", "lang"),
}
"""What a column of a labelled file may be called, the likeliest first."""

SENTIMENTS = {
    **dict.fromkeys(("positive", "pos", "1", "+1"), "positive"),
    **dict.fromkeys(("neutral", "neu", "0"), "neutral"),
    **dict.fromkeys(("negative", "neg", "-1"), "negative"),
}
DELIMITERS = ",;\t|"
LEAST = 10
"""Fewest texts worth learning from."""

SHOWN, LONGEST_SLUG = 3, 40


@dataclass(frozen=True)
class Labelled:
    """Texts with their labels, one entry each; a null is not known, and `UNKNOWN` an intent that is none of the others.

    Attributes
    ----------
    name : str
        Of the file, for messages.
    texts, intents, sentiments, languages : list
    lines : list of int
        Where each begins in the file.
    notes : list of str
        What was left out or is odd, one sentence each.
    """

    name: str
    texts: list[str]
    intents: list[str]
    sentiments: list[str | None]
    languages: list[str | None]
    lines: list[int]
    notes: list[str]

    def __len__(self) -> int:
        return len(self.texts)

    def only(self, kept: Sequence[bool], note: str = "") -> Labelled:
        """Return those that are ``kept``, with a note on the others."""

        def those(values: list) -> list:
            return [value for value, keep in zip(values, kept, strict=True) if keep]

        return replace(
            self,
            texts=those(self.texts),
            intents=those(self.intents),
            sentiments=those(self.sentiments),
            languages=those(self.languages),
            lines=those(self.lines),
            notes=[*self.notes, note] if note else self.notes,
        )


def parse(content: bytes, name: str, text_column: str | None = None, label_column: str | None = None) -> Labelled:
    """Return the labelled texts of a CSV file's content (UTF-8, UTF-16 with its mark, or Latin-1; comma, semicolon, tab or bar).

    Parameters
    ----------
    content : bytes
    name : str
        What messages call the file.
    text_column, label_column : str, optional
        Which columns; default: those called as `COLUMNS` says.

    Raises
    ------
    UsageError
        When columns are missing or a line cannot be read.
    """
    rows = rows_of(decoded(content), name)
    _, header = next(rows, (1, []))
    places = _places(header, name, {"text": text_column, "intent": label_column})
    found = Labelled(name, [], [], [], [], [], [])
    odd: list[tuple[int, str]] = []
    for line, row in rows:
        if len(row) != len(header):
            raise UsageError(
                f"{name}, line {line}: {len(row)} columns where the header has {len(header)}; put quotation marks around "
                "a text that holds the delimiter."
            )
        values = {what: row[place].strip() for what, place in places.items()}
        sentiment = values.get("sentiment", "")
        if sentiment and sentiment.casefold() not in SENTIMENTS:
            odd.append((line, sentiment))
        found.texts.append(values["text"])
        found.intents.append(
            UNKNOWN if _plain(values["intent"]) in NONE_OF_THEM else " ".join(values["intent"].split())
        )
        found.sentiments.append(SENTIMENTS.get(sentiment.casefold()))
        found.languages.append(values.get("language", "").lower() or None)
        found.lines.append(line)
    if odd:
        line, value = odd[0]
        found.notes.append(
            f"{name}, column {header[places['sentiment']]}: {many(len(odd), 'value')} that {_is(len(odd))} none of positive, "
            f"neutral, negative left out, the first in line {line} ({value[:40]!r})."
        )
    return _without_oddities(found, header[places["text"]])


def trainable(found: Labelled) -> Labelled:
    """Return the texts that can be learned from: intents with a single example are left out, and said.

    Raises
    ------
    UsageError
        When fewer than two intents or fewer than `LEAST` texts are left.
    """
    counts = Counter(intent for intent in found.intents if intent != UNKNOWN)
    single = sorted(intent for intent, count in counts.items() if count == 1)
    if single:
        first = found.lines[found.intents.index(single[0])]
        found = found.only(
            [intent not in single for intent in found.intents],
            f"{found.name}: {many(len(single), 'intent')} with a single example left out ({some(single)}; the first in line {first}).",
        )
    classes = len(counts) - len(single)
    if classes < 2:
        raise UsageError(
            f"{found.name} has {many(classes, 'intent')} with at least two different texts: at least two such intents are needed."
        )
    if len(found) < LEAST:
        raise UsageError(f"{found.name} has {many(len(found), 'text')} to learn from: at least {LEAST} are needed.")
    return found


def written(found: Labelled) -> str:
    """Return the labelled texts as CSV: ``text,intent,sentiment,language``."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)  # else a lone carriage return stands bare
    writer.writerow(COLUMNS)
    writer.writerows(
        zip(
            found.texts,
            found.intents,
            (sentiment or "" for sentiment in found.sentiments),
            (language or "" for language in found.languages),
            strict=True,
        )
    )
    return out.getvalue()


def slugs(labels: Iterable[str]) -> dict[str, str]:
    """Return for each label a name for a column: letters a to z, digits and underscores, none twice, whatever their order.

    Examples
    --------
    >>> slugs(["Where is my order?", "Rückgabe", "rückgabe!"])
    {'Rückgabe': 'ruckgabe', 'Where is my order?': 'where_is_my_order', 'rückgabe!': 'ruckgabe_2'}
    """
    made: dict[str, str] = {}
    taken: set[str] = set()
    for label in sorted(set(labels)):
        base = _plain(label)[:LONGEST_SLUG].strip("_") or "label"
        base = f"n{base}" if base[0].isdigit() else base
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        taken.add(name)
        made[label] = name
    return made


def _plain(label: str) -> str:
    ascii_only = unicodedata.normalize("NFKD", label.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", ascii_only).strip("_") if ascii_only.strip() or not label.strip() else "label"


def decoded(content: bytes) -> str:
    """Return the text of a file: UTF-8, UTF-16 with its mark, or Latin-1."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def rows_of(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line in which each row begins, and its fields; lines without anything are passed over."""
    first = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=first.count)
    before = csv.field_size_limit(2**31 - 1)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in reader:
            if any(field.strip() for field in row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise UsageError(
            f"{name}, line {line}: a quotation mark is not closed or not doubled ({error}); write a quotation mark inside a text twice."
        ) from error
    finally:
        csv.field_size_limit(before)


def _places(header: list[str], name: str, given: dict[str, str | None]) -> dict[str, int]:
    names = [field.strip().casefold() for field in header]
    places: dict[str, int] = {}
    for what, known in COLUMNS.items():
        column = given.get(what)
        wanted = (column.strip().casefold(),) if column else known
        place = next(
            (names.index(one) for one in wanted if one in names and names.index(one) not in places.values()), None
        )
        if place is not None:
            places[what] = place
        elif what in ("text", "intent"):
            option = {"text": "--text-column", "intent": "--label-column"}[what]
            sought = (
                f"no column {column!r}" if column else f"no column with the {what} (such as {', '.join(known[:3])})"
            )
            raise UsageError(f"{name}, line 1: {sought}; it has {some(header, 8) or 'none'}: name it with {option}.")
    return places


def _without_oddities(found: Labelled, column: str) -> Labelled:
    """Leave out empty texts and repetitions, and say them; say which texts have several intents."""
    empty = [not _visible(text) for text in found.texts]
    if any(empty):
        line = found.lines[empty.index(True)]
        found = found.only(
            [not e for e in empty],
            f"{found.name}, column {column}: {many(sum(empty), 'empty text')} left out, the first in line {line}.",
        )
    begun: dict[tuple[str, str], int] = {}
    again = [begun.setdefault(pair, i) != i for i, pair in enumerate(zip(found.texts, found.intents, strict=True))]
    if any(again):
        line = found.lines[again.index(True)]
        found = found.only(
            [not a for a in again],
            f"{found.name}: {many(sum(again), 'repetition')} of a text with its intent left out, the first in line {line}.",
        )
    first: dict[str, int] = {}
    conflicts = [(i, first[t]) for i, t in enumerate(found.texts) if first.setdefault(t, i) != i]
    if conflicts:
        i, j = conflicts[0]
        found.notes.append(
            f"{found.name}: {many(len({found.texts[i] for i, _ in conflicts}), 'text')} with several intents, kept with each; the first "
            f"in lines {found.lines[j]} ({found.intents[j]}) and {found.lines[i]} ({found.intents[i]})."
        )
    return found


def _visible(text: str) -> bool:
    return any(not (letter.isspace() or unicodedata.category(letter) in ("Cc", "Cf")) for letter in text)


def many(count: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def some(names: Sequence[str], most: int = SHOWN) -> str:
    """Return the first names and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(name.strip()[:60] for name in names[:most]) + more
