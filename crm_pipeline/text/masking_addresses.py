"""Where a text holds e-mail and web addresses. Spans only: nothing is replaced here, and numbers and names have their own modules.

Every pattern is possessive or bounded, so that no text takes longer than linear time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]

TLDS = (
    "com|org|net|info|biz|edu|gov|int|eu|de|ch|li|fr|nl|uk|ie|lu|dk|se|fi|pl|cz|pt|gr|hu|ro|ru|tr|ua|us|ca|au|nz|jp|cn|kr"
    "|br|mx|za|io|co|ai|app|dev|shop|store|online|site|xyz|cloud|email|tech|blog|news|club|gmbh|wien|berlin|bayern|swiss"
)
# Also words of English or German ("arrived late.at last"): an address only with a path or a third label.
TLDS_AND_WORDS = "at|it|be|is|in|me|to|so|no|my|am|im|es|da|tv|ms|pro|ly|gl"

_LOCAL = r"\w.%+-"
_LABELS = r"[^\W_][\w-]*+(?:\.[\w-]++)++"
_EMAIL = re.compile(rf"(?<![{_LOCAL}])[{_LOCAL}]++(?:'[{_LOCAL}]++)*+@({_LABELS})")
_AT = r"\s{0,3}[(\[{]\s?(?:at|ät)\s?[)\]}]\s{0,3}"
_DOT = r"(?:\s{0,3}[(\[{]\s?(?:dot|punkt|\.)\s?[)\]}]\s{0,3}|\.)"
_EMAIL_SPELT = re.compile(rf"(?<![{_LOCAL}])[{_LOCAL}]++{_AT}[^\W_][\w-]*+(?:{_DOT}[\w-]++)++", re.IGNORECASE)
_EMAIL_SPACED = re.compile(
    rf"(?<![{_LOCAL}])[{_LOCAL}]++(?: ?@\s| @)(?:[^\W_][\w-]*+\.){{1,6}}(?:{TLDS}|at)(?![\w-])", re.IGNORECASE
)
_SPELT = re.compile(_AT, re.IGNORECASE)
_SPACED = re.compile(r" @|@\s")
_REST = r"[^\s<>\"'`\\\x1a]"
_URL = re.compile(rf"(?<![^\W_])(?:(?:https?|ftp)://|www\.(?=[^\W_])){_REST}++", re.IGNORECASE)
_DOMAIN = re.compile(
    rf"(?<![\w@.\-\x1a])([^\W_][\w-]*+\.(?:[^\W_][\w-]*+\.){{0,6}})({TLDS}|{TLDS_AND_WORDS})(?![\w-]|\.\w)((?::\d{{1,5}})?[/?#]{_REST}*+)?",
    re.IGNORECASE,
)
_WORDS = frozenset(TLDS_AND_WORDS.split("|"))
_TRAILING = ".,;:!?)]}>*"


def web_addresses(text: str) -> Iterator[Span]:
    """Yield where addresses with a scheme or ``www.`` stand; the full stop or bracket after them is not theirs."""
    for found in _URL.finditer(text):
        end = _without_trailing(text, found.start(), found.end())
        if text[found.start() : end].rpartition("://")[2]:
            yield found.start(), end


def bare_domains(text: str) -> Iterator[Span]:
    """Yield where a domain under a known top level stands without a scheme, with its path."""
    for found in _DOMAIN.finditer(text):
        labels, top, path = found.groups()
        if top.lower() in _WORDS and not path and labels.count(".") < 2:
            continue
        yield found.start(), _without_trailing(text, found.start(), found.end())


def emails(text: str) -> Iterator[Span]:
    """Yield where e-mail addresses stand, ``anna (at) example (dot) com`` among them."""
    for found in _EMAIL.finditer(text) if "@" in text else ():
        top = found.group(1).rstrip(".-_").rpartition(".")[2]
        if not top.isdigit():
            yield found.start(), found.end(1)
    for pattern, sign in ((_EMAIL_SPELT, _SPELT), (_EMAIL_SPACED, _SPACED)):
        for found in pattern.finditer(text) if sign.search(text) else ():
            yield found.span()


def _without_trailing(text: str, start: int, end: int) -> int:
    return start + len(text[start:end].rstrip(_TRAILING))
