"""Which kinds of personal data a text may hold, told in bulk by Arrow's own search. Where they stand is told by the kinds' modules.

A hint is never a false no: every text in which a pattern of `masking_addresses`, `masking_numbers` or `masking_names` finds
something has it. So what none hints at need not be looked for, one text after another, by the patterns of Python.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions at import; its stubs know few of them)

from __future__ import annotations

from enum import IntEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_pipeline.text import masking_addresses, masking_names, masking_numbers


class Hint(IntEnum):
    """What a text may hold, one bit each; ``CALLED`` is a word such as *call* that may stand before a telephone number."""

    WEB = 1 << 0
    EMAIL = 1 << 1
    DOMAIN = 1 << 2
    IBAN = 1 << 3
    DATE = 1 << 4
    NUMBER = 1 << 5
    CARD = 1 << 6
    CALLED = 1 << 7
    SAID = 1 << 8
    BARE = 1 << 9
    AMOUNT = 1 << 10
    INTRODUCED = 1 << 11
    SPEAKING = 1 << 12
    TITLED = 1 << 13
    GREETED = 1 << 14
    SIGNED = 1 << 15
    BESIDE = 1 << 16


EVERY = sum(Hint)
KEPT = Hint.SAID | Hint.BARE | Hint.AMOUNT
NUMERIC = Hint.IBAN | Hint.DATE | Hint.NUMBER
NAMED = Hint.INTRODUCED | Hint.SPEAKING | Hint.TITLED | Hint.GREETED | Hint.SIGNED | Hint.BESIDE

# Arrow's classes are of ASCII, or take it seventy times as long: every other sign may be a letter, a digit or a blank.
_OTHER = r"\x{80}-\x{10ffff}"
_LETTER, _DIGIT, _BLANK = f"[A-Za-z{_OTHER}]", f"[0-9{_OTHER}]", rf"[\x00-\x20{_OTHER}]"
_BETWEEN = r"[ \t\r\n().\-/]{0,4}"
_ID = rf"[A-Za-z]{{0,5}}[-/]?{_DIGIT}"
_BEGIN = rf"(?:[A-Z{_OTHER}]|{'|'.join(sorted(masking_names.PARTICLES))})"
_REST = rf"(?:(?i:{masking_names.TITLES_BEFORE})){_BEGIN}[A-Za-z .'\-{_OTHER}]*(?:[\r\n\\]|\z)"
_BARE_WORDS = masking_numbers.BARE_WORDS.replace(masking_numbers.NO_CALL, "").replace(r"\w*", rf"[\w{_OTHER}]*")
_CALLING = (
    r"tele|smart|phone|tel|mobil|cell|handy|fax|whats|sms|rufnummer|hotline|landline|festnetz|call|ring|dial|text|reach|contact"
    r"|anruf|ruf|erreich|zurückruf|rückruf"
)
_PATTERNS = {
    Hint.WEB: r"://|(?i:www\.)",
    Hint.EMAIL: rf"@|[(\[{{]{_BLANK}?(?i:at|ät){_BLANK}?[)\]}}]",
    Hint.DOMAIN: rf"\.(?i:{masking_addresses.TLDS}|{masking_addresses.TLDS_AND_WORDS})(?:[^A-Za-z0-9_\-]|\z)",
    Hint.IBAN: rf"[A-Za-z]{{2}}{_DIGIT}{{2}}(?:[ \t\r\n.\-]{{0,2}}[A-Za-z0-9]){{11}}",
    Hint.DATE: rf"{_DIGIT}[./\-]{_DIGIT}{{1,2}}[./\-]{_DIGIT}",
    Hint.NUMBER: rf"(?:^|[^A-Za-z0-9]|\\[nrt]){_DIGIT}(?:{_BETWEEN}{_DIGIT}){{6}}",
    Hint.CARD: rf"{_DIGIT}(?:{_BETWEEN}{_DIGIT}){{12}}",
    Hint.CALLED: rf"(?:^|[^A-Za-z])(?i:{_CALLING})",
    Hint.SAID: rf"(?i:{masking_numbers.NUMBER_WORD}|#|№)[\x00-\x20.:=#\"'(\-{_OTHER}]{{0,4}}"
    rf"(?:(?i:is|was|ist|lautet|war)[\x00-\x20:{_OTHER}]{{1,3}})?{_ID}",
    Hint.BARE: rf"(?i:{_BARE_WORDS})[ :=#\"'(_\-]{{1,4}}(?:(?i:is|was|ist|lautet|war|from|vom|von)[ :]{{1,3}})?{_ID}",
    Hint.AMOUNT: rf"(?i:{masking_numbers.CURRENCY}){_BLANK}?[\-+]?{_DIGIT}"
    rf"|{_DIGIT}[.,']*{_BLANK}?(?:(?i:{masking_numbers.CURRENCY})|%)|{_DIGIT}[.,]{_DIGIT}{{2}}",
    Hint.INTRODUCED: rf"(?i:my name is|my name's|mein name ist|mein name lautet|ich hei(?:ß|ss)e) {_LETTER}",
    Hint.SPEAKING: r"(?is:this is .* (?:speaking|calling|writing|here)|hier (?:spricht|schreibt) )",
    Hint.TITLED: rf"{masking_names.TITLE.replace(chr(92) + 'b', '')} ",
    Hint.GREETED: rf"(?:Dear|Hi|Hello|Hey|Hallo|Liebe|Lieber|Servus) {_BEGIN}",
    Hint.SIGNED: rf"(?i:{masking_names.CLOSING.replace('(?=,)', '')})(?:[,.!]? ?(?:\r?\n|\\n){_BLANK}{{0,8}}|, ){_REST}",
    Hint.BESIDE: rf"(?i:{masking_names.GREETINGS}|mfg|lg|vg) {_REST}",
}
_ODD = "[ıİſ\u212a]"  # letters of ASCII to Python's patterns without case, and not to all of Arrow's


def of(texts: pa.Array) -> list[int]:
    """Return the hints of each text, as the bits of `Hint`."""
    found = _matches(texts, _ODD) * EVERY
    for hint, pattern in _PATTERNS.items():
        found |= _matches(texts, pattern) * int(hint)
    return found.tolist()


def _matches(texts: pa.Array, pattern: str) -> np.ndarray:
    return pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
