"""Where a text holds people's names: after the words that introduce one, and the sender's own. Spans only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

Span = tuple[int, int]


def _cut(words: str) -> list[str]:
    return words.split()


_WORD = r"[^\W\d_][^\W\d_'’-]*+(?:['’-][^\W\d_]++)*+"
_FULL = rf"{_WORD}(?: (?:van |von |de |der |zu )?{_WORD}){{0,3}}"
_INTRODUCED = re.compile(
    rf"(?<![^\W_])(?:my name is|my name's|mein name ist|mein name lautet|ich hei(?:ß|ss)e) ({_FULL})", re.IGNORECASE
)
_SPEAKING = re.compile(
    rf"(?<![^\W_])(?:this is ({_WORD}(?: {_WORD}){{0,2}}) (?:speaking|calling|writing|here)|hier (?:spricht|schreibt) ({_FULL}))(?![^\W_])",
    re.IGNORECASE,
)
_TITLED = re.compile(
    rf"(?<![^\W_])(?:Mr|Mrs|Ms|Miss|Mister|Herrn?|Frau|Dr|Prof)\b\.? (?:(?:Dr|Prof)\b\.? )*+({_WORD}(?: {_WORD})?)"
)
_GREETED = re.compile(
    rf"(?<![^\W_])(?:Dear|Hi|Hello|Hey|Hallo|Liebe|Lieber|Servus) ({_WORD}(?: {_WORD})?)(?= ?[,!\n\r])"
)
_CLOSING = (
    r"(?:(?:kind|best|warm|warmest|many)? ?regards|best wishes|all the best|sincerely(?: yours)?|yours (?:sincerely|faithfully|truly)|"
    r"cheers|thanks(?: and regards)?|thank you|mit (?:freundlichen|besten|lieben|herzlichen) gr(?:ü|ue)(?:ß|ss)en|"
    r"(?:viele|liebe|beste|herzliche|freundliche|schöne)n? gr(?:ü|ue)(?:ß|ss)e|gru(?:ß|ss)|mfg|lg|vg|(?:vielen|besten) dank|danke)"
)
_SIGNED = re.compile(
    rf"(?<![^\W_]){_CLOSING}(?:[,.!]? ?(?:\r?\n|\\n)\s{{0,8}}|, )(?:(?:Mr|Mrs|Ms|Herr|Frau|Dr|Prof)\.? )*({_FULL})"
    r"(?=[ .]{0,3}(?:[\r\n]|\\n|\Z))",
    re.IGNORECASE,
)
# Capitalised words that follow a greeting or a closing without being anybody's name.
_NOBODY = frozenset(
    _cut(
        "team sir madam all everyone everybody there customer customers support service folks people friends colleagues ladies "
        "gentlemen shop store company again sent from damen herren zusammen leute kundenservice kundendienst support-team "
        "shop-team kundschaft kunden kunde hallo hello hi guten gute good dear liebes liebe ihr ihre und and the "
        "danke thanks thank regards grüße best many herr frau mr mrs ms bitte please"
    )
)
_PARTICLES = frozenset(("van", "von", "de", "der", "zu"))
_TITLES = frozenset(
    _cut(
        "mr mrs ms miss mister dr prof professor herr frau herrn sir madam dipl ing med jun jr sen van von der den und and the "
        "family familie gmbh ltd inc"
    )
)
# Given and family names that are words, beside all stop words: masked where they stand with a capital.
_ALSO_WORDS = frozenset(
    _cut(
        "will may june april august grace mark rose hope faith joy bill frank rich art jack rob sue pat drew chase pearl ruby lily "
        "daisy ivy iris holly summer autumn dawn eve star sky sunny lucky max king young long short brown black white green gray "
        "grey gold silver stone wood hill field ford lake park church bishop baker butcher cook miller smith taylor tailor turner "
        "carpenter mason page price power rice root ross sharp small strong swift wise best good day winter snow frost cross case "
        "order post parcel sales love moon ray cash penny buck bond chance guy gene dale glen heath cliff reed miles major marshall "
        "ernst jung lang kurz klein groß gross schwarz weiß weiss braun grün roth rot gut hell neu alt kalt kühn fromm fröhlich "
        "wolf fuchs hahn kern graf christ nagel ott rath sommer herbst engel stern berg bach wald feld koch müller schneider "
        "bäcker bauer fischer weber wagner richter kaiser könig vogt krieg sturm winter freitag sonntag montag morgen mai "
        "email mail phone card name url"
    )
)


def named(text: str) -> Iterator[Span]:
    """Yield the names that an introduction, a title, a greeting or a closing announces."""
    for found in _INTRODUCED.finditer(text):
        yield _capitalised(text, found.span(1), keep_first=True)
    for found in _SPEAKING.finditer(text):
        yield _capitalised(text, found.span(1 if found.group(1) else 2))
    for found in _TITLED.finditer(text):
        yield _capitalised(text, found.span(1))
    for pattern in (_GREETED, _SIGNED):
        for found in pattern.finditer(text):
            words = found.group(1).split()
            if all(w[0].isupper() or w in _PARTICLES for w in words) and not any(w.lower() in _NOBODY for w in words):
                yield found.span(1)


def _capitalised(text: str, span: Span, keep_first: bool = False) -> Span:
    """Cut a name before its first word without a capital; an empty span where none is left."""
    start, end = span
    stop = start
    for i, word in enumerate(re.finditer(r"\S+", text[start:end])):
        plain = word.group()
        if not (plain[0].isupper() or plain in _PARTICLES or (keep_first and i == 0)) or plain.lower() in _NOBODY:
            break
        stop = start + word.end()
    return start, stop


@lru_cache(maxsize=65536)
def own_words(name: str) -> tuple[str, ...]:
    """Return the words of a sender's name that are looked for, in lower case: three letters or more, no titles."""
    found = [w.lower() for w in re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*", name)]
    return tuple(dict.fromkeys(w for w in found if len(w) >= 3 and w not in _TITLES))


def own_name(text: str, words: tuple[str, ...]) -> Iterator[Span]:
    """Yield where the sender's own words stand whole, in any case; those that are also common words with a capital only."""
    for found in _own_pattern(words).finditer(text):
        start, end = found.span()
        if text[start - 1 : start] == "[" and text[end : end + 1] == "]":
            continue
        if found.group()[0].isupper() or not all(
            _is_common(w) for w in re.findall(r"[^\W\d_]+", found.group().lower())
        ):
            yield start, end


@lru_cache(maxsize=4096)
def _own_pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    any_of = "|".join(re.escape(w) for w in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{any_of})(?!\w)(?:[ -](?:{any_of})(?!\w))*+", re.IGNORECASE)


@lru_cache(maxsize=65536)
def _is_common(word: str) -> bool:
    return word in _ALSO_WORDS or word in _stop_words()


@lru_cache(maxsize=1)
def _stop_words() -> frozenset[str]:
    import stopwordsiso

    return frozenset(stopwordsiso.stopwords(["en", "de"]))
