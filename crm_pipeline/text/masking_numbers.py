"""Where a text holds IBANs, card numbers and telephone numbers, and which numbers are a business's own and stay. Spans only.

A number stays where the words before it say what it is (order, invoice, case, product, tracking, customer ...), and so do
dates and amounts. Telephone numbers count where they are international, or valid in one of the regions in a form that
starts with the trunk prefix; any other form needs a word such as "call" or "Tel." before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

Span = tuple[int, int]

NO_CALL = r"(?!\w*(?:hotline|fon|fax|handy|mobil))"
# What a number right after the word counts. The second list's words are said before telephone numbers as well, so that a
# number is theirs only with "number", "no." or "id" between.
BARE_WORDS = (
    "orders?|invoices?|bills?|cases?|tickets?|products?|articles?|items?|tracking|shipments?|parcels?|"
    r"references?|ref\.?|best\.?|rg\.?|art\.?|"
    "vouchers?|coupons?|contracts?|serial|receipts?|bookings?|confirmations?|transactions?|sku|ean|isbn|"
    "purchases?|claims?|rma|po|id|loyalty|model|delivery note|az|aktenzeichen|fall|fälle|fall-?(?:nummern?|nr|id|code)|"
    rf"(?:bestell|auftr[aä]g|rechnung|vorg[aä]ng|produkt|artikel|sendung|paket|referenz|vertrag|serien|beleg|lieferschein|"
    rf"gutschein|quittung|buchung){NO_CALL}\w*|(?:kunden|mitglieds|liefer|retouren)-?(?:nummern?|nr|id|code)"
)
_SAID_WORDS = (
    "customers?|clients?|deliver(?:y|ies)|returns?|requests?|members?|part|kunden?|kundin|mitglied|lieferung|retouren?"
)
_KEPT_WORDS = f"{BARE_WORDS}|{_SAID_WORDS}"
NUMBER_WORD = r"(?:numbers?|nummern?|num|no|nr|ids?|code)"
_ID = r"[A-Za-z]{0,5}[-/]?\d[\w\-/]*+(?:\.\d[\w\-/]*+)*+"
# With "number" said, an id may be written in blocks of four; after the bare word it is one token of five digits or more.
_SAID = re.compile(
    rf"(?<![^\W_])(?:(?:{_KEPT_WORDS})[\s_.-]{{0,2}}{NUMBER_WORD}(?![^\W_])|{NUMBER_WORD}|#|№)[\s.:=#\"'(-]{{0,4}}"
    rf"(?:(?:is|was|ist|lautet|war)[\s:]{{1,3}})?(\d{{4}}(?:[ -]\d{{4}}){{2,4}}(?!\d)|{_ID})",
    re.IGNORECASE,
)
_BARE = re.compile(
    rf"(?<![^\W_])(?:{BARE_WORDS})[ :=#\"'(_-]{{1,4}}(?:(?:is|was|ist|lautet|war|from|vom|von)[ :]{{1,3}})?({_ID})(?!\s?[-/]?\d)",
    re.IGNORECASE,
)
_NEXT = re.compile(rf"\s?(?:,|;|&|/|\+|and|und|or|oder)\s?#?({_ID})", re.IGNORECASE)
_PHONE_WORD = (
    r"(?:tele(?:ph|f)on\w*|(?:tele|smart)?phones?|tel|mobil\w*|mobiles?|cell|handy\w*|fax\w*|"
    r"whats ?app|sms|rufnummer\w*|hotline|landline|festnetz\w*)"
)
_NUMBER_ALONE = re.compile(rf"{NUMBER_WORD}(?![^\W_])|#|№", re.IGNORECASE)
_OWN_BEFORE = re.compile(rf"(?<![^\W_])(?:{_PHONE_WORD}|my|mein\w*|our|unser\w*)[\s._-]{{0,3}}$", re.IGNORECASE)
_KEPT_BEFORE = re.compile(rf"(?<![^\W_])(?:{_KEPT_WORDS})(?![^\W_])[^\d]{{0,30}}$", re.IGNORECASE)
_CALLED = re.compile(
    rf"(?<![^\W_])(?:{_PHONE_WORD}|call(?:ed)?|ring|dial|text|reach(?:ed)?|contact|anrufen?|ruf(?:en)?|erreich\w*|zurückruf\w*|rückruf\w*)"
    r"(?:\W{1,3}(?:me|us|him|her|mich|uns|back|again|is|ist|at|on|under|unter|der|lautet|sie|bitte|an|zurück|number|nummer|no|nr|my|meine[rn]?|this|folgende[rn]?)){0,6}"
    r"\W{0,4}$",
    re.IGNORECASE,
)
_UNDER = re.compile(r"(?<![^\W_])unter(?:\W{1,3}(?:der|dieser|folgender|meiner)){0,2}\W{1,4}$", re.IGNORECASE)
_CARD_BEFORE = re.compile(
    r"(?<![^\W_])(?:(?:credit|debit|master|bank)?[ -]?cards?|visa|maestro|amex|american express|(?:kredit|bank|giro|debit)?karten?)"
    r"(?:\W{1,3}(?:with|mit|the|der|die|is|ist)){0,3}\W{0,4}$",
    re.IGNORECASE,
)
CURRENCY = r"(?:eur|usd|gbp|chf|euros?|dollars?|pounds?|franken|fr|[€$£¥])"
_DATES = re.compile(
    r"(?<![\d./-])(?:\d{1,2}([./-])\d{1,2}\1(?:19|20)?\d{2}|(?:19|20)\d{2}([./-])\d{1,2}\2\d{1,2})(?![./-]?\d)"
    r"(?:[T ,]{1,2}\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?)?"
)
_AMOUNTS = re.compile(
    rf"(?<![^\W_]){CURRENCY}\s?[-+]?\d[\d.,']*+|(?<![\d.,+])[-+]?\d[\d.,']*+\s?(?:{CURRENCY}(?![^\W_])|%)"
    r"|(?<![\d.,+])[-+]?\d{1,3}(?:[.,' ]\d{3})*+[.,]\d{2}(?![\d.,-])",
    re.IGNORECASE,
)
_IBAN = re.compile(r"(?<![^\W_])[A-Za-z]{2}\d{2}(?:[ \t\r\n.-]{0,2}[A-Za-z0-9]){11,30}")
_RUN = re.compile(r"(?:\+\s?)?(?<!\d)\(?\d(?:[ \t\r\n().\-/]{0,4}\d)*+")
_GROUP = re.compile(r"\d+")
_MOST_GROUPS = 8
# How numbers without a trunk prefix are written where nothing else says that they are telephone numbers.
_FORMED = re.compile(r"(?:1[ .-]?)?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}|\d{3}(?:[ .-]\d\d){3}")
_TYPES = (
    "fixed_line",
    "mobile",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "personal_number",
    "voip",
    "uan",
    "pager",
    "voicemail",
)
# Issuer prefixes with the lengths that they give out: Visa, Mastercard, American Express, Discover, Diners, JCB,
# UnionPay, Maestro.
_CARD = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|(?:6011|65\d\d|64[4-9]\d)\d{12,15}|(?:36|38|39|30[0-5]\d?)\d{11,12}|35(?:2[89]|[3-8]\d)\d{12,15}|62\d{14,17}"
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{9,15}"
)
KEPT = ("said", "bare", "amount")
"""How a number says that it is not personal."""
_DOUBLED = str.maketrans("0123456789", "0246813579")


def dates(text: str) -> Iterator[Span]:
    """Yield the dates, with their time of day."""
    return (found.span() for found in _DATES.finditer(text))


def kept_numbers(text: str, kinds: Sequence[str] = KEPT) -> Iterator[Span]:
    """Yield the numbers that are not personal: with the word for what they count before them, and amounts; those `KEPT` asked for."""
    for found in _SAID.finditer(text) if "said" in kinds else ():
        if _says_business(text, found):
            yield from _list_of_ids(text, found.span(1))
    for found in _BARE.finditer(text) if "bare" in kinds else ():
        if sum(c.isdigit() for c in found.group(1)) >= 5:
            yield from _list_of_ids(text, found.span(1))
    for found in _AMOUNTS.finditer(text) if "amount" in kinds else ():
        yield found.span()


def _says_business(text: str, found: re.Match[str]) -> bool:
    """Whether "no. 0301234567" is a business's: "my no.", "call no." and "card no." are not; "number" alone says nothing."""
    start = found.start()
    if not _NUMBER_ALONE.match(text, start):
        return True
    if _OWN_BEFORE.search(text, max(0, start - 20), start):
        return False
    if _CALLED.search(text, max(0, start - 60), start):
        return False
    if _CARD_BEFORE.search(text, max(0, start - 40), start) and _is_card_at(text, found.start(1)):
        return False
    said_nothing = text[start : start + 3].lower() == "num" or _UNDER.search(text, max(0, start - 30), start)
    return not said_nothing or _KEPT_BEFORE.search(text, max(0, start - 40), start) is not None


def _is_card_at(text: str, start: int) -> bool:
    return any(first == 0 for first, _ in cards(text[start : start + 40]))


def _list_of_ids(text: str, first: Span) -> Iterator[Span]:
    yield first
    start, end = first
    while (after := _NEXT.match(text, end)) and len(after.group(1)) == end - start:
        start, end = after.span(1)
        yield start, end


def ibans(text: str) -> Iterator[Span]:
    """Yield the valid IBANs, in blocks or not, in either case."""
    from stdnum import iban

    end = 0
    for found in _IBAN.finditer(text):
        if found.start() < end:
            continue
        length = _iban_length(found.group()[:2].upper())
        places = [m.start() for m in re.finditer(r"[A-Za-z0-9]", found.group())][:length]
        if not length or len(places) < length:
            continue
        stop = found.start() + places[-1] + 1
        if not text[stop : stop + 1].isalnum() and iban.is_valid(
            "".join(found.group()[p] for p in places), check_country=False
        ):
            end = stop
            yield found.start(), stop


@lru_cache(maxsize=1024)
def _iban_length(country: str) -> int:
    from stdnum import numdb

    entry = numdb.get("iban").info(country + "0" * 32)[0][1]
    return 4 + sum(int(n) for n in re.findall(r"(\d+)!", entry.get("bban", ""))) if entry else 0


def cards(text: str) -> Iterator[Span]:
    """Yield the payment card numbers: 13 to 19 digits that an issuer gives out and that pass the Luhn check."""

    def is_card(start: int, end: int, digits: str) -> bool:
        return _CARD.fullmatch(digits) is not None and _luhn(digits)

    for run in _runs(text, 13):
        yield from _numbers(text, run, (13, 19), "23456", is_card)


def _luhn(digits: str) -> bool:
    odd, even = digits[-1::-2], digits[-2::-2].translate(_DOUBLED)
    return (sum(map(int, odd)) + sum(map(int, even))) % 10 == 0


def phones(text: str, regions: Sequence[str], said: bool = True) -> Iterator[Span]:
    """Yield the telephone numbers: international ones, and national ones of the regions.

    ``said``: a word such as *call* may stand before one.
    """
    national = _national(tuple(regions))
    for run in _runs(text, 7):
        called = run.start() if said and _CALLED.search(text, max(0, run.start() - 60), run.start()) else -1

        def is_phone(start: int, end: int, digits: str, called: int = called) -> bool:
            if text[start] == "+":
                return len(digits) >= 8 and _calling_code(digits)
            if digits.startswith("00") and len(digits) >= 10 and _valid(digits[2:]):
                return True
            if len(digits) < 9 or not (digits[0] == "0" or _FORMED.fullmatch(text, start, end)):
                return start == called
            return start == called or national.fullmatch(digits) is not None

        starts = "0123456789" if called >= 0 or _FORMED.search(text, run.start(), run.end()) else "0"
        yield from _numbers(text, run, (7 if called >= 0 else 8, 15), starts, is_phone)


@lru_cache(maxsize=4096)
def _valid(international: str) -> bool:
    import phonenumbers

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse("+" + international))
    except phonenumbers.NumberParseException:
        return False


def _calling_code(digits: str) -> bool:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    return any(int(digits[:n]) in COUNTRY_CODE_TO_REGION_CODE for n in (1, 2, 3))


@lru_cache(maxsize=16)
def _national(regions: tuple[str, ...]) -> re.Pattern[str]:
    """Return one pattern of all valid numbers as the regions write them: the trunk prefix where there is one, then the number."""
    from phonenumbers import PhoneMetadata

    forms = []
    for region in regions:
        about = PhoneMetadata.metadata_for_region(region)
        if about is None:
            raise ValueError(f"{region!r} is no region with telephone numbers: give two-letter codes such as 'DE'.")
        kinds = [getattr(about, kind) for kind in _TYPES]
        valid = "|".join(sorted({k.national_number_pattern for k in kinds if k and k.national_number_pattern}))
        prefix = about.national_prefix or ""
        forms.append(f"(?:{prefix})?(?:{valid})" if prefix == "1" else f"{prefix}(?:{valid})")
    return re.compile("|".join(forms) if forms else r"(?!)")


def _runs(text: str, fewest: int) -> Iterator[re.Match[str]]:
    """Yield the stretches of digits and what is written between digits that are long enough for a number."""
    return (run for run in _RUN.finditer(text) if run.end() - run.start() >= fewest)


def _numbers(
    text: str, run: re.Match[str], size: tuple[int, int], starts: str, accept: Callable[[int, int, str], bool]
) -> Iterator[Span]:
    """Yield the neighbouring groups of a run's digits that are one accepted number, the longest at each start.

    They stand apart from letters, and are eight groups at most unless the whole run may be one number.
    """
    fewest, most = size
    groups = [m.span() for m in _GROUP.finditer(text, run.start(), run.end())]
    reach = len(groups) if sum(b - a for a, b in groups) <= most else _MOST_GROUPS
    if reach * max(b - a for a, b in groups) < fewest:
        return
    taken = 0
    for i, (a, b) in enumerate(groups):
        if not (text[a] in starts or (i == 0 and text[run.start()] == "+")) or a < taken or b - a > most:
            continue
        start = run.start() if i == 0 else a - 1 if text[a - 1] == "(" else a
        if not _may_start(text, start, i == 0):
            continue
        digits, windows = "", []
        for c, d in groups[i : i + reach]:
            digits += text[c:d]
            if len(digits) > most:
                break
            if len(digits) >= fewest and _may_end(text, d, d == groups[-1][1]):
                windows.append((d, digits))
        end = next((end for end, digits in reversed(windows) if accept(start, end, digits)), 0)
        if end:
            taken = end
            start += text[start] == "(" and ")" not in text[start:end]
            yield start, end


def _may_start(text: str, start: int, first: bool) -> bool:
    if not start:
        return True
    before = text[start - 1]
    if not first:
        return before.isspace() or before in "(/"
    if before.isalnum() or before == "_":
        return text[start - 2 : start] in ("\\n", "\\t", "\\r") and text[start - 3 : start - 2] != "\\"
    return not (
        before in "-/.,'" and start > 1 and text[start - 2].isalnum() and not text[start - 2].isalpha()
    ) and not (before == "#" and text[max(0, start - 2) : start - 1].isalnum())


def _may_end(text: str, end: int, last: bool) -> bool:
    after, then = text[end : end + 1], text[end + 1 : end + 2]
    if not last:
        return after.isspace() or (after == "/" or text[end : end + 2] in (". ", ".\n", ") "))
    return not (
        after.isalnum() or after == "_" or (after in "-/@:" and then.isalnum()) or (after == "," and then.isdigit())
    )
