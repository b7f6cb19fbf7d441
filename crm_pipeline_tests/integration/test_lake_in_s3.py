"""Rules 4 and 5 of a lake in an object store, against a local server of S3's protocol: runs, kills and two writers at once."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from crm_pipeline.engine import DuckDBEngine
from crm_pipeline.errors import CrmError
from crm_pipeline.lake import Lake, Manifest, collect_garbage, inspect_lake
from crm_pipeline.lake.storage import Conflict, ObjectStorage, Text
from crm_pipeline_tests.integration import killing, world

pytestmark = [
    pytest.mark.slow,
    *(
        pytest.mark.skipif(
            importlib.util.find_spec(name) is None, reason=f"no local S3 server: {name} is not installed"
        )
        for name in ("boto3", "moto", "flask")
    ),
]
BUCKET, ASSET, PERIOD = "company", "clean/orders", "2024-03-01"
KEYS = {"AWS_ACCESS_KEY_ID": "reader", "AWS_SECRET_ACCESS_KEY": "of-nothing", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server with one bucket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; from moto.server import main; main(sys.argv[1:])", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 60
        while True:
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
        address = f"http://127.0.0.1:{port}"
        with pytest.MonkeyPatch.context() as patched:
            for name, value in KEYS.items():
                patched.setenv(name, value)
            import boto3

            boto3.client("s3", endpoint_url=address).create_bucket(Bucket=BUCKET)
            yield address
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def opened(server: str, tmp_path: Path) -> Any:
    """Open the lake of one home or another in one folder of the bucket."""
    from crm_pipeline.lake.storage.s3 import S3

    def opened(name: str = "home") -> Lake:
        home = tmp_path / name
        store = S3(f"s3://{BUCKET}/{tmp_path.name}", {"endpoint_url": server})
        return Lake(home, DuckDBEngine("200MB", 1, home / "spill"), storage=ObjectStorage(store, home / "lake"))

    return opened


def publish(lake: Lake, values: list[int]) -> Manifest:
    rows = lake.stage(pd.DataFrame({"amount": values}))
    return lake.publish(ASSET, PERIOD, [rows], inputs={}, code_version="v")


def amounts(lake: Lake) -> list[int]:
    return sorted(lake.table(ASSET, [PERIOD]).amount.execute())


def test_the_store_keeps_conditions_and_says_what_is_not_there(opened: Any) -> None:
    store = opened().storage.store
    assert (store.get("m"), store.listed("d"), store.download("d/x", Path("unused"))) == (None, {}, False)
    store.put("m", b"one", None)
    seen = store.get("m")
    assert seen.text == "one"
    store.put("m", b"two", seen)
    for stale in (None, seen, Text("", '"nobody"')):
        with pytest.raises(Conflict):
            store.put("m", b"three", stale)
    with pytest.raises(Conflict):
        store.delete("m", seen)
    store.delete("m", store.get("m"))
    store.delete("m", store.get("m"))
    with pytest.raises(Conflict):
        store.put("m", b"three", seen)
    assert store.get("m") is None


def test_a_store_that_cannot_be_reached_is_one_sentence(server: str, tmp_path: Path) -> None:
    from crm_pipeline.lake.storage.s3 import S3

    with pytest.raises(CrmError, match=r"s3://nobodys/x/.manifests/a.json cannot be used .*NoSuchBucket.*AWS_"):
        S3("s3://nobodys/x", {"endpoint_url": server}).get(".manifests/a.json")
    with pytest.raises(CrmError, match=r"cannot be used .*profile.* could not be found"):
        S3("s3://nobodys/x", {"profile_name": "nobody"})


def test_two_writers_of_a_partition_lose_nothing(opened: Any) -> None:
    """Each publishes ten times from a home of its own, at the same time; every content is a generation."""
    writer = (
        "import sys, pandas as pd; from pathlib import Path; from crm_pipeline.engine import DuckDBEngine; "
        "from crm_pipeline.lake import Lake; from crm_pipeline.lake.storage import ObjectStorage; "
        "from crm_pipeline.lake.storage.s3 import S3; home, url, address, first = sys.argv[1:]; "
        "store = S3(address, {'endpoint_url': url}); "
        "lake = Lake(Path(home), DuckDBEngine('200MB', 1, Path(home, 'spill')), "
        "storage=ObjectStorage(store, Path(home, 'lake'))); "
        "[lake.publish('clean/orders', '2024-03-01', [lake.stage(pd.DataFrame({'amount': [int(first) + i]}))], inputs={}, "
        "code_version='v') for i in range(10)]"
    )
    lake = opened()
    store = lake.storage.store
    both = [
        subprocess.Popen([sys.executable, "-c", writer, str(lake.home / name), url(store), store.place, first])
        for name, first in (("a", "100"), ("b", "200"))
    ]
    assert [process.wait(120) for process in both] == [0, 0]
    kept = lake.history(ASSET, PERIOD)
    assert [m.generation for m in kept] == list(range(1, 21))
    assert {lake.read([m]).amount.execute()[0] for m in kept} == {*range(100, 110), *range(200, 210)}
    assert inspect_lake(lake).missing == inspect_lake(lake).lost_past == {}


def url(store: Any) -> str:
    return store._client.meta.endpoint_url


def test_a_kill_between_data_and_manifest_leaves_the_old_content(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(opened(), [1])
    lake = opened()

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(lake.storage.store, "put", killed)
        with pytest.raises(KeyboardInterrupt):
            publish(lake, [1, 2])
    again = opened("another")
    assert (amounts(again), len(again.storage.names(".data"))) == ([1], 2)
    assert collect_garbage(again, keep_days=400) == 0, "a writer could still be about to name it"
    with monkeypatch.context() as patched:
        patched.setattr(ObjectStorage, "collectable", lambda *_: True)
        assert collect_garbage(again, keep_days=400) == 1
    assert (publish(again, [1, 2]).generation, amounts(opened())) == (2, [1, 2])


def command(source: Path, home: Path) -> list[Any]:
    return ["run", "--source", source, "--home", home, "--periods", 1, "--through", "2024-03"]


def test_a_run_a_rerun_a_lost_home_and_a_killed_run(server: str, tmp_path: Path) -> None:
    source = world.write_tiny(tmp_path / "source", customers=40)
    local = world.new_home(tmp_path / "local", world.TINY)
    world.crm(*command(source, local))
    settings = {**world.TINY, "lake": f"s3://{BUCKET}/{tmp_path.name}/run", "lake_options": {"endpoint_url": server}}
    home = world.new_home(tmp_path / "home", settings)

    point = [sys.executable, killing.__file__, "between history and manifest", "1"]  # data are there then
    killed = subprocess.run([*point, *map(str, command(source, home))], env=world.environment(), capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    world.crm(*command(source, home))
    assert world.differing(hashes(home), world.hashes(local), world.PUBLISHED) == []
    assert not any((home / "lake" / name).exists() for name in ("raw", "clean", ".history"))
    assert world.plan(source, home, "--periods", 1, "--through", "2024-03") == []
    made = {key: m.published_at for key, m in lake_of(home).index().items()}
    world.crm(*command(source, home))
    assert {key: m.published_at for key, m in lake_of(home).index().items()} == made
    world.crm("doctor", "--home", home)
    world.crm("scores", "--home", home, "--to", tmp_path / "scores.csv")

    shutil.rmtree(home)  # the disk is lost: what was published is all there
    home = world.new_home(home, settings)
    world.crm(*command(source, home))
    now = {key: m.published_at for key, m in lake_of(home).index().items()}
    again = {asset for asset, _ in now if not asset.startswith(("models/", "champions/", *world.PUBLISHED))}
    assert {k: at for k, at in now.items() if k[0] in again} == {k: at for k, at in made.items() if k[0] in again}


def lake_of(home: Path) -> Lake:
    from crm_pipeline.home.project import open_lake
    from crm_pipeline.settings import load_settings

    return open_lake(home, load_settings(home))


def hashes(home: Path) -> dict[world.Key, str]:
    return {key: manifest.content_hash for key, manifest in lake_of(home).index().items()}


def test_a_store_without_conditional_deletions_deletes(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import ClientError

    store = opened().storage.store
    store.put("m", b"one", None)
    delete = store._client.delete_object

    def without_conditions(**given: Any) -> Any:
        if "IfMatch" in given:
            raise ClientError({"Error": {"Code": "NotImplemented", "Message": ""}}, "DeleteObject")
        return delete(**given)

    monkeypatch.setattr(store._client, "delete_object", without_conditions)
    store.delete("m", store.get("m"))
    assert store.get("m") is None
