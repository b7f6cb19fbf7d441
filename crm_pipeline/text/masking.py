"""Replaces personal data in texts by the kind of what stood there, and counts it. What was masked is kept nowhere.

What a kind looks like is in ``masking_addresses``, ``masking_numbers`` and ``masking_names``; here is the order in which they
look, how a text is read before (full-width digits, zero-width characters, entities), JSON, and which rows are looked at.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions at import; its stubs know few of them)

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_pipeline.text import masking_addresses, masking_names, masking_numbers

KINDS = ("email", "phone", "card", "iban", "url", "name")
REGIONS = ("DE", "AT", "CH", "GB", "FR", "NL", "BE", "IT", "ES", "US")

Span = tuple[int, int]
_FILLED = "\x1a"  # stands for what is masked or kept while the other kinds look
_INVISIBLE = r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
_ENTITIES = {"&nbsp;": " ", "&commat;": "@", "&period;": ".", "&plus;": "+", "&amp;": "&", "&colon;": ":", "&sol;": "/"}
_UNREAD = re.compile(
    rf"{_INVISIBLE}++|&(?:nbsp|commat|period|plus|amp|colon|sol|#\d{{2,4}}|#x[0-9a-f]{{2,4}});", re.IGNORECASE
)
_ALIKE = (
    {0xFF01 + i: 0x21 + i for i in range(94)}
    | {zero + i: 0x30 + i for zero in (0x660, 0x6F0, 0x966, 0x9E6) for i in range(10)}
    | dict.fromkeys((*range(0x2010, 0x2016), 0x2212, 0xFE63), 0x2D)
    | dict.fromkeys((0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), 0x20)
)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"(?=(\s*:)?)', re.DOTALL)
_ESCAPE = re.compile(r"u[0-9a-fA-F]{4}|.", re.DOTALL)

# Which rows are worth a look, for Arrow's own engine: a row that a kind can be in always matches its pattern.
_LOOKS_ADDRESS = (
    r"(?i)@|＠|&#|&commat;|://|www\.|[(\[{]\s?[aä]t\s?[)\]}]|[^\W_]\.(?:"
    f"{masking_addresses.TLDS}|{masking_addresses.TLDS_AND_WORDS}"
    r")(?:[^a-z]|$)"
)
_DATE = r"\b(?:\d{1,2}[./]\d{1,2}[./](?:19|20)\d\d|(?:19|20)\d\d-\d\d-\d\d)\b"
_LOOKS_NUMBERED = r"(?:^|[^\p{L}\p{Nd}]|\\[nrt])\p{Nd}(?:[^\p{L}\p{Nd}]{0,8}\p{Nd}){6}|(?i:[a-z]{2}\d\d[ .\-\n]{0,2}[a-z\d]{2}|&nbsp;)"
# the same for texts in ASCII: classes of all the world's letters take Arrow's engine seventy times as long
_LOOKS_NUMBERED_ASCII = _LOOKS_NUMBERED.replace(r"\p{L}\p{Nd}", "A-Za-z0-9").replace(r"\p{Nd}", "[0-9]")
_LOOKS_NAMED = (
    r"(?i:my name|mein name|ich hei(?:ß|ss)e|this is|hier spricht|hier schreibt)"
    r"|\b(?:Mr|Mrs|Ms|Miss|Mister|Herrn?|Frau|Dr|Prof)\b"
    r"|\b(?:Dear|Hi|Hello|Hey|Hallo|Liebe|Lieber|Servus) +\p{Lu}"
    r"|(?i:regards|wishes|best|love|greetings|sincerely|yours|faithfully|truly|cheers|thanks|thx|thank you|gr(?:ü|ue)(?:ß|ss)en?"
    r"|gru(?:ß|ss)|mfg|lg|vg|dank|danke|hochachtungsvoll|herzlichst)"
    r"(?:[,.!]? ?(?:\r?\n|\\n)\s*|, )\p{Lu}"
    r"|(?i:regards|wishes|gr(?:ü|ue)(?:ß|ss)en?|gru(?:ß|ss)|mfg|lg|vg) \p{Lu}"
)
_NAMED = re.compile(_LOOKS_NAMED.replace(r"\p{Lu}", r"[^\W\d_]"))
_NAMED_ASCII = _LOOKS_NAMED.replace(r"\p{Lu}", "[A-Za-z]").replace(r"\s*", r"[\s\x0b\x1c-\x1f]*")  # `_NAMED` for Arrow


@dataclass(frozen=True)
class Masked:
    """Texts without personal data, and per kind how many places of each text were masked."""

    texts: pa.Array
    counts: dict[str, pa.Array]


def mask(texts: pa.Array, *, names: pa.Array | None = None, regions: Sequence[str] = REGIONS) -> Masked:
    """Replace e-mail and web addresses, telephone, card and account numbers and names by ``[email]``, ``[phone]`` and so on.

    Order, invoice, case, product, tracking and customer numbers stay, and so do dates and amounts. A text that is a JSON
    object, array or string is masked inside its strings and stays JSON. Masking what is masked changes nothing.

    Parameters
    ----------
    texts : pa.Array of string
        Null stays null.
    names : pa.Array of string, optional
        Per text its sender's own name: its words are masked wherever they stand.
    regions : sequence of str
        Whose national telephone numbers are known; international ones always are.

    Returns
    -------
    Masked
        ``texts`` of the same length, and ``counts`` per kind (int32, null where the text is null).
    """
    texts = _flat(texts)
    own = _flat(names) if names is not None else pa.nulls(len(texts), pa.string())
    look = _candidates(texts, own)
    masker = _Masker(tuple(regions))
    counts = {kind: np.zeros(len(texts), np.int32) for kind in KINDS}
    changed: list[str] = []
    asked, called = texts.take(pa.array(look)), own.take(pa.array(look)).to_pylist()
    told = pc.if_else(pc.string_is_ascii(asked), pc.match_substring_regex(asked, _NAMED_ASCII), None).to_pylist()
    for row, text, name, named in zip(look.tolist(), asked.to_pylist(), called, told, strict=True):
        found = dict.fromkeys(KINDS, 0)
        changed.append(masker.mask(text, masking_names.own_words(name) if name else (), found, named))
        for kind, n in found.items():
            counts[kind][row] = n
    at = np.zeros(len(texts), bool)
    at[look] = True
    masked = pc.replace_with_mask(texts, pa.array(at), pa.array(changed, pa.string())) if len(look) else texts
    missing = texts.is_null().to_numpy(zero_copy_only=False)
    return Masked(masked, {kind: pa.array(n, pa.int32(), mask=missing) for kind, n in counts.items()})


def _flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return whole.cast(pa.string())


def _candidates(texts: pa.Array, own: pa.Array) -> np.ndarray:
    """Return the rows that may hold something, by Arrow's own search."""
    undated = pc.replace_substring_regex(texts, _DATE, ";")
    other = pc.fill_null(pc.invert(pc.string_is_ascii(undated)), False)
    numbered = pc.match_substring_regex(undated, _LOOKS_NUMBERED_ASCII)
    numbered = pc.replace_with_mask(numbered, other, pc.match_substring_regex(undated.filter(other), _LOOKS_NUMBERED))
    look = pc.or_(numbered, pc.match_substring_regex(texts, _LOOKS_ADDRESS))
    look = pc.fill_null(pc.or_(look, pc.match_substring_regex(texts, _LOOKS_NAMED)), False)
    look = look.to_numpy(zero_copy_only=False).copy()
    rest = np.flatnonzero(~look & pc.and_(texts.is_valid(), own.is_valid()).to_numpy(zero_copy_only=False))
    rows = pa.array(rest)
    for row, text, name in zip(
        rest.tolist(), pc.utf8_lower(texts.take(rows)).to_pylist(), own.take(rows).to_pylist(), strict=True
    ):
        look[row] = masking_names.may_hold_own(text, masking_names.own_words(name)) or (
            not text.isascii() and bool(_UNREAD.search(text))
        )
    return np.flatnonzero(look)


class _Masker:
    """Masks one text after another for one set of regions."""

    def __init__(self, regions: tuple[str, ...]) -> None:
        self.regions = regions

    def mask(self, text: str, own: tuple[str, ...], found: dict[str, int], named: bool | None = None) -> str:
        """Return the text masked, adding to ``found``; ``named``: whether the text, as it is, may announce a name, where known."""
        if text[:1] in ("{", "[", '"') and _is_json(text):
            return self._json(text, own, found)
        while True:  # what was masked may have parted what stood together; it ends, as every turn masks something
            spans = self._spans(text, own, named)
            if not spans:
                return text
            named = None
            parts, last = [], 0
            for start, end, kind in spans:
                found[kind] += 1
                parts += [text[last:start], f"[{kind}]"]
                last = end
            text = "".join([*parts, text[last:]])

    def _holds_a_number(self, text: str) -> bool:
        numbers = itertools.chain(masking_numbers.cards(text), masking_numbers.phones(text, self.regions))
        return next(numbers, None) is not None

    def _json(self, text: str, own: tuple[str, ...], found: dict[str, int]) -> str:
        parts, last, key = [], 0, ""
        for string in _STRING.finditer(text):
            parts.append(self._json_numbers(text[last : string.start()], key, found))
            last = string.end()
            value = json.loads(string.group(), strict=False)
            if string.group(1) is not None:
                key = f"{value}: "
                parts.append(string.group())
                continue
            parts.append(string.group())
            before = dict(found)
            masked = self.mask(key + value, own, found)
            if masked != key + value:
                if not masked.startswith(key):
                    found.update(before)
                    key, masked = "", self.mask(value, own, found)
                parts[-1] = json.dumps(masked[len(key) :], ensure_ascii=string.group().isascii())
        return "".join([*parts, self._json_numbers(text[last:], key, found)])

    def _json_numbers(self, between: str, key: str, found: dict[str, int]) -> str:
        """Mask the bare numbers between two strings; what is masked becomes a string, so that it stays JSON."""

        def masked(number: re.Match[str]) -> str:
            text = self.mask(key + number.group(), (), inner := dict.fromkeys(KINDS, 0))
            if text == key + number.group() or not text.startswith(key):
                return number.group()
            for kind, n in inner.items():
                found[kind] += n
            return json.dumps(text[len(key) :])

        return re.sub(r"(?<![\d.eE+-])\d{7,19}(?![\d.eE])", masked, between)

    def _spans(self, text: str, own: tuple[str, ...], named: bool | None) -> list[tuple[int, int, str]]:
        """Return what to mask, in order, without overlaps: who looks first has it."""
        read, places = _read(text)
        sheet = _Sheet(read)
        sheet.take("url", masking_addresses.web_addresses(read))
        if "@" in read or "[" in read or "(" in read or "{" in read:
            sheet.take("email", masking_addresses.emails(sheet.text))
        sheet.take("url", masking_addresses.bare_domains(sheet.text))
        if sum(map(read.count, "0123456789")) >= 7:
            sheet.take("iban", masking_numbers.ibans(sheet.text))
            sheet.take("", masking_numbers.dates(sheet.text))
            if self._holds_a_number(sheet.text):  # the words around are looked at only then
                sheet.take("", masking_numbers.kept_numbers(sheet.text))
                sheet.take("card", masking_numbers.cards(sheet.text))
                sheet.take("phone", masking_numbers.phones(sheet.text, self.regions))
        if named is None or read is not text:
            named = _NAMED.search(read) is not None
        if named:
            sheet.take("name", masking_names.named(sheet.text))
        if own:
            sheet.take("name", masking_names.own_name(sheet.text, own))
        found = sorted(sheet.found)
        if places is None:
            return found
        places = [*places, len(text)]
        return [(places[start], places[end], kind) for start, end, kind in found]


class _Sheet:
    """A text on which what is taken is filled, so that whoever looks later does not see it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[tuple[int, int, str]] = []

    def take(self, kind: str, spans: Iterable[Span]) -> None:
        """Take the spans for a kind; an empty kind is kept as it is. Of those that overlap, the first has the place."""
        taken: list[Span] = []
        parts, last = [], 0
        escapes = "\\" in self.text
        for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
            start, end = _outside_escapes(self.text, start, end) if escapes else (start, end)
            if last <= start < end:
                taken.append((start, end))
                parts += [self.text[last:start], _FILLED * (end - start)]
                last = end
        if not taken:
            return
        self.text = "".join([*parts, self.text[last:]])
        if kind:
            self.found += [(start, end, kind) for start, end in taken]


def _outside_escapes(text: str, start: int, end: int) -> Span:
    """Move a span off the halves of an escape such as ``\\n``, so that JSON-escaped text stays what it is."""
    if _is_escaped(text, start):
        start += len(_ESCAPE.match(text, start).group())  # type: ignore[union-attr]
    if _is_escaped(text, end):
        end -= 1
    return start, end


def _is_escaped(text: str, place: int) -> bool:
    if not place or text[place - 1] != "\\" or place >= len(text):
        return False
    before = place
    while before and text[before - 1] == "\\":
        before -= 1
    return (place - before) % 2 == 1


def _read(text: str) -> tuple[str, Sequence[int] | None]:
    """Return a text as it is read, and where each character of it stands in the text (None: where it stands)."""
    if text.isascii() and "&" not in text:
        return text, None
    alike = text.translate(_ALIKE)
    parts: list[str] = []
    places: list[int] = []
    last = 0
    for found in _UNREAD.finditer(alike):
        shown = _shown(found.group())
        if shown is None:
            continue
        parts += [alike[last : found.start()], shown]
        places.extend(range(last, found.start()))
        places.extend([found.start()] * len(shown))
        last = found.end()
    if not last:
        return alike, None
    places.extend(range(last, len(alike)))
    return "".join([*parts, alike[last:]]), places


def _shown(unread: str) -> str | None:
    """Return what a character or an entity shows: nothing, or one sign; None leaves it as it is written."""
    if not unread.startswith("&"):
        return ""
    if unread[1] != "#":
        return _ENTITIES.get(unread.lower())
    code = int(unread[3:-1], 16) if unread[2] in "xX" else int(unread[2:-1])
    sign = chr(code).translate(_ALIKE)
    return sign if sign.isprintable() else None


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return True
