"""What a scored customer is said to be: the limits of risk, value and activity, and the action that follows. No scores are made here."""

from __future__ import annotations

from typing import NamedTuple

HIGH, MEDIUM = 2 / 3, 1 / 3
"""Probability of lapse from which the risk is high, and medium."""

LIKELY_ACTIVE = 0.5
"""Probability of being still active from which a customer is to be saved, not won back; and the least by which spend is divided to
give that of an active customer, so that nobody is worth more than twice what is expected of them."""

VALUED = 0.7
"""Percent rank of the value at risk among the scored from which a customer is worth a person's time."""

OPTED_OUT = "do not contact (opted out)"
NO_CONSENT = "do not contact (no consent)"
CONTROL = "leave alone (control group)"
SETTLE = "settle the open case first"
CALL = "call"
OFFER = "personal offer"
WIN_BACK = "win-back mail"
REMIND = "reminder mail"
LEAVE = "leave alone"

CONTACTING = (CALL, OFFER, WIN_BACK, REMIND)
"""Actions that need consent to marketing."""

NOT_TO_ACT = ("leave alone", "do not contact")
"""How actions begin that ask for no contact."""


class Rule(NamedTuple):
    """An action, and who gets it whom no rule before names."""

    action: str
    who: str


_TOP, _HIGH, _MEDIUM = f"the top {1 - VALUED:.0%} by `value_at_risk`", f"{HIGH:.0%}", f"{MEDIUM:.0%}"

RULES = (
    Rule(OPTED_OUT, "opted out, with a date"),
    Rule(CONTROL, "drawn into a control arm in the last year"),
    Rule(SETTLE, "has an open case"),
    Rule(CALL, f"risk of {_HIGH} or more, among {_TOP} of the scored"),
    Rule(OFFER, f"risk of {_MEDIUM} or more, among {_TOP}"),
    Rule(WIN_BACK, f"risk of {_MEDIUM} or more, and likely gone: `still_active` below {LIKELY_ACTIVE:.0%}"),
    Rule(REMIND, f"risk of {_HIGH} or more, and still likely active, or nothing is known of it"),
    Rule(LEAVE, "everybody else"),
)
"""In order: the first that holds gives the action."""


def rules_markdown() -> str:
    """Return the rules as Markdown."""
    lines = ["The rule of `recommended_action`: of these, the first that holds. Whoever is not scored has none; where consent to", 
             f"marketing is missing as last read, `{', '.join(CONTACTING)}` become `{NO_CONSENT}` in the command's", 
             "and the report's reading.", "", "| `recommended_action` | who |", "|---|---|"]  # fmt: skip
    return "\n".join([*lines, *(f"| {rule.action} | {rule.who} |" for rule in RULES), ""])
