"""Tells people that something failed: the words, and their way by webhook or e-mail. When to tell is `defs.alerts`."""

from __future__ import annotations

import http.client
import json
import smtplib
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

from crm_pipeline.settings import Settings

TIMEOUT = 10.0
"""Seconds that a server gets to answer."""

PAUSE = 2.0
"""Seconds before the one retry."""

UNDELIVERED = (OSError, http.client.HTTPException, smtplib.SMTPException, ValueError)


@dataclass(frozen=True)
class Trouble:
    """What a person is told of.

    Attributes
    ----------
    what : str
        The asset or job that failed.
    period : str
        The partition it was for, empty where there is none.
    said : str
        The error, in one sentence.
    run : str
        Address of the run in the UI.
    home : Path
    published : bool
        Whether it was published all the same: a check that warns.
    """

    what: str
    period: str
    said: str
    run: str
    home: Path
    published: bool = False


def message(trouble: Trouble) -> tuple[str, str]:
    """Return subject and text: what failed, of which period, why, where to look, what was kept, what to do."""
    of = f" of {trouble.period}" if trouble.period else ""
    if trouble.published:
        kept = "It was published all the same: the check warns, it does not hold back. What reads it has read it."
        verb = "did not pass its check"
    else:
        kept = "Nothing of the failed step was published: the last good partitions stay, and what was built before is kept."
        verb = "failed"
    again = f"crm-pipeline run --home {trouble.home}{f' --through {trouble.period}' if trouble.period else ''}"
    lines = [
        f"{trouble.what}{of} {verb}.",
        f"Why: {' '.join(trouble.said.split())}",
        f"The run: {trouble.run}",
        f"What was kept: {kept}",
        f"What to do: mend what the sentence names; then press Materialize in the UI, or {again}, which goes on from there.",
        f"What else is wrong: crm-pipeline doctor --home {trouble.home}",
    ]
    return f"crm_pipeline: {trouble.what}{of} {verb}", "\n".join(lines)


def has_target(settings: Settings) -> bool:
    """Tell whether there is anybody to be told."""
    return bool(settings.alert_webhook or settings.alert_email)


def send(settings: Settings, subject: str, text: str) -> list[str]:
    """Send to every target that is set, each tried twice; return a sentence for each that could not be reached.

    A webhook's address is a secret, so the sentences name its host alone.
    """
    ways: dict[str, Callable[[], None]] = {}
    if settings.alert_webhook:
        host = urlsplit(settings.alert_webhook).hostname
        ways[f"the webhook at {host}"] = lambda: _post(settings.alert_webhook, f"{subject}\n{text}")
    if settings.alert_email:
        ways[f"{settings.alert_email} by {settings.smtp_host}"] = lambda: _mail(settings, subject, text)
    failed = []
    for name, way in ways.items():
        error = _tried(way) and _tried(way, after=PAUSE)
        if error:
            failed.append(f"The alert '{subject}' could not be sent to {name}: {error}.")
    return failed


def _tried(way: Callable[[], None], after: float = 0.0) -> str:
    """Return why it failed, empty when it did not."""
    time.sleep(after)
    try:
        way()
    except UNDELIVERED as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _post(url: str, text: str) -> None:
    body = json.dumps({"text": text}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        answer.read()


def _mail(settings: Settings, subject: str, text: str) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = subject, settings.alert_email.split(",")[0], settings.alert_email
    mail.set_content(text)
    host, _, port = settings.smtp_host.partition(":")
    with smtplib.SMTP(host, int(port or 25), timeout=TIMEOUT) as server:
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls()
        server.send_message(mail)
