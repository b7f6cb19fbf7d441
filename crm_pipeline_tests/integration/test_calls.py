"""From a voice to the call queue, by the real command: spoken calls, some of them broken, a labelled set of other voices."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crm_pipeline.audio.synthesis import Delivery, EspeakNg, Speech, write_wav
from crm_pipeline_tests.integration import world
from crm_pipeline_tests.integration.conftest import Built

PERIOD, MONTHS = "2024-04", ("2024-01", "2024-02", "2024-03", "2024-04")
MOODS = {"angry": (75, 90, 200, 150), "calm": (35, 25, 140, 75)}  # pitch, expression, rate, volume
LEARNED, CALLERS = ("en-us+m1", "en-us+f1", "en-gb+m2", "en-gb+f4"), ("en-us+m3", "en-us+f2", "en-gb+f3")
SAID = {
    "angry": "I want to cancel. Cancel my contract today.",
    "calm": "How should I wash the lamp? Thank you very much.",
}
BAD = {"empty": b"", "text": b"these are my notes", "cut": b"RIFF\0\0"}


def spoken(path: Path, mood: str, voice: str, text: str) -> None:
    """Write a call of two channels, the agent silent on the first."""
    pitch, expression, rate, volume = MOODS[mood]
    said = EspeakNg().say(text, Delivery(voice, pitch=pitch, expression=expression, rate=rate, volume=volume))
    noise = np.random.default_rng(1).normal(0, 20, (len(said.samples), 2))
    noise[:, 1] += said.samples
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(Speech(noise.clip(-32768, 32767).astype(np.int16), said.rate), path)


def rows(path: Path, header: str, given: list[tuple[Any, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header.split(","), *given])


def write(folder: Path) -> Path:
    """A shop of 40 customers, 20 calm callers and an angry one, and calls whose recordings are broken, missing or elsewhere."""
    orders = [(f"{m}-{c}", f"c{c}", f"{m}-{1 + c % 27:02d}", 10 + c) for m in MONTHS for c in range(40)]
    rows(folder / "orders.csv", "order_id,customer_id,ordered_at,amount", orders)
    calls = [(f"calm{n}", f"c{n}", f"{PERIOD}-{1 + n:02d}T10:00", f"calls/calm{n % 3}.wav") for n in range(20)]
    calls += [
        ("angry", "c30", f"{PERIOD}-09T10:00", "calls/angry.wav"),
        ("gone", "c31", f"{PERIOD}-09T11:00", "calls/gone.wav"),
    ]
    calls += [(name, "c32", f"{PERIOD}-10T10:00", f"calls/{name}.wav") for name in BAD]
    calls += [("outside", "c33", f"{PERIOD}-10T11:00", "../secret.wav")]
    rows(folder / "calls.csv", "call_id,customer_id,started_at,audio_path", calls)
    for n, voice in enumerate(CALLERS):
        spoken(folder / "calls" / f"calm{n}.wav", "calm", voice, SAID["calm"])
    spoken(folder / "calls" / "angry.wav", "angry", "en-us-nyc+m7", SAID["angry"])
    spoken(folder.parent / "secret.wav", "calm", CALLERS[0], SAID["calm"])
    for name, content in BAD.items():
        (folder / "calls" / f"{name}.wav").write_bytes(content)
    labelled = [(f"{m}{n}{t}.wav", m, v) for m in MOODS for n, v in enumerate(LEARNED) for t in range(2)]
    for n, (name, mood, voice) in enumerate(labelled):
        text = (
            "Where is my parcel, I would like to know.",
            "I have a question about my last invoice.",
            "Please tell me more.",
        )[n % 3]
        spoken(folder / "training" / name, mood, voice, text)
    rows(folder / "training" / "emotions.csv", "path,emotion,speaker", labelled)
    (folder / "source.yaml").write_text(
        "name: spoken\ntimezone: Europe/London\ncurrency: GBP\ntables:\n  orders: {files: orders.csv}\n  calls: {files: calls.csv}\n"
        "labels: {emotion: training/emotions.csv}\n",
        encoding="utf-8",
    )
    return folder


@pytest.fixture(scope="module")
def shop(folder: Path) -> Built:
    source = write(folder / "spoken" / "source")
    home = world.new_home(folder / "spoken" / "home", world.TINY)
    done = world.crm("run", "--source", source, "--home", home, "--through", PERIOD)
    assert "Traceback" not in done.stdout + done.stderr
    return Built(source, home, PERIOD, world.hashes(home), done.stdout)


def test_who_is_angry_and_cancels_needs_a_person_first(shop: Built) -> None:
    queue = world.lake_of(shop.home).table("plans/service", [f"{PERIOD}-01"]).execute().set_index("call_id")
    assert queue["rank"]["angry"] == 1, queue[["rank", "priority", "emotion", "watched", "reason"]]
    calm = queue.loc[[f"calm{n}" for n in range(20)]]
    assert calm["priority"].max() < queue["priority"]["angry"] - 0.1
    assert (queue["emotion"]["angry"], queue["watched"]["angry"]) == ("angry", "cancel")


def test_broken_recordings_refuse_their_call_and_nothing_is_lost(shop: Built) -> None:
    lake, period = world.lake_of(shop.home), [f"{PERIOD}-01"]
    rejects, clean = lake.table("rejects/calls", period).execute(), lake.table("clean/calls", period).execute()
    assert len(rejects) == len(BAD) + 1
    assert len(clean) == 22
    assert rejects["reasons"].str.contains("recording|audio_path").all()
    heard = lake.table("audio/calls", period).execute()
    assert set(heard["call_id"]) == set(clean["call_id"]) - {"gone"}
    assert set(heard["speaker"]) == {"agent", "caller"}


@pytest.mark.slow
def test_a_replaced_recording_makes_what_follows_from_it_anew_and_equals_a_fresh_home(
    shop: Built, folder: Path
) -> None:
    spoken(shop.source / "calls" / "calm1.wav", "angry", CALLERS[1], SAID["angry"])
    planned = {(step["asset"], step["partition"]) for step in world.plan(shop.source, shop.home, "--through", PERIOD)}
    assert ("audio/calls", f"{PERIOD}-01") in planned
    assert not {period for asset, period in planned if asset == "audio/calls"} - {f"{PERIOD}-01"}
    world.crm("run", "--source", shop.source, "--home", shop.home, "--through", PERIOD)
    fresh = world.new_home(folder / "spoken" / "fresh", world.TINY)
    world.crm("run", "--source", shop.source, "--home", fresh, "--through", PERIOD)
    assert not world.differing(world.hashes(shop.home), world.hashes(fresh), world.PUBLISHED)
