"""Personal data in texts: listed formats in contexts, what must stay, strange texts, JSON, and time that stays linear."""

from __future__ import annotations

import json
import time
from itertools import product

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.text.masking import KINDS, REGIONS, _Masker, mask


def _cut(values: str) -> list[str]:
    return values.split("|")


EMAILS = _cut(
    "anna@example.com|Anna.Beispiel@Example.COM|anna+shop@example.co.uk|a_b-c@mail.example.de|anna@müller.de|jörg@example.at|"
    "x@y.zz|12345@example.org|anna.beispiel.1985@sub.mail.example.com|o'brien@example.ie|anna (at) example (dot) com|"
    "anna[at]example.de|anna(at)example(punkt)de|anna @ example.com|anna&#64;example.com|anna＠example.com|an\u200bna@example.com"
)  # fmt: skip
PHONES = _cut(
    "+49 151 23456789|+4915123456789|+49 (0) 151 23456789|+49-30-123456-78|+49.30.1234567|0049 151 23456789|0151 23456789|"
    "0151/23456789|0151-23456789|01512345678|(030) 12345678|030 / 1234567|030 12 34 56 78|+43 664 1234567|0664 1234567|"
    "+41 44 668 18 00|044 668 18 00|079 123 45 67|+44 20 7946 0958|020 7946 0958|07400 123456|(0121) 234 5678|+33 6 12 34 56 78|"
    "06 12 34 56 78|06.12.34.56.78|+31 6 12345678|06-12345678|0470 12 34 56|+39 06 1234 5678|02 1234 5678|+34 612 345 678|612 34 56 78|"
    "+1 212 555 0123|(212) 555-0123|212-555-0123|212.555.0123|+86 138 0013 8000|+90 532 123 45 67|+49 000 5550123|"
    "０１５１ ２３４５６７８９|0151\u00a0234\u00a056789|0151\u200b23456789|+49\u202f151\u202f23456789|٠١٥١ ٢٣٤٥٦٧٨٩|0151\n23456789"
)  # fmt: skip
CARDS = _cut(
    "4111111111111111|4111 1111 1111 1111|4111-1111-1111-1111|4111.1111.1111.1111|5500 0000 0000 0004|5555555555554444|"
    "2223 0031 2200 3222|3782 822463 10005|378282246310005|6011 1111 1111 1117|3530111333300000|30569309025904|4222222222222|"
    "6759 6498 2643 8453|4111\u00a01111\u00a01111\u00a01111|４１１１１１１１１１１１１１１１|4111\n1111 1111 1111"
)  # fmt: skip
IBANS = _cut(
    "DE89370400440532013000|DE89 3704 0044 0532 0130 00|de89 3704 0044 0532 0130 00|GB82 WEST 1234 5698 7654 32|"
    "FR14 2004 1010 0505 0001 3M02 606|AT611904300234573201|CH93 0076 2011 6238 5295 7|NL91 ABNA 0417 1643 00|"
    "BE68 5390 0754 7034|ES91 2100 0418 4502 0005 1332|IT60 X054 2811 1010 0000 0123 456|DE89-3704-0044-0532-0130-00"
)  # fmt: skip
URLS = _cut(
    "https://shop.example.com/a/b?token=abc&x=1#top|http://example.com|HTTPS://EXAMPLE.COM/X|www.example.de|www.example.de/konto|"
    "shop.example.com/path?token=..x|example.com|müller.de/konto|https://example.com:8080/a|ftp://files.example.org/x|"
    "https://user:geheim@example.com/x|https://example.com/?mail=anna@example.com|bit.ly/3abc|sub.shop.example.at"
)  # fmt: skip
LISTED = {"email": EMAILS, "phone": PHONES, "card": CARDS, "iban": IBANS, "url": URLS}
CONTEXTS = (
    "{}",
    "Please write to {} soon.",
    "Hello, my data: {}. Kind regards",
    "({})",
    "{}, and that is all",
    "Order 536365 of 03.04.2024 about EUR 1.234,50 is late: {} !",
    "Meine Daten sind {}; die Bestellung O00001234 fehlt.",
    "first line\n{}\nlast line",
    "<p>{}</p>",
    "היי {} תודה",
)
KEPT = _cut(
    "order 536365|order no. 4711-0815|Order #12345678|order number 0151234567|order 4111111111111111|order number 4111 1111 1111 1111|"
    "O00001234|K0000123|536365|4711-0815|invoice 2024-000123|Invoice no: 20240001234|Rechnung Nr. 0301234567|Rechnungsnummer 30123456789|"
    "Bestellung 0151234567|Bestellnummer: 01512345678|Kundennummer 0664123456|customer no. 0301234567|case 00012345|Fall 0012345678|"
    "ticket 20240101001|Vorgang 030123456|product 4006381333931|Artikel 0815471112|article number 4006381333931|EAN 4006381333931|"
    "tracking JD014600003828392|tracking number 00340434161094042557|Sendungsnummer 003404341610|parcel 1Z999AA10123456784|"
    "orders 53636501 and 53636502|ref. 0301234567|RE-2024-000123|03.04.2024|2024-04-03|2024-04-03 12:30:00|03/04/2024|12:30|"
    "EUR 1.234,50|1.234.567,89 EUR|12,345,678.90|$1,234,567.00|+12.345.678 EUR|01067 Dresden|SW1A 1AA|10115 Berlin 2024|"
    "2023, 2024, 2025|version 1.2.3.4|550e8400-e29b-41d4-a716-446655440000|3 x 12 pieces at 04:15 on 05.06.2023|12345678"
)  # fmt: skip


def _one(text: str, name: str | None = None) -> str:
    return mask(pa.array([text]), names=pa.array([name], pa.string())).texts[0].as_py()


@pytest.mark.parametrize("kind", LISTED)
def test_listed_formats_are_masked_in_every_context(kind):
    cases = list(product(LISTED[kind], CONTEXTS))
    masked = mask(pa.array([context.format(value) for value, context in cases]))
    missed = [
        (value, context, text)
        for (value, context), text in zip(cases, masked.texts.to_pylist(), strict=True)
        if text != context.format(f"[{kind}]")
    ]
    print(f"{kind}: {len(cases) - len(missed)} of {len(cases)} masked")
    assert len(missed) <= 0.01 * len(cases), missed


def test_business_numbers_dates_and_amounts_stay():
    for context in CONTEXTS:
        text = [context.format(value) for value in KEPT]
        masked = mask(pa.array(text)).texts.to_pylist()
        assert [pair for pair in zip(text, masked, strict=True) if pair[0] != pair[1]] == []


def test_a_number_beside_an_order_number_is_masked_and_the_order_number_stays():
    assert _one("order 536365, 0151 23456789") == "order 536365, [phone]"
    assert _one("my order no. 4711-0815: call 0151 23456789") == "my order no. 4711-0815: call [phone]"
    assert _one("my phone number is 0151 23456789") == "my phone number is [phone]"
    assert (
        _one("Telefonnummer: 030 1234567, Kundennummer: 0301234567")
        == "Telefonnummer: [phone], Kundennummer: 0301234567"
    )
    assert _one("paid with 4012 8888 8888 1881 for order 536365") == "paid with [card] for order 536365"
    assert _one("my number 030 123456, meine Nummer 0664 123456") == "my number [phone], meine Nummer [phone]"
    assert _one("the order with the number 0301234567") == "the order with the number 0301234567"
    assert _one("call me on 1234567") == "call me on [phone]"


AFTER_NO = _cut(
    "Card no. {card}|Kreditkarte Nr. {card}|Karten-Nr.: {card}|Visa no {card}|credit card #{card}|MasterCard-No. {card}|"
    "Sie erreichen mich unter der Nr. {phone}|unter folgender Nr.: {phone}|Bitte rufen Sie unter Nr {phone} zurück|"
    "call this no. {phone}|Rückruf an Nr. {phone}|contact no. {phone}|Please ring no: {phone}|call #{phone}"
)  # fmt: skip
AFTER_BUSINESS = _cut(
    "order no. {}|Rechnung Nr. {}|invoice # {}|case #{}|Die Bestellung unter der Nr. {} fehlt|call about order no. {}|no. {}"
)


@pytest.mark.parametrize("context", AFTER_NO)
def test_cards_and_phones_after_a_bare_no_are_masked_where_the_word_before_says_what_they_are(context):
    cards = ("4111 1111 1111 1111", "5500000000000004", "3782 822463 10005", "4111-1111-1111-1111")
    phones = ("0171 1234567", "020 7946 0958", "07700 900123", "030 12345678")
    for card, phone in zip(cards, phones, strict=True):
        assert _one(context.format(card=card, phone=phone)) == context.format(card="[card]", phone="[phone]")


@pytest.mark.parametrize("context", AFTER_BUSINESS)
def test_a_number_after_the_no_of_a_business_stays(context):
    for number in ("4111 1111 1111 1111", "0301234567", "01711234567", "4711-0815"):
        assert _one(context.format(number)) == context.format(number)


CALLING = _cut(
    "Falls {} nicht geht|falls: {}|Im Falle: {}|Fallback {}|Please call customer: {}|client: {}|Lieferung {} anrufen|part: {}|"
    "delivery {} is my phone for delivery|return {}|request: {}|Kunden: {}, {}|Kunde {}|customer {} called|Bestellhotline {}"
)


@pytest.mark.parametrize("context", CALLING)
def test_words_that_count_nothing_keep_no_telephone_number(context):
    number, masks = "01711234567", "[phone]"
    assert _one(context.format(number, number)) == context.format(masks, masks)


SAID = _cut("Fallnummer|Fall-Nr.|Kundennr.|Kunden-ID|Lieferscheinnummer|client no.|customer id|part number|Kunde Nr.")


@pytest.mark.parametrize("word", SAID)
def test_the_same_words_with_a_number_word_keep_theirs(word):
    assert _one(f"{word} 01711234567") == f"{word} 01711234567"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("my name is Anna Müller and I wait", "my name is [name] and I wait"),
        ("Mein Name ist anna", "Mein Name ist [name]"),
        ("ich heiße Olga, hallo", "ich heiße [name], hallo"),
        ("This is Bob Smith speaking", "This is [name] speaking"),
        ("This is terrible", "This is terrible"),
        ("This is Great News for me", "This is Great News for me"),
        ("Dear Mr Smith, hello", "Dear Mr [name], hello"),
        ("Sehr geehrte Frau Dr. Müller,", "Sehr geehrte Frau Dr. [name],"),
        ("Hello Anna,\nall fine", "Hello [name],\nall fine"),
        ("Dear Team, Hello, Hi all,", "Dear Team, Hello, Hi all,"),
        ("Kind regards,\nAnna Müller", "Kind regards,\n[name]"),
        ("Mit freundlichen Grüßen\nBernd Kern\n", "Mit freundlichen Grüßen\n[name]\n"),
        ("Thanks\nThe parcel never came", "Thanks\nThe parcel never came"),
        ("Kind regards, Your Team", "Kind regards, Your Team"),
        ("Dear Mr J. Smith, hello", "Dear Mr [name], hello"),
        ("Dear Dr. J. R. Smith", "Dear Dr. [name]"),
        ("Dear Mr. and Mrs. Blankenship,", "Dear Mr. and Mrs. [name],"),
        ("Sehr geehrter Herr von der Heide,", "Sehr geehrter Herr [name],"),
        ("Mr van den Berg called", "Mr [name] called"),
        ("Frau de la Cruz", "Frau [name]"),
        ("Regards\nT. Blankenship", "Regards\n[name]"),
        ("Sincerely yours,\nTheodora Q. Blankenship", "Sincerely yours,\n[name]"),
        ("MfG\nB. Oberhuber", "MfG\n[name]"),
        ("mein Name ist Anna von der Heide, hallo", "mein Name ist [name], hallo"),
        ("All late. LG Anna", "All late. LG [name]"),
        ("VG Anna", "VG [name]"),
        ("MfG Oberhuber\n", "MfG [name]\n"),
        ("Vielen Dank LG Anna Kern", "Vielen Dank LG [name]"),
        ("Liebe Grüße Anna", "Liebe Grüße [name]"),
        ("Kind regards John Smith", "Kind regards [name]"),
        ("mit freundlichen Grüßen Anna Meyer", "mit freundlichen Grüßen [name]"),
        ("Grüße\nBernhardine", "Grüße\n[name]"),
        ("Best,\nTheodora", "Best,\n[name]"),
        ("Love,\nTheodora", "Love,\n[name]"),
        ("Hochachtungsvoll\nBernhardine Oberhuber", "Hochachtungsvoll\n[name]"),
    ],
)
def test_names_after_the_words_that_introduce_them(text, masked):
    assert _one(text) == masked


NOBODY = (
    "my name is wrong on the parcel", "my name is not on the list", "My name is spelled wrong", "my name is misspelled",
    "mein Name ist falsch geschrieben", "Mein Name ist nicht auf der Liste", "Thank you, Great", "Danke, Super", "Cheers, Mate",
    "Danke\nRückgabe", "Hello World!", "Hallo Welt!", "Hi Guys,", "Liebe Kollegin,", "Best regards\nOrder Department",
    "Best regards Customer Service", "I bought an LG Fernseher", "LG OLED", "Viele Grüße aus Köln", "The best, Always",
)  # fmt: skip


def test_what_is_said_of_names_and_greeted_without_one_stays():
    assert mask(pa.array(NOBODY)).texts.to_pylist() == list(NOBODY)


def test_the_senders_own_name_is_masked_and_common_words_only_with_a_capital():
    assert _one("anna MÜLLER, not annabel", "Dr. Anna Müller") == "[name], not annabel"
    assert _one("will you come, may I ask? Will here", "Will May") == "will you come, may I ask? [name] here"
    assert _one("an or al", "Al An") == "an or al"
    assert _one("[name] and [card]", "Card Name") == "[name] and [card]"
    assert _one("Anna", None) == "Anna"


SPELLED = (
    ("Aoife O'Shaughnessy", "O'Shaughnessy|o’shaughnessy|OʼSHAUGHNESSY|oshaughnessy"),
    ("Aoife O’Shaughnessy", "o'shaughnessy|O‘Shaughnessy"),
    ("Hans Müller", "Müller|MÜLLER|mueller|Muller|Mu\u0308ller|MU\u0308LLER|Hans Mu\u0308ller"),
    ("Hans Pu\u0308llmann", "püllmann|Puellmann"),
    ("Hans Puellmann", "Püllmann|PÜLLMANN|pu\u0308llmann|PUELLMANN"),
    ("Eva Strauß", "Strauss|STRAUSS|strauß|STRAUẞ"),
    ("Eva Strauss", "Strauß|strauss"),
    ("Łukasz Żółtowski", "Zoltowski|ŻÓŁTOWSKI|zółtowski|Lukasz Zoltowski|Z\u0307o\u0301łtowski"),
    ("İbrahim Öz", "İbrahim|ibrahim|IBRAHIM|I\u0307brahim"),
    ("René Sørensen", "Rene|RENÉ|rene\u0301|Sorensen|René Sørensen"),
)


@pytest.mark.parametrize(("name", "spelled"), SPELLED)
def test_the_senders_own_name_is_masked_however_it_is_spelled(name, spelled):
    for word in _cut(spelled):
        for context in ("{}", "ask {}, please", "ü: {}\nß", "({})"):
            assert _one(context.format(word), name) == context.format("[name]")
    assert _one("mulch Mullerei rene9 strau", name) == "mulch Mullerei rene9 strau"


def test_null_stays_null_and_what_was_masked_is_counted():
    found = mask(pa.chunked_array([["anna@example.com and bob@example.com, 0151 23456789"], [None, "", "nothing"]]))
    assert found.texts.to_pylist() == ["[email] and [email], [phone]", None, "", "nothing"]
    assert tuple(found.counts) == KINDS
    assert found.counts["email"].to_pylist() == [2, None, 0, 0]
    assert found.counts["phone"].to_pylist() == [1, None, 0, 0]
    assert found.counts["email"].type == pa.int32()
    assert mask(pa.array([], pa.string())).texts.to_pylist() == []


def test_an_address_that_holds_an_email_is_masked_once():
    assert _one("https://example.com/?mail=anna@example.com") == "[url]"
    assert _one('<a href="mailto:x@y.zz">x</a>') == '<a href="mailto:[email]">x</a>'


def test_regions_are_a_parameter():
    text = pa.array(["8123 4567 or 98 76 54 32 10"])
    assert mask(text).texts.to_pylist() == text.to_pylist()
    assert mask(pa.array(["03 9123 4567"]), regions=("AU",)).texts.to_pylist() == ["[phone]"]
    with pytest.raises(ValueError, match="'XX' is no region"):
        mask(pa.array(["0151 23456789"]), regions=("XX",))


def test_json_stays_json_and_escaped_text_keeps_its_escapes():
    row = {"body": 'Hi "Bob"\nanna@example.com\n0151 23456789', "order_no": "0151234567", "n": 4111111111111111}
    for ascii_only in (True, False):
        masked = _one(json.dumps(row, ensure_ascii=ascii_only))
        assert json.loads(masked) == {"body": 'Hi "Bob"\n[email]\n[phone]', "order_no": "0151234567", "n": "[card]"}
    assert _one("cut {\\nanna@example.com\\n0151 23456789") == "cut {\\n[email]\\n[phone]"


PLANTED = [(kind, value) for kind, values in LISTED.items() for value in values]
PLAIN = st.text(st.sampled_from("abcefghj ÄÖü.,!?\n"), max_size=30)
"""Letters of which no word is made that tells of a number of the business, such as *id*."""
ANYTHING = st.recursive(st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([v for _, v in PLANTED]),
                        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(PLAIN, st.lists(st.tuples(st.sampled_from(PLANTED), PLAIN), min_size=1, max_size=4))
def test_no_planted_value_survives_and_masking_twice_is_masking_once(start, planted):
    text = start + "".join(f" {value} ; {after}" for (_, value), after in planted)
    masked = _one(text)
    assert not [value for (_, value), _ in planted if value in masked]
    assert _one(masked) == masked


@settings(max_examples=200, deadline=None)
@given(st.text() | st.text(st.sampled_from("0123456789 .-/()+@[]\\n\"':#aA,d")), st.none() | st.text())
def test_masking_any_text_twice_is_masking_it_once(text, name):
    masked = _one(text, name)
    assert _one(masked, name) == masked


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("abcdefghij xyz,!?;\n 123"), max_size=60).filter(lambda t: sum(map(str.isdigit, t)) < 7))
def test_text_without_personal_data_is_unchanged(text):
    assert _one(text) == text


@settings(max_examples=150, deadline=None)
@given(st.text() | st.lists(ANYTHING) | st.dictionaries(st.text(), ANYTHING), st.booleans(), st.none() | st.text())
def test_masked_json_is_json(value, ascii_only, name):
    json.loads(_one(json.dumps(value, ensure_ascii=ascii_only), name))


@pytest.mark.parametrize("piece", ["1 ", "a@", "www.", "a.", "(0", "DE89 ", "my name is ", "&#64;", "[at]", "\\", "0"])
def test_a_megabyte_of_one_piece_ends_soon(piece):
    started = time.process_time()
    _one(piece * (1_000_000 // len(piece)) + "@", "Anna Grace")
    assert time.process_time() - started < 8  # linear; a pattern that backtracks takes minutes


def test_many_messages_cost_little():
    texts = pa.array(
        [
            f"Hello, my parcel of order O{i:08d} came on 03.04.2024. Thanks for the quick help, all fine."
            for i in range(50_000)
        ]
    )
    started = time.process_time()
    assert mask(texts).texts.equals(texts)
    assert time.process_time() - started < 10


PIECES = _cut(
    "Kind regards|Viele Grüße|Danke|lg|,|, |\n|\\n| |.|Ada|ada|von Berg|Lovelace|Mr. |Herr |Dear |Hi |my name is |ich heiße |"
    "this is | speaking|hier spricht |_|x|é|ü|ß|ı|ſ|\u0308|\u200b|&nbsp;|&#64;|[email]|[|{|(at)|@|www.|https://|x.de|.|order |no. |№|"
    "call me on |tel|unter |card |Nr. |0151 23456789|+49 30 901820|4711|12345678|4111 1111 1111 1111|DE89 3704 0044 0532 0130 00|"
    "٣٤|１２|01.02.2024|12,50 EUR|\x1a"
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(), st.booleans()), max_size=12
    )
)
def test_texts_are_masked_together_as_one_by_one(drawn):
    names = ["Ada Lovelace" if called else None for _, called in drawn]
    together = mask(pa.array([text for text, _ in drawn], pa.string()), names=pa.array(names, pa.string()))
    assert together.texts.to_pylist() == [_one(text, name) for (text, _), name in zip(drawn, names, strict=True)]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text())
def test_nothing_is_found_without_a_hint(text):
    masker, found = _Masker(REGIONS), dict.fromkeys(KINDS, 0)
    masked, counts = masker.every([text], [()])
    assert masked == [masker.mask(text, (), found)]  # which looks for everything
    assert {kind: n[0] for kind, n in counts.items()} == found
