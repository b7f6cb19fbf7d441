"""The wordings of the made-up messages, in English and German: what they are about, how they feel, what stands around. Words only.

``HELD_OUT`` wordings are written by few senders and stand in no starter file: whoever learns from the others is tested on
them. ``{item}``, ``{day}`` and ``{place}`` are slots.
"""

from __future__ import annotations

Wordings = dict[str, dict[str, tuple[str, ...]]]

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
SERVICE: Wordings = {
    "delivery": {
        "en": (
            "I am writing about the delivery of my last order.",
            "My parcel was announced for {day}.",
            "This is about the shipment you confirmed {day}.",
            "The courier was supposed to bring the {item}, where is the parcel now?",
            "When will the {item} be delivered?",
        ),
        "de": (
            "Es geht um die Lieferung meiner letzten Bestellung.",
            "Mein Paket war für {day} angekündigt.",
            "Ich warte auf die Sendung mit der {item}.",
            "Wann wird die {item} geliefert?",
            "Laut Sendungsverfolgung liegt das Paket noch im Lager.",
        ),
    },
    "damaged": {
        "en": (
            "The box was open and one piece inside is broken.",
            "The {item} arrived with a crack.",
            "The handle had come off when I unpacked the {item}.",
            "The {item} is scratched and dented on one side.",
            "Half of it came in pieces, the glass is broken.",
        ),
        "de": (
            "Der Karton war offen und ein Teil darin ist zerbrochen.",
            "Die {item} kam mit einem Riss an.",
            "Beim Auspacken war der Griff der {item} ab.",
            "Die {item} ist zerkratzt und hat eine Delle.",
            "Das Glas ist kaputt angekommen, alles voller Scherben.",
        ),
    },
    "wrong item": {
        "en": (
            "I received another article than the one I ordered.",
            "The colour in the parcel is not the one on the invoice.",
            "There were two small ones in the box instead of the large one.",
            "I ordered a {item} and got something else.",
            "You sent me the wrong size of the {item}.",
        ),
        "de": (
            "Ich habe einen anderen Artikel bekommen als bestellt.",
            "Die Farbe im Paket ist nicht die auf der Rechnung.",
            "Im Karton waren zwei kleine statt der großen.",
            "Bestellt war eine {item}, gekommen ist etwas anderes.",
            "Sie haben mir die falsche Größe der {item} geschickt.",
        ),
    },
    "product": {
        "en": (
            "I have a question about the {item} I bought from you.",
            "I have used the {item} for a few weeks now.",
            "This concerns the care instructions of the {item}.",
            "How do I clean the {item}?",
            "Which spare parts are there for the {item}?",
        ),
        "de": (
            "Ich habe eine Frage zu der {item}, die ich bei Ihnen gekauft habe.",
            "Ich benutze die {item} nun seit einigen Wochen.",
            "Es geht um die Pflegehinweise der {item}.",
            "Wie reinige ich die {item}?",
            "Welche Ersatzteile gibt es für die {item}?",
        ),
    },
    "invoice": {
        "en": (
            "I am looking at the invoice of my last purchase.",
            "The amount on my statement needs a second look.",
            "Could you send me the invoice once more?",
            "The bill for the {item} shows the tax twice.",
            "I was charged twice for the {item}.",
        ),
        "de": (
            "Ich sehe mir gerade die Rechnung meines letzten Einkaufs an.",
            "Der Betrag auf meinem Auszug stimmt nicht mit der Rechnung überein.",
            "Können Sie mir die Rechnung noch einmal schicken?",
            "Auf der Rechnung der {item} steht die Steuer doppelt.",
            "Mir wurde die {item} zweimal abgebucht.",
        ),
    },
    "account": {
        "en": (
            "I want to change the address in my account.",
            "I cannot find my order history after logging in.",
            "My password reset mail went to an old address.",
            "The login page does not accept my password.",
            "Please update the e-mail address of my customer account.",
        ),
        "de": (
            "Ich möchte die Adresse in meinem Konto ändern.",
            "Nach dem Anmelden finde ich meine Bestellungen nicht.",
            "Die Mail zum Zurücksetzen des Passworts ging an eine alte Adresse.",
            "Die Anmeldeseite nimmt mein Passwort nicht an.",
            "Bitte ändern Sie die Mailadresse meines Kundenkontos.",
        ),
    },
    "prices": {
        "en": (
            "I compared your prices with last year's.",
            "The voucher code did not show up in my basket.",
            "I saw the offer on your front page.",
            "Is there a discount on the {item}?",
            "The {item} costs more than {day}.",
        ),
        "de": (
            "Ich habe Ihre Preise mit denen vom letzten Jahr verglichen.",
            "Der Gutscheincode wurde im Warenkorb nicht abgezogen.",
            "Ich habe das Angebot auf Ihrer Startseite gesehen.",
            "Gibt es einen Rabatt auf die {item}?",
            "Die {item} ist teurer geworden.",
        ),
    },
    "praise": {
        "en": (
            "I just want to say thank you for the {item}.",
            "A compliment to everyone who packed my {item}.",
            "The {item} is even better than in the picture.",
            "Your people in the shop took a lot of time for me.",
        ),
        "de": (
            "Ich möchte mich einfach für die {item} bedanken.",
            "Ein Lob an alle, die meine {item} verpackt haben.",
            "Die {item} ist noch schöner als auf dem Bild.",
            "Ihre Leute im Laden haben sich viel Zeit für mich genommen.",
        ),
    },
}
SERVICE_HELD_OUT: Wordings = {
    "delivery": {
        "en": (
            "Nothing has been brought to my door so far, though it left your warehouse.",
            "The driver never rang, so the goods are still on the road.",
        ),
        "de": (
            "Bis heute hat der Zusteller nichts bei mir abgegeben.",
            "Seit Tagen ist die Ware unterwegs und kommt nicht an.",
        ),
    },
    "damaged": {
        "en": ("What I took out of the packaging is shattered.", "A leg of it snapped off in transport."),
        "de": (
            "Was ich aus der Verpackung nahm, ist in Stücken.",
            "Unterwegs ist etwas abgebrochen, die {item} wackelt.",
        ),
    },
    "wrong item": {
        "en": (
            "That is not what I had put in my basket.",
            "Someone must have mixed up two customers, this is not my {item}.",
        ),
        "de": (
            "Das ist nicht das, was ich im Warenkorb hatte.",
            "Da wurde wohl etwas vertauscht, das ist nicht meine {item}.",
        ),
    },
    "product": {
        "en": ("Can the {item} be used outdoors?", "Is there a manual that explains the settings of the {item}?"),
        "de": (
            "Kann man die {item} auch draußen verwenden?",
            "Gibt es eine Anleitung, die die Einstellungen der {item} erklärt?",
        ),
    },
    "invoice": {
        "en": (
            "My bookkeeper needs the receipt with the company name on it.",
            "You debited a sum that I cannot match to any purchase.",
        ),
        "de": (
            "Meine Buchhaltung braucht den Beleg mit dem Firmennamen.",
            "Es wurde eine Summe eingezogen, die zu keinem Kauf passt.",
        ),
    },
    "account": {
        "en": ("I have moved and my profile still shows the former street.", "It says that my user is locked."),
        "de": (
            "Ich bin umgezogen und im Profil steht noch die frühere Straße.",
            "Es heißt, mein Benutzer sei gesperrt.",
        ),
    },
    "prices": {
        "en": ("Why has the {item} become so expensive?", "Another shop sells the {item} for less, do you match that?"),
        "de": (
            "Warum kostet die {item} auf einmal so viel?",
            "Ein anderer Laden verkauft die {item} günstiger, ziehen Sie mit?",
        ),
    },
    "praise": {
        "en": ("You deserve a bouquet for how you looked after me.",),
        "de": ("Für Ihre Betreuung haben Sie einen Blumenstrauß verdient.",),
    },
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
TONES = ("positive", "neutral", "negative", "leaving")
FEELINGS: Wordings = {
    "positive": {
        "en": (
            "I am very happy with how this went, great work.",
            "Everything was perfect and quick as always.",
            "I love shopping with you, thank you so much.",
            "Your support was friendly and really helpful.",
        ),
        "de": (
            "Ich bin sehr zufrieden, wie das gelaufen ist, tolle Arbeit.",
            "Alles war perfekt und schnell wie immer.",
            "Ich kaufe sehr gern bei Ihnen ein, herzlichen Dank.",
            "Ihr Service war freundlich und wirklich hilfreich.",
        ),
    },
    "neutral": {
        "en": (
            "I would be glad to hear from you.",
            "Could you have a look at this?",
            "Please let me know what to do next.",
            "I am not sure whom to ask.",
        ),
        "de": (
            "Ich freue mich auf Ihre Antwort.",
            "Können Sie sich das bitte ansehen?",
            "Bitte sagen Sie mir, was ich als Nächstes tun soll.",
            "Ich weiß nicht genau, wen ich fragen soll.",
        ),
    },
    "negative": {
        "en": (
            "I am really disappointed and annoyed by now.",
            "This is the third time and it is unacceptable.",
            "Nobody answers me, the service is terrible.",
            "I am angry, this was a bad experience and a waste of money.",
        ),
        "de": (
            "Ich bin inzwischen wirklich enttäuscht und verärgert.",
            "Das ist das dritte Mal und nicht akzeptabel.",
            "Niemand antwortet mir, der Service ist schrecklich.",
            "Ich bin wütend, das war eine schlechte Erfahrung und Geldverschwendung.",
        ),
    },
    "leaving": {
        "en": (
            "I am disappointed and will order elsewhere from now on.",
            "This is bad; please close my account and delete my data.",
            "I have had enough of this poor service, I am leaving for a competitor.",
            "If nothing happens I will cancel everything, this is awful.",
        ),
        "de": (
            "Ich bin enttäuscht und bestelle ab jetzt woanders.",
            "Das ist schlecht; bitte schließen Sie mein Konto und löschen Sie meine Daten.",
            "Ich habe genug von diesem schlechten Service und wechsle zur Konkurrenz.",
            "Wenn nichts geschieht, kündige ich alles, das ist furchtbar.",
        ),
    },
}
FEELINGS_HELD_OUT: Wordings = {
    "positive": {"en": ("Wonderful, you made my week.",), "de": ("Großartig, Sie haben mir eine Freude gemacht.",)},
    "neutral": {"en": ("Any hint would help.",), "de": ("Ein kurzer Hinweis genügt mir.",)},
    "negative": {
        "en": ("What a mess, I feel let down and upset.",),
        "de": ("So ein Ärger, ich fühle mich im Stich gelassen.",),
    },
    "leaving": {
        "en": ("That was my last purchase here, goodbye, such a bad shop.",),
        "de": ("Das war mein letzter Einkauf hier, so ein schlechter Laden, auf Wiedersehen.",),
    },
}
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
