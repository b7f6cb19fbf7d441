"""The wordings of the made-up messages, in English and German: what stands around, decoys, and which wordings are held out.

``HELD_OUT`` wordings are written by few senders and stand in no starter file: whoever learns from the others is tested on
them. They are a fifth of each group, by the checksum of the sentence, so that nobody chose them. ``{item}``, ``{day}`` and
``{place}`` are slots.
"""

from __future__ import annotations

from zlib import crc32

from crm_pipeline.sample import wordings_feelings, wordings_service

Wordings = dict[str, dict[str, tuple[str, ...]]]
HELD_OUT_WORDINGS = 0.2


def _split(every: Wordings) -> tuple[Wordings, Wordings]:
    """Return the wordings that may be learned from, and those held out; the order of neither says anything."""
    known: Wordings = {}
    held: Wordings = {}
    for name, by_language in every.items():
        for language, sentences in by_language.items():
            drawn = sorted(sentences, key=lambda sentence: crc32(sentence.encode()))
            few = max(1, round(HELD_OUT_WORDINGS * len(drawn)))
            held.setdefault(name, {})[language] = tuple(drawn[:few])
            known.setdefault(name, {})[language] = tuple(drawn[few:])
    return known, held


SERVICE, SERVICE_HELD_OUT = _split(wordings_service.SERVICE)
FEELINGS, FEELINGS_HELD_OUT = _split(wordings_feelings.FEELINGS)

LANGUAGES = ("en", "de")
SLOTS: dict[str, dict[str, tuple[str, ...]]] = {
    "item": {
        "en": ("lamp", "kettle", "chair", "blanket", "toaster", "backpack", "bookshelf", "garden hose"),
        "de": ("Lampe", "Decke", "Pfanne", "Vase", "Bohrmaschine", "Kaffeemaschine", "Jacke", "Tasche"),
    },
    "day": {
        "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "last week", "yesterday"),
        "de": ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "gestern"),
    },
    "place": {
        "en": ("the centre", "the old town", "the harbour", "the station road"),
        "de": ("der Innenstadt", "der Altstadt", "der Hafenstraße", "der Bahnhofstraße"),
    },
}
GREETINGS = {
    "en": ("Hello,", "Hi,", "Dear team,", "Good morning,", "Good afternoon,", "To whom it may concern,"),
    "de": ("Hallo,", "Guten Tag,", "Liebes Team,", "Guten Morgen,", "Sehr geehrte Damen und Herren,", "Servus,"),
}
CLOSINGS = {
    "en": ("Kind regards", "Thanks", "Best wishes", "Many thanks", "Best regards", "Sent from my phone"),
    "de": ("Mit freundlichen Grüßen", "Danke", "Viele Grüße", "Vielen Dank", "Beste Grüße", "Von unterwegs gesendet"),
}
REPLIES = {
    "en": (
        "Thank you for your message. We are looking into it and will come back to you.",
        "Thank you for writing to us. Your request has been passed on to the team.",
        "We have received your message and answer within two working days.",
    ),
    "de": (
        "Vielen Dank für Ihre Nachricht. Wir sehen uns das an und melden uns bei Ihnen.",
        "Danke, dass Sie uns geschrieben haben. Ihr Anliegen ist beim Team.",
        "Wir haben Ihre Nachricht erhalten und antworten innerhalb von zwei Werktagen.",
    ),
}
DECOYS: Wordings = {
    "parking": {
        "en": (
            "Is there parking for bicycles near your shop in {place}?",
            "How long can one park behind the store on Saturdays?",
            "Does the car park still take coins?",
        ),
        "de": (
            "Gibt es Fahrradständer bei Ihrem Laden in {place}?",
            "Wie lange darf man samstags hinter dem Geschäft parken?",
            "Nimmt das Parkhaus noch Münzen?",
        ),
    },
    "weather": {
        "en": (
            "With all this rain I wonder when the garden season starts.",
            "What a summer, our terrace has never been so warm.",
            "The first snow fell here last night.",
        ),
        "de": (
            "Bei dem Regen frage ich mich, wann die Gartenzeit beginnt.",
            "Was für ein Sommer, so warm war unsere Terrasse noch nie.",
            "Heute Nacht fiel hier der erste Schnee.",
        ),
    },
    "newsletter": {
        "en": (
            "In which issue of the newsletter was the recipe with plums?",
            "Can I read older newsletters somewhere?",
            "Who draws the pictures in your newsletter?",
        ),
        "de": (
            "In welchem Rundbrief stand das Rezept mit den Pflaumen?",
            "Kann man ältere Rundbriefe irgendwo lesen?",
            "Wer zeichnet die Bilder in Ihrem Rundbrief?",
        ),
    },
    "opening hours": {
        "en": (
            "Are you open on the bridge day after the holiday?",
            "Until when is the store open on Christmas Eve?",
            "Do you open on the shopping Sunday?",
        ),
        "de": (
            "Haben Sie am Brückentag nach dem Feiertag offen?",
            "Bis wann ist der Laden an Heiligabend geöffnet?",
            "Öffnen Sie am verkaufsoffenen Sonntag?",
        ),
    },
    "jobs": {
        "en": (
            "Do you offer internships for pupils?",
            "My daughter would like to apply as a trainee.",
            "Are you looking for help in the warehouse?",
        ),
        "de": (
            "Bieten Sie Praktika für Schüler an?",
            "Meine Tochter möchte sich um eine Lehrstelle bewerben.",
            "Suchen Sie Aushilfen für das Lager?",
        ),
    },
}
ELSEWHERE: dict[str, tuple[str, ...]] = {
    "en": (
        "I am writing for the local paper and would like an interview with your founder.",
        "Would you sponsor our football club?",
        "We offer cheap search engine marketing for your website.",
        "I lost an umbrella in your building.",
        "Our class would like to visit you for a school project.",
        "May I quote you in my thesis?",
        "You have won a prize, click here.",
        "Who is the artist of the song in your advertisement?",
        "A dog barked in front of your building all night.",
        "Is your company listed on the stock exchange?",
        "Please take our charity into account with a donation.",
        "Do you know a good restaurant around the corner?",
        "Happy new year to all of you.",
        "Wrong number, sorry.",
    ),
    "de": (
        "Ich schreibe für die Lokalzeitung und hätte gern ein Interview mit der Gründerin.",
        "Würden Sie unseren Fußballverein unterstützen?",
        "Wir bieten günstige Werbung in Suchmaschinen für Ihre Seite.",
        "Ich habe in Ihrem Gebäude einen Schirm verloren.",
        "Unsere Klasse möchte Sie für ein Schulprojekt besuchen.",
        "Darf ich Sie in meiner Abschlussarbeit zitieren?",
        "Sie haben einen Preis gewonnen, klicken Sie hier.",
        "Von wem ist das Lied in Ihrer Werbung?",
        "Vor Ihrem Gebäude bellte die ganze Nacht ein Hund.",
        "Ist Ihre Firma an der Börse?",
        "Bitte bedenken Sie unsere Stiftung mit einer Spende.",
        "Kennen Sie ein gutes Restaurant um die Ecke?",
        "Ein gutes neues Jahr Ihnen allen.",
        "Falsch verbunden, Entschuldigung.",
    ),
}
"""Nothing of a customer's: for the starter of labelled texts alone, in which these teach that a text can be about something else."""
TONES = ("positive", "neutral", "negative", "leaving")
PERSONAL: dict[str, dict[str, tuple[str, ...]]] = {
    "email": {
        "en": ("Please write to me at {value}.", "My mail is {value}, as before."),
        "de": ("Bitte schreiben Sie mir an {value}.", "Meine Mail ist {value}, wie bisher."),
    },
    "phone": {
        "en": ("You can call me on {value}.", "My number: {value}."),
        "de": ("Sie erreichen mich unter {value}.", "Meine Nummer: {value}."),
    },
    "card": {
        "en": ("I paid with the card {value}.", "Please refund {value}."),
        "de": ("Bezahlt habe ich mit der Karte {value}.", "Bitte auf {value} erstatten."),
    },
    "iban": {
        "en": ("My bank account is {value}.", "Please transfer the money to {value}."),
        "de": ("Mein Konto ist {value}.", "Bitte überweisen Sie auf {value}."),
    },
    "url": {"en": ("I mean this page: {value}.",), "de": ("Ich meine diese Seite: {value}.",)},
    "name": {
        "en": ("My name is {value}.", "This is {value} writing."),
        "de": ("Mein Name ist {value}.", "Hier schreibt {value}."),
    },
}
BUSINESS_NUMBERS = {
    "en": ("It is about order {value}.", "My order number is {value}.", "Invoice no. {value}."),
    "de": ("Es geht um die Bestellung {value}.", "Meine Bestellnummer ist {value}.", "Rechnung Nr. {value}."),
}
