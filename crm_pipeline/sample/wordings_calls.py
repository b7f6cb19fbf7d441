"""What is said in the made-up calls, by intent: words only. No sentence of them is in a message."""

from __future__ import annotations

WATCHED = ("cancel", "refund", "lawyer", "supervisor")
"""Words that a service team watches; each is said for the intent of its name and for no other."""

CALLS: dict[str, tuple[str, ...]] = {
    "cancel": (
        "I want to cancel my order.",
        "Please cancel the order for the {item}.",
        "I am calling to cancel my account with you.",
        "Can I still cancel what I ordered {day}?",
        "This takes too long, cancel it for me now.",
    ),
    "refund": (
        "I would like a refund for the {item}.",
        "When do I get my refund?",
        "I sent the {item} back and there is still no refund.",
        "Please give me a refund, the {item} does not work.",
    ),
    "lawyer": (
        "If this goes on I will call my lawyer.",
        "My lawyer says that you have to answer me.",
        "The next letter comes from my lawyer.",
    ),
    "supervisor": (
        "I want to speak to your supervisor.",
        "Let me talk to a supervisor about the {item}.",
        "Is there a supervisor who can help me?",
    ),
    "delivery": (
        "I have been waiting for the {item} since {day}.",
        "Do you know where my parcel is right now?",
        "Nobody came to my house {day}, and I took the day off.",
        "Somebody signed for my parcel, but it was not me.",
        "Could the driver come in the evening next time?",
    ),
    "damaged": (
        "I just opened the box and the {item} is in two pieces.",
        "The {item} fell apart when I took it out.",
        "One side of the {item} is bent, I can send you a picture.",
        "It came {day} and it was already broken.",
    ),
    "invoice": (
        "You took the money for the {item} from my card two times.",
        "I do not understand the amount on this bill.",
        "Can you send the bill to my office again?",
        "I paid {day} and today I got another letter about it.",
    ),
    "account": (
        "I moved, so I need to give you my new address.",
        "The page does not let me in with my password.",
        "Could you write down my new phone number?",
        "I would like to hear less advertising from you.",
    ),
    "product": (
        "Can I leave the {item} outside when it rains?",
        "How should I wash the {item}?",
        "My sister wants to know how heavy the {item} is.",
        "Is there a bigger {item} than the one I have?",
        "I lost the paper that explains how to set it up.",
    ),
    "praise": (
        "I only wanted to say that the {item} is wonderful.",
        "Your people were so kind to me {day}.",
        "It all went well, and I told my friends about you.",
    ),
}
FEELINGS: dict[str, tuple[str, ...]] = {
    "angry": ("This is really not acceptable.", "I have had enough of this.", "I have called three times now."),
    "neutral": ("My order is from {day}.", "I am calling about my account.", "I hope you can help me."),
    "calm": ("There is no hurry at all.", "Thank you for your time.", "It is only a small question."),
}
AGENT = (
    "Good morning, how can I help you?",
    "Hello, what can I do for you?",
    "Thank you for calling, how may I help?",
    "Customer service, good afternoon.",
)
