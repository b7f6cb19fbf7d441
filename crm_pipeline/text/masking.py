"""Replaces personal data in texts by the kind of what stood there, and counts it. What was masked is kept nowhere.

What a kind looks like is in ``masking_addresses``, ``masking_numbers`` and ``masking_names``; here is the order in which they
look, how a text is read before (full-width digits, zero-width characters, entities), JSON, and which rows are looked at.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions at import; its stubs know few of them)

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_pipeline.text import masking_addresses, masking_names, masking_numbers
from crm_pipeline.text.masking_hints import EVERY, KEPT, NAMED, NUMERIC, Hint, of

KINDS = ("email", "phone", "card", "iban", "url", "name")
REGIONS = ("DE", "AT", "CH", "GB", "FR", "NL", "BE", "IT", "ES", "US")

Span = tuple[int, int]
_FILLED = "\x1a"  # stands for what is masked or kept while the other kinds look
_INVISIBLE = "[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
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
_LOOKS_UNREAD = f"[&{''.join(map(chr, _ALIKE))}]|{_INVISIBLE}"
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
# and those classes in turn are asked only where every other sign, taken for a digit, would do
_MAY_LOOK_NUMBERED = _LOOKS_NUMBERED.replace(r"\p{L}\p{Nd}", "A-Za-z0-9").replace(r"\p{Nd}", r"[0-9\x{80}-\x{10ffff}]")
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
    counts = {kind: np.zeros(len(texts), np.int32) for kind in KINDS}
    masked = texts
    if len(look):
        called = [masking_names.own_words(name) if name else () for name in own.take(pa.array(look)).to_pylist()]
        changed, found = _Masker(tuple(regions)).every(texts.take(pa.array(look)).to_pylist(), called)
        for kind in KINDS:
            counts[kind][look] = found[kind]
        at = np.zeros(len(texts), bool)
        at[look] = True
        masked = pc.replace_with_mask(texts, pa.array(at), pa.array(changed, pa.string()))
    missing = texts.is_null().to_numpy(zero_copy_only=False)
    return Masked(masked, {kind: pa.array(n, pa.int32(), mask=missing) for kind, n in counts.items()})


def _flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return whole.cast(pa.string())


def _candidates(texts: pa.Array, own: pa.Array) -> np.ndarray:
    """Return the rows that may hold something, by Arrow's own search in each distinct text."""
    encoded = texts.dictionary_encode()
    distinct, row = encoded.dictionary, encoded.indices.fill_null(-1).to_numpy()
    written = row >= 0
    look = np.zeros(len(texts), bool)
    look[written] = _may_hold(distinct)[row[written]]
    rest = np.flatnonzero(~look & written & own.is_valid().to_numpy(zero_copy_only=False))
    asked = np.unique(row[rest])
    lower = pc.utf8_lower(distinct.take(pa.array(asked))).to_pylist()
    plain = dict(zip(asked.tolist(), map(masking_names.plain, lower), strict=True))
    unread = {at for at, text in zip(asked.tolist(), lower, strict=True) if not text.isascii() and _UNREAD.search(text)}
    for at, place, name in zip(rest.tolist(), row[rest].tolist(), own.take(pa.array(rest)).to_pylist(), strict=True):
        look[at] = place in unread or masking_names.holds_own(plain[place], masking_names.own_words(name))
    return np.flatnonzero(look)


def _may_hold(texts: pa.Array) -> np.ndarray:
    """Tell which texts may hold something, whoever wrote them."""
    undated = pc.replace_substring_regex(texts, _DATE, ";")
    other = pc.and_not(pc.match_substring_regex(undated, _MAY_LOOK_NUMBERED), pc.string_is_ascii(undated))
    numbered = pc.match_substring_regex(undated, _LOOKS_NUMBERED_ASCII)
    numbered = pc.replace_with_mask(numbered, other, pc.match_substring_regex(undated.filter(other), _LOOKS_NUMBERED))
    look = pc.or_(numbered, pc.match_substring_regex(texts, _LOOKS_ADDRESS))
    return pc.or_(look, pc.match_substring_regex(texts, _LOOKS_NAMED)).to_numpy(zero_copy_only=False)


class _Masker:
    """Masks texts for one set of regions."""

    def __init__(self, regions: tuple[str, ...]) -> None:
        self.regions = regions

    def every(self, texts: list[str], own: Sequence[tuple[str, ...]]) -> tuple[list[str], dict[str, np.ndarray]]:
        """Return the texts masked, and what of each kind was found in each; ``own`` are the words of each text's sender."""
        masked, found = [*texts], {kind: np.zeros(len(texts), np.int32) for kind in KINDS}
        going = []
        for at, text in enumerate(texts):
            if _may_be_json(text) and _is_json(text):
                counts = dict.fromkeys(KINDS, 0)
                masked[at] = self._json(text, own[at], counts)
                for kind, n in counts.items():
                    found[kind][at] += n
            else:
                going.append(at)
        while going:  # as in `mask`: whatever changed is looked at again
            going = self._again(going, masked, own, found)
        return masked, found

    def _again(
        self, going: list[int], masked: list[str], own: Sequence[tuple[str, ...]], found: dict[str, np.ndarray]
    ) -> list[int]:
        """Mask those texts once, and return which changed; what is the same is looked at once."""
        changed = []
        seen = dict[tuple[str, tuple[str, ...]], tuple[str, list[str]]]()
        for at, (read, places), hints in zip(going, *_hinted([masked[at] for at in going]), strict=True):
            text = masked[at]
            mine = own[at] if masking_names.may_hold_own(read, own[at]) else ()
            if not hints and not mine:
                continue
            if (text, mine) not in seen:
                seen[text, mine] = _replaced(text, self._spans(read, places, mine, hints))
            masked[at], kinds = seen[text, mine]
            for kind in kinds:
                found[kind][at] += 1
            if kinds:
                changed.append(at)
        return changed

    def mask(self, text: str, own: tuple[str, ...], found: dict[str, int]) -> str:
        """Return one text masked, adding to ``found``."""
        if _may_be_json(text) and _is_json(text):
            return self._json(text, own, found)
        while True:  # what was masked may have parted what stood together; it ends, as every turn masks something
            text, kinds = _replaced(text, self._spans(*_read(text), own, EVERY))
            if not kinds:
                return text
            for kind in kinds:
                found[kind] += 1

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

    def _spans(
        self, read: str, places: Sequence[int] | None, own: tuple[str, ...], hints: int
    ) -> list[tuple[int, int, str]]:
        """Return what to mask of a text as it is read, in order, without overlaps: who looks first has it."""
        sheet = _Sheet(read)
        if hints & Hint.WEB:
            sheet.take("url", masking_addresses.web_addresses(read))
        if hints & Hint.EMAIL:
            sheet.take("email", masking_addresses.emails(sheet.text))
        if hints & Hint.DOMAIN:
            sheet.take("url", masking_addresses.bare_domains(sheet.text))
        if hints & NUMERIC and sum(map(read.count, "0123456789")) >= 7:
            self._numbers(sheet, read, hints)
        if hints & NAMED:
            named = [*masking_names.named(sheet.text, _kinds(hints & NAMED))]
            if named and _NAMED.search(read):
                sheet.take("name", named)
        if own:
            sheet.take("name", masking_names.own_name(sheet.text, own))
        found = sorted(sheet.found)
        if places is None:
            return found
        return [(places[start], places[end], kind) for start, end, kind in found]

    def _numbers(self, sheet: _Sheet, read: str, hints: int) -> None:
        if hints & Hint.IBAN:
            sheet.take("iban", masking_numbers.ibans(sheet.text))
        if hints & Hint.DATE:
            sheet.take("", masking_numbers.dates(sheet.text))
        if sheet.text is not read:  # what was taken may have parted a word, or a number, from what stood before it
            hints |= Hint.NUMBER | Hint.CALLED
        if not hints & Hint.NUMBER:
            return
        card, said = bool(hints & Hint.CARD), bool(hints & Hint.CALLED)
        before = sheet.text
        cards = [*masking_numbers.cards(before)] if card else []
        phones = [*masking_numbers.phones(before, self.regions, said)]
        if not cards and not phones:  # the words around are looked at only where there are numbers
            return
        sheet.take("", masking_numbers.kept_numbers(before, _kinds(hints & KEPT)))
        sheet.take("card", cards if sheet.text is before else masking_numbers.cards(sheet.text) if card else ())
        sheet.take("phone", phones if sheet.text is before else masking_numbers.phones(sheet.text, self.regions, said))


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


def _hinted(texts: list[str]) -> tuple[list[tuple[str, Sequence[int] | None]], list[int]]:
    """Return each text as it is read, and the hints of that."""
    column = pa.array(texts, pa.string())
    plain = pc.invert(pc.match_substring_regex(column, _LOOKS_UNREAD)).to_pylist()
    read = [(text, None) if as_is else _read(text) for text, as_is in zip(texts, plain, strict=True)]
    return read, of(column if all(plain) else pa.array([text for text, _ in read], pa.string()))


def _replaced(text: str, spans: list[tuple[int, int, str]]) -> tuple[str, list[str]]:
    """Return a text with the spans' kinds in their places, and the kinds."""
    if not spans:
        return text, []
    parts, last = [], 0
    for start, end, kind in spans:
        parts += [text[last:start], f"[{kind}]"]
        last = end
    return "".join([*parts, text[last:]]), [kind for _, _, kind in spans]


@lru_cache(maxsize=1024)
def _kinds(hints: int) -> tuple[str, ...]:
    return tuple(hint.name.lower() for hint in Hint if hint & hints)


def _read(text: str) -> tuple[str, Sequence[int] | None]:
    """Return a text as it is read, and where each character of it, and its end, stands in the text (None: where it stands)."""
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
    places.extend(range(last, len(alike) + 1))
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


def _may_be_json(text: str) -> bool:
    return text[:1] in ("{", "[", '"')


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return True
