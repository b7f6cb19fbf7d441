"""Alerts: what a person is told, and that it arrives: a real HTTP server and a real SMTP server take them here."""

from __future__ import annotations

import email
import email.policy
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from crm_pipeline import alerts
from crm_pipeline.alerts import Trouble, has_target, message, send
from crm_pipeline.defs.alerts import alert_sensors
from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.home.project import Project
from crm_pipeline.settings import Settings, load_settings
from crm_pipeline.sources.state import SourceState

TROUBLE = Trouble(
    "clean/orders", "2026-05-01", "orders.csv line 7\nhas no date.", "http://ui/runs/r1", Path("/srv/home")
)


AGAIN = "crm-pipeline run --home /srv/home --through 2026-05-01"


class Inbox:
    """What arrived, and how many requests are refused first."""

    def __init__(self, refuse: int = 0) -> None:
        self.arrived: list[Any] = []
        self.refuse = refuse
        self.asked = 0


@contextmanager
def webhook(inbox: Inbox) -> Iterator[str]:
    """A server that takes posts of JSON."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            inbox.asked += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if inbox.asked <= inbox.refuse:
                self.send_response(503)
            else:
                inbox.arrived.append((self.headers["Content-Type"], json.loads(body)))
                self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/services/SECRET"
        server.shutdown()


@contextmanager
def mail_server(inbox: Inbox) -> Iterator[str]:
    """A server that speaks as much SMTP as taking a mail needs."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 here")
            to: list[str] = []
            for line in self.rfile:
                word = line.decode().strip()
                if word.upper().startswith("RCPT TO"):
                    to.append(word)
                if word.upper() == "DATA":
                    self.say("354 go on")
                    text = b"".join(iter(self.rfile.readline, b".\r\n"))
                    inbox.arrived.append((to, email.message_from_bytes(text, policy=email.policy.default)))
                self.say("221 bye" if word.upper() == "QUIT" else "250 well")

        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "PAUSE", 0.0)


def test_a_message_tells_what_a_person_needs_to_act() -> None:
    subject, text = message(TROUBLE)
    assert subject == "crm_pipeline: clean/orders of 2026-05-01 failed"
    assert text.splitlines() == [
        "clean/orders of 2026-05-01 failed.",
        "Why: orders.csv line 7 has no date.",
        "The run: http://ui/runs/r1",
        "What was kept: Nothing of the failed step was published: the last good partitions stay, and what was built before is kept.",
        f"What to do: mend what the sentence names; then press Materialize in the UI, or {AGAIN}, which goes on from there.",
        "What else is wrong: crm-pipeline doctor --home /srv/home",
    ]


def test_a_webhook_gets_one_json_text() -> None:
    inbox = Inbox()
    with webhook(inbox) as url:
        assert send(Settings(alert_webhook=url), *message(TROUBLE)) == []
    ((kind, body),) = inbox.arrived
    assert kind == "application/json"
    assert body == {"text": "\n".join(message(TROUBLE))}


def test_a_mail_reaches_all_its_readers_with_umlauts_whole() -> None:
    inbox = Inbox()
    with mail_server(inbox) as host:
        settings = Settings(alert_email="ops@example.com, crm@example.com", smtp_host=host)
        assert send(settings, "crm_pipeline: März failed", "Grüße\nzwei") == []
    ((to, mail),) = inbox.arrived
    assert [word.split("<")[1].split(">")[0] for word in to] == ["ops@example.com", "crm@example.com"]
    assert (mail["Subject"], mail["From"]) == ("crm_pipeline: März failed", "ops@example.com")
    assert mail.get_content().splitlines() == ["Grüße", "zwei"]


@pytest.mark.parametrize(("refuse", "arrive"), [(1, 1), (2, 0)])
def test_a_refused_delivery_is_tried_once_more_and_then_said_without_the_secret(refuse: int, arrive: int) -> None:
    inbox = Inbox(refuse)
    with webhook(inbox) as url:
        failed = send(Settings(alert_webhook=url), "s", "t")
    assert (inbox.asked, len(inbox.arrived)) == (2, arrive)
    assert [("webhook at 127.0.0.1" in f, "503" in f, "SECRET" in f) for f in failed] == [(True, True, False)] * (
        not arrive
    )


def test_one_target_out_of_reach_does_not_keep_the_other_from_being_told() -> None:
    inbox = Inbox()
    with webhook(inbox) as url:
        settings = Settings(alert_webhook=url, alert_email="ops@example.com", smtp_host="127.0.0.1:1")
        (failed,) = send(settings, "s", "t")
    assert len(inbox.arrived) == 1
    assert "ops@example.com by 127.0.0.1:1" in failed


def test_targets_are_settings_and_a_mail_needs_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not has_target(load_settings(tmp_path))
    monkeypatch.setenv("CRM_ALERT_WEBHOOK", "https://hooks.example.com/x")
    assert has_target(load_settings(tmp_path))
    monkeypatch.setenv("CRM_ALERT_WEBHOOK", "hooks.example.com/x")
    with pytest.raises(UsageError, match="alert_webhook"):
        load_settings(tmp_path)
    monkeypatch.delenv("CRM_ALERT_WEBHOOK")
    monkeypatch.setenv("CRM_ALERT_EMAIL", "ops@example.com")
    with pytest.raises(UsageError, match="smtp_host"):
        load_settings(tmp_path)


# -- the sensors -----------------------------------------------------------------------------------


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["2026-05-01"]))
def broken() -> None:
    """Fails as an asset does: with the user's sentence."""
    raise CrmError("orders.csv has no column amount: add it.")


@dg.asset(check_specs=[dg.AssetCheckSpec("drift", asset="doubtful")])
def doubtful() -> dg.MaterializeResult:
    """Goes on, though its check did not pass."""
    verdict = dg.AssetCheckResult(
        check_name="drift", passed=False, severity=dg.AssetCheckSeverity.WARN, metadata={"failures": ["7 % shifted"]}
    )
    return dg.MaterializeResult(check_results=[verdict])


def project(home: Path, **settings: Any) -> Project:
    state = SourceState("test", "UTC", "EUR", {}, "2026-05-01", "2026-05-01", "2026-05-01")
    return Project(home, Settings(**settings), state)


def tell(sensor_name: str, project: Project, asset: dg.AssetsDefinition, **run: Any) -> None:
    """Materialize an asset, and let the sensor look at its run as the daemon would."""
    sensor = next(s for s in alert_sensors(project) if s.name == sensor_name)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([asset], instance=instance, raise_on_error=False, **run)
        record = instance.get_run_by_id(result.run_id)
        assert record is not None
        ended = "RUN_SUCCESS" if result.success else "RUN_FAILURE"
        event = next(e for e in result.all_events if e.event_type_value in (ended, ended.replace("RUN", "PIPELINE")))
        context = dg.build_run_status_sensor_context(sensor_name, event, instance, record)
        sensor(context if result.success else context.for_run_failure())


def test_a_failed_run_is_told_with_its_sentence_and_its_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_DAGSTER_UI", "http://ui:3000")
    inbox = Inbox()
    with webhook(inbox) as url:
        tell("tell_of_failed_runs", project(tmp_path, alert_webhook=url), broken, partition_key="2026-05-01")
    ((_, body),) = inbox.arrived
    assert "broken (job" in body["text"]
    assert "of 2026-05-01 failed" in body["text"]
    assert "Why: orders.csv has no column amount: add it." in body["text"]
    assert "The run: http://ui:3000/runs/" in body["text"]


def test_a_run_that_is_tried_again_is_not_told_yet(tmp_path: Path) -> None:
    inbox = Inbox()
    with webhook(inbox) as url:
        tags = {"dagster/will_retry": "true"}
        tell("tell_of_failed_runs", project(tmp_path, alert_webhook=url), broken, partition_key="2026-05-01", tags=tags)
    assert inbox.arrived == []


def test_a_check_that_did_not_pass_is_told_though_the_run_went_on(tmp_path: Path) -> None:
    inbox = Inbox()
    with webhook(inbox) as url:
        tell("tell_of_failed_checks", project(tmp_path, alert_webhook=url), doubtful)
    ((_, body),) = inbox.arrived
    assert "doubtful did not pass its check" in body["text"]
    assert "its check 'drift' (WARN) did not pass: 7 % shifted." in body["text"]
    assert "published all the same" in body["text"]


def test_a_delivery_that_fails_does_not_break_the_sensor(tmp_path: Path) -> None:
    tell(
        "tell_of_failed_runs",
        project(tmp_path, alert_webhook="http://127.0.0.1:1/x"),
        broken,
        partition_key="2026-05-01",
    )


@pytest.mark.parametrize(("settings", "status"), [({}, "STOPPED"), ({"alert_webhook": "http://h/x"}, "RUNNING")])
def test_the_sensors_are_on_only_where_somebody_is_to_be_told(tmp_path: Path, settings: Any, status: str) -> None:
    assert {s.default_status.value for s in alert_sensors(project(tmp_path, **settings))} == {status}
