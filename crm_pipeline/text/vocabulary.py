"""What a language knows of a word: whether it is a stop word, and its stem. Each distinct word is looked at once."""

from __future__ import annotations

import functools
import re
from typing import Any


def word_set(listed: str) -> frozenset[str]:
    """Return the words of a list between blanks."""
    return frozenset(listed.split())


DEFAULT = "en"
"""The language of a message whose language is not known."""

SNOWBALL = {
    "ar": "arabic", "da": "danish", "nl": "dutch", "en": "english", "fi": "finnish", "fr": "french", "de": "german",
    "hu": "hungarian", "it": "italian", "no": "norwegian", "nb": "norwegian", "nn": "norwegian", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "es": "spanish", "sv": "swedish",
}  # fmt: skip
"""The languages that nltk's Snowball stems, by ISO 639-1 code. A word of any other language is its own stem."""

SPOKEN_OF = word_set(
    "amount bill buy call case cases change changes copy empty fix free full help information miss move name number "
    "numbers open opened opening order ordered ordering orders page pages part parts place placed point points problem "
    "problems room rooms stop system test text value website webpage work worked working works"
)
"""English words that `stopwordsiso` lists and that customers write to be understood (*order*, *problem*): not stop words here."""

COURTESY = {
    "en": word_set(
        "hello hi hey dear regards sincerely faithfully cheers greetings thanks thank wishes sir madam whom"
    ),
    "de": word_set(
        "hallo hi liebe lieber liebes guten geehrte geehrter geehrten damen herren grüße grüßen gruß grüsse grüssen "
        "freundliche freundlichen viele vielen beste besten herzliche herzlichen danke dank bitte servus mfg lg vg"
    ),
}
"""How letters begin and end: it says nothing of what they are about, and would be what they have most in common."""

CLITICS = word_set("n't 's 'm 're 'd 'll 've ca wo sha ai")
"""What the Treebank tokens leave of *don't*, *it's* and *can't*; `stopwordsiso` knows only some."""

ELISIONS = {
    "fr": re.compile(r"(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu)'(?=\w)"),
    "it": re.compile(r"(?:[cdlmnstv]|un|all|dall|dell|nell|sull|quest|quell)'(?=\w)"),
    "ca": re.compile(r"[dlmnst]'(?=\w)"),
}
"""Articles and pronouns that stand before an apostrophe: the word is what follows."""

LONGEST = 40
"""Letters from which a token is no word of a language (a key, an encoded file): counted, but without a stem."""


@functools.lru_cache(maxsize=128)
def stop_words(language: str | None) -> frozenset[str]:
    """Return the stop words of a language, in lower case; none where it is not known to `stopwordsiso`.

    They are always those of `stopwordsiso` and of `COURTESY`, even where nltk's corpora are installed: the same message must give
    the same content on every machine.
    """
    import stopwordsiso

    code = language or DEFAULT
    code = "no" if code in ("nb", "nn") else code
    if not stopwordsiso.has_lang(code):
        return frozenset()
    words = frozenset(word.lower() for word in stopwordsiso.stopwords(code))
    words |= COURTESY.get(code, frozenset())
    return (words - SPOKEN_OF) | CLITICS if code == "en" else words


@functools.lru_cache(maxsize=500_000)
def content(token: str, language: str | None) -> tuple[str, str] | None:
    """Return the word and the stem of a token, or None where it carries no content.

    Content has a letter and is no stop word, no number and no mark. The word is in lower case, without an elided article.

    Examples
    --------
    >>> content("Cards", "en"), content("the", "en"), content("l'addition", "fr")
    (('cards', 'card'), None, ('addition', 'addit'))
    """
    word = token.lower()
    if len(word) > LONGEST or not any(map(str.isalpha, word)):
        return None
    elision = ELISIONS.get(language or DEFAULT)
    if elision is not None and (found := elision.match(word)):
        word = word[found.end() :]
    if word in stop_words(language):
        return None
    stemmer = _stemmer(language or DEFAULT)
    return word, (stemmer.stem(word) if stemmer is not None else word) or word


@functools.lru_cache(maxsize=32)
def _stemmer(language: str) -> Any:
    """Return the Snowball stemmer of a language, or None."""
    from nltk.stem.snowball import SnowballStemmer

    return SnowballStemmer(SNOWBALL[language]) if language in SNOWBALL else None
