"""What is made of the sample company's messages: ``python -m benchmarks.worth_of_texts``. Writes its part of docs/results.md.

Made-up messages with a known truth: which intents and feelings are recognised in wordings nobody labelled, what of decoys is
called unknown, what stays of planted personal data, and what the features of texts are worth, the more the texts show.
"""

from __future__ import annotations

from benchmarks.levels import RESULTS
from crm_pipeline.text.labels import UNKNOWN
from crm_pipeline_tests.unit.texts_world import CUSTOMERS, JUDGED, MESSAGES_EACH, read, worths

BEGIN, END = (
    "<!-- made by python -m benchmarks.worth_of_texts -->",
    "<!-- end of what benchmarks.worth_of_texts made -->",
)
MESSAGES = 10_000
SHOWN = {
    "nothing (effect 0)": (0.0, None),
    "a little (0.3)": (0.3, None),
    "much (1)": (1.0, None),
    "all there is (3)": (3.0, None),
    "decoys alone (3)": (3.0, True),
}


def tables() -> str:
    """Return the part of the page."""
    return "\n".join([*_recognised(), "", *_masked(), "", *_worth()])


def _recognised() -> list[str]:
    rows = read(MESSAGES)
    lines = [
        (
            f"{MESSAGES:,} messages; synthetic data. Intent: the share told rightly, one of nine or *unknown*. Sentiment: the share "
            "of negative and of positive messages whose score has that sign."
        ),
        "",
        "| | messages | intent right | called unknown | sentiment right |",
        "|---|---|---|---|---|",
    ]
    for name, decoy, held_out in (
        ("known wordings", False, False),
        ("held-out wordings", False, True),
        ("decoys", True, False),
    ):
        for language, named in (("en", "English"), ("de", "German")):
            own = rows[(rows["decoy"] == decoy) & (rows["held_out"] == held_out) & (rows["language"] == language)]
            felt = own[own["tone"] != "neutral"]
            sign = (felt["score"] > 0) == (felt["tone"] == "positive")
            right = "" if decoy else f"{(own['told'] == own['intent']).mean():.0%}"
            unknown = (own["told"] == UNKNOWN).mean()
            lines.append(f"| {name}, {named} | {len(own):,} | {right} | {unknown:.0%} | {sign.mean():.0%} |")
    return lines


def _masked() -> list[str]:
    rows = read(MESSAGES)
    planted, signed, numbered = (rows[rows[c].notna()] for c in ("personal_value", "signed", "kept_number"))
    stays = [value in body for own, column in ((planted, "personal_value"), (signed, "signed"))
             for value, body in zip(own[column], own["body"], strict=True)]  # fmt: skip
    lost = sum(n not in body for n, body in zip(numbered["kept_number"], numbered["body"], strict=True))
    return [
        (
            f"Of {len(stays):,} planted e-mail addresses, telephone, card and account numbers, web addresses and names "
            f"{1 - sum(stays) / len(stays):.1%} were masked; of {len(numbered):,} order and invoice numbers {lost:,} were."
        )
    ]


def _worth() -> list[str]:
    lines = [
        (
            f"What these are worth as features: by how much the loss is higher without them, in the mean of {len(JUDGED)} cut-offs with "
            f"its 95 % interval; {CUSTOMERS} customers a cut-off, whose satisfaction tells of lapsing, {MESSAGES_EACH} messages each."
        ),
        "",
        "| the texts show | churn, log loss | demand, deviance |",
        "|---|---|---|",
    ]
    for name, (effect, decoys) in SHOWN.items():
        found = worths(effect, decoys)
        said = [f"{w.mean:.4f} ({w.low:.4f} to {w.high:.4f})" for w in (found["churn"], found["demand"])]
        lines.append(f"| {name} | {' | '.join(said)} |")
    return lines


def main() -> None:
    """Measure, print, and write the page."""
    text = tables()
    print(text)
    page = RESULTS.read_text(encoding="utf-8")
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    RESULTS.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
