"""What is said in the made-up calls, by intent: words only. Other intents say what the messages say, see `wordings`."""

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
