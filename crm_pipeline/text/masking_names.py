"""Where a text holds people's names: after the words that introduce one, and the sender's own. Spans only."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

Span = tuple[int, int]


def _cut(words: str) -> list[str]:
    return words.split()


_WORD = r"[^\W\d_][^\W\d_'’-]*+(?:['’-][^\W\d_]++)*+"
_BEFORE_WORD = (
    r"(?:[^\W\d_]\. ?){0,3}+(?:(?:van|von|vom|de|der|den|del|della|di|da|dos|la|le|ten|ter|zu|zum|zur) ){0,3}+"
)
_TWO, _THREE, _FULL = (rf"{_BEFORE_WORD}{_WORD}(?: {_BEFORE_WORD}{_WORD}){{0,{n}}}" for n in (1, 2, 3))
_INTRODUCED = re.compile(
    rf"(?<![^\W_])(?:my name is|my name's|mein name ist|mein name lautet|ich hei(?:ß|ss)e) ({_FULL})", re.IGNORECASE
)
_SPEAKING = re.compile(
    rf"(?<![^\W_])(?:this is ({_THREE}) (?:speaking|calling|writing|here)|hier (?:spricht|schreibt) ({_FULL}))(?![^\W_])",
    re.IGNORECASE,
)
TITLE = r"(?:Mr|Mrs|Ms|Miss|Mister|Herrn?|Frau|Dr|Prof)\b\.?"
_TITLED = re.compile(rf"(?<![^\W_]){TITLE} (?:(?:and|und|&) {TITLE} )?(?:(?:Dr|Prof)\b\.? )*+({_TWO})")
_GREETED = re.compile(rf"(?<![^\W_])(?:Dear|Hi|Hello|Hey|Hallo|Liebe|Lieber|Servus) ({_TWO})(?= ?[,!\n\r])")
GREETINGS = (
    r"(?:(?:kind|best|warm|warmest|many) )?regards|best wishes|mit (?:freundlichen|besten|lieben|herzlichen) gr(?:ü|ue)(?:ß|ss)en|"
    r"(?:(?:viele|liebe|beste|herzliche|freundliche|schöne)n? )?gr(?:ü|ue)(?:ß|ss)e|gru(?:ß|ss)"
)
CLOSING = (
    rf"(?:{GREETINGS}|all the best|best(?=,)|love(?=,)|greetings|sincerely(?: yours)?|yours (?:sincerely|faithfully|truly)|"
    r"cheers|thanks(?: and regards)?|thx|thank you|mfg|lg|vg|(?:vielen|besten) dank|danke|hochachtungsvoll|herzlichst)"
)
TITLES_BEFORE = r"(?:(?:Mr|Mrs|Ms|Herr|Frau|Dr|Prof)\.? )*"
_LINE_END = r"(?=[ .]{0,3}(?:[\r\n]|\\n|\Z))"
_SIGNED = re.compile(
    rf"(?<![^\W_]){CLOSING}(?:[,.!]? ?(?:\r?\n|\\n)\s{{0,8}}|, ){TITLES_BEFORE}({_FULL}){_LINE_END}", re.IGNORECASE
)
# On one line nothing parts a name from its closing; short closings are also words and makers of television sets.
_SIGNED_BESIDE = re.compile(
    rf"(?<![^\W_])(?:{GREETINGS}) {TITLES_BEFORE}({_THREE}){_LINE_END}"
    rf"|(?:^|(?<=[.!?,;)]\s)|(?<=\\n)|(?<=danke )|(?<=dank ))(?:mfg|lg|vg) {TITLES_BEFORE}((?!(?-i:[A-Z]{{2}})){_TWO}){_LINE_END}",
    re.IGNORECASE | re.MULTILINE,
)
_ANNOUNCED = {"greeted": _GREETED, "signed": _SIGNED, "beside": _SIGNED_BESIDE}
KINDS = ("introduced", "speaking", "titled", *_ANNOUNCED)
"""How a name is announced."""
# Capitalised words that follow a greeting or a closing without being anybody's name.
_NOBODY = frozenset(
    _cut(
        "team sir madam all everyone everybody there customer customers support service folks people friends colleagues ladies "
        "gentlemen shop store company again sent from damen herren zusammen leute kundenservice kundendienst support-team "
        "shop-team kundschaft kunden kunde hallo hello hi guten gute good dear liebes liebe ihr ihre und and the "
        "danke thanks thank regards grüße best many herr frau mr mrs ms dr prof bitte please world welt guys kollegin kollege "
        "kollegen chat mate great super perfekt perfect awesome excellent nice toll klasse prima alles order orders department "
        "office abteilung return returns refund refunds delivery shipping bestellung lieferung rückgabe rücksendung "
        "rückerstattung retoure retouren reklamation versand einkauf buchhaltung accounting fernseher tv electronics"
    )
)
# What is said of a name after "my name is", beside stop words.
_SAID_OF_NAMES = frozenset(
    _cut(
        "wrong wrongly misspelled misspelt spelled spelt written missing incorrect incorrectly mistyped printed listed shown "
        "changed different incomplete correct unknown falsch fehlerhaft verkehrt geschrieben geändert unvollständig "
        "abgeschnitten vertauscht unleserlich richtig anders leider"
    )
)
_UMLAUTS = {"a": "ä", "o": "ö", "u": "ü"}
_BASES_OF_UMLAUTS = {umlaut: base for base, umlaut in _UMLAUTS.items()}
_SPELLED = re.compile(r"[aou]e|[aouäöü']")
_GERMAN = re.compile(r"[\x00-\x7fäöüÄÖÜß„“–€]*+")
_UMLAUTED = re.compile(r"[\x00-\x7fäöüÄÖÜ]*+")
_ACCENTS = re.compile("[\u0300-\u036f]+")
# What Unicode does not part into a letter and its accent, and the signs that are written for an apostrophe.
_BASES = str.maketrans(dict(zip("łøđıħ’‘ʼ´`", "lodih'''''", strict=True)) | {"æ": "ae", "œ": "oe", "þ": "th"})
PARTICLES = frozenset(_cut("van von vom de der den del della di da dos la le ten ter zu zum zur"))
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


def named(text: str, kinds: Sequence[str] = KINDS) -> Iterator[Span]:
    """Yield the names that an introduction, a title, a greeting or a closing announces, of those `KINDS` that are asked for."""
    if "introduced" in kinds:
        for found in _INTRODUCED.finditer(text):
            yield _capitalised(text, found.span(1), keep_first=True)
    if "speaking" in kinds:
        for found in _SPEAKING.finditer(text):
            yield _capitalised(text, found.span(1 if found.group(1) else 2))
    if "titled" in kinds:
        for found in _TITLED.finditer(text):
            yield _capitalised(text, found.span(1))
    for kind, pattern in _ANNOUNCED.items():
        for found in pattern.finditer(text) if kind in kinds else ():
            if all(_may_be_named(word) for word in found.group(found.lastindex or 1).split()):
                yield found.span(found.lastindex or 1)


def _may_be_named(word: str) -> bool:
    """Whether a word of a greeting or a signature may be of a name: a particle, an initial, or capitalised and no common word."""
    if not word[0].isupper():
        return word in PARTICLES
    plain = word.lower()
    return plain not in _NOBODY and (len(word.rstrip(".")) == 1 or plain in _ALSO_WORDS or plain not in _stop_words())


def _capitalised(text: str, span: Span, keep_first: bool = False) -> Span:
    """Cut a name before its first word without a capital; an empty span where none is left.

    ``keep_first``: the first word may be lower-case, where it is no word that one says of a name.
    """
    start, end = span
    stop = start
    for i, word in enumerate(re.finditer(r"\S+", text[start:end])):
        plain = word.group()
        if plain in PARTICLES:
            continue
        kept = plain[0].isupper() or (keep_first and i == 0 and plain not in _stop_words())
        if not kept or plain.lower() in _NOBODY or (keep_first and plain.lower() in _SAID_OF_NAMES):
            break
        stop = start + word.end()
    return start, stop


@lru_cache(maxsize=65536)
def own_words(name: str) -> tuple[str, ...]:
    """Return the words of a sender's name that are looked for, as ``_folded``: three letters or more, no titles."""
    found = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", _folded(name)[0])
    return tuple(dict.fromkeys(w for w in found if len(w) >= 3 and w not in _TITLES))


def may_hold_own(text: str, words: tuple[str, ...]) -> bool:
    """Whether a text may hold one of the sender's own words: quick, never a false no."""
    return bool(words) and holds_own(plain(text), words)


def holds_own(plain: str, words: tuple[str, ...]) -> bool:
    """The same of a text that is `plain`."""
    return any(stem in plain for stem in _stems(words))


def own_name(text: str, words: tuple[str, ...]) -> Iterator[Span]:
    """Yield where the sender's own words stand whole, however spelled; those that are also common words with a capital only."""
    if not may_hold_own(text, words):
        return
    folded, places = _folded(text)
    for found in _own_pattern(words).finditer(folded):
        start, end = found.start(), found.end()
        if places:
            start, end = places[start], places[end]
        if text[start - 1 : start] == "[" and text[end : end + 1] == "]":
            continue
        whole = unicodedata.normalize("NFC", text[start:end])
        if whole[0].isupper() or not all(_is_common(w) for w in re.findall(r"[^\W\d_]+", whole.lower())):
            yield start, end


def _folded(text: str) -> tuple[str, Sequence[int]]:
    """Return a text without case and accents but for umlauts, and where each of its characters begins (nothing: where it stands)."""
    if _UMLAUTED.fullmatch(text):
        return text.lower(), ()
    signs: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        if char == "\u0308" and signs and signs[-1] in _UMLAUTS:
            signs[-1] = _UMLAUTS[signs[-1]]
            continue
        shown = char.lower() if char.isascii() else _folded_sign(char)
        signs += shown
        places += [place] * len(shown)
    return "".join(signs), [*places, len(text)]


@lru_cache(maxsize=4096)
def _folded_sign(char: str) -> str:
    lower = char.casefold()
    return lower if lower in "äöü" else plain(lower)


def plain(text: str) -> str:
    """Return a text without case and without any accent."""
    if text.isascii():
        return text.lower()
    if _GERMAN.fullmatch(text):
        lower = text.lower().replace("ä", "a").replace("ö", "o").replace("ü", "u")
        return lower.replace("ß", "ss").replace("`", "'")
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold().translate(_BASES))).translate(_BASES)


@lru_cache(maxsize=65536)
def _stems(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return per word the longest part that is the same in all its spellings."""
    return tuple(max(re.split(r"[äöü']|[aou]e", word), key=len) for word in words)


@lru_cache(maxsize=4096)
def _own_pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    any_of = "|".join(_SPELLED.sub(_spellings, word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{any_of})(?!\w)(?:[ -](?:{any_of})(?!\w))*+")


def _spellings(found: re.Match[str]) -> str:
    part = found.group()
    if part == "'":
        return "'?"
    umlaut = _UMLAUTS.get(part[0], part[0])
    base = _BASES_OF_UMLAUTS[umlaut]
    return (
        f"(?:{umlaut}|{base}e)"
        if len(part) == 2
        else f"(?:{umlaut}|{base}e?)"
        if part == umlaut
        else f"[{part}{umlaut}]"
    )


@lru_cache(maxsize=65536)
def _is_common(word: str) -> bool:
    return word in _ALSO_WORDS or word in _stop_words()


@lru_cache(maxsize=1)
def _stop_words() -> frozenset[str]:
    import stopwordsiso

    return frozenset(stopwordsiso.stopwords(["en", "de"]))
