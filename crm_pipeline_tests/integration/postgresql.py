"""A PostgreSQL server of the tests' own, from the system's package, on a free port of this machine. No tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

USER, PASSWORD = "crm", "pass/wo:rd@%20"
"""With all that an address would take for something else."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int

    def url(self, database: str, password: str = PASSWORD) -> str:
        """The setting database_url of a database."""
        return f"postgresql://{USER}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def rows(self, database: str, sql: str) -> list[Any]:
        """What a query finds."""
        import psycopg2

        given = {"host": "127.0.0.1", "port": self.port, "user": USER, "password": PASSWORD, "dbname": database}
        connection = psycopg2.connect(**given)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def make(self, database: str) -> str:
        """Make an empty database; return its address."""
        self.rows("postgres", f"CREATE DATABASE {database}")
        return self.url(database)


@contextmanager
def running_server() -> Iterator[Server]:
    """Start a server with an empty cluster, and end it with all that it wrote.

    It refuses to run as root, and a folder of pytest's is closed to other users: its own lies beside them.
    """
    programs, user = _programs(), _user()
    folder = Path(tempfile.mkdtemp(prefix="crm_postgresql_"))
    secret, log, data = folder / "password", folder / "log", folder / "data"
    secret.write_text(PASSWORD)
    if user:
        for path in (folder, secret):
            shutil.chown(path, user, user)
    as_user: dict[str, Any] = {"user": user, "group": user, "extra_groups": []} if user else {}
    process = None
    try:
        making = [programs / "initdb", "-D", data, "-U", USER, f"--pwfile={secret}", "--auth=scram-sha-256"]
        making += ["--no-sync", "--no-locale", "--encoding=UTF8"]
        subprocess.run(making, check=True, capture_output=True, cwd=folder, **as_user)
        server = Server(_free_port())
        settings = {"port": server.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": folder}
        settings |= {"fsync": "off", "full_page_writes": "off"}
        serving = [programs / "postgres", "-D", data, *(f"--{name}={value}" for name, value in settings.items())]
        with log.open("wb") as out:
            process = subprocess.Popen(serving, stdout=out, stderr=out, cwd=folder, **as_user)
        _wait(server, process, log)
        yield server
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)  # its "fast shutdown": it does not wait for who is connected
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg2

    end = time.monotonic() + 60
    while True:
        try:
            server.rows("postgres", "SELECT 1")
        except psycopg2.OperationalError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        else:
            return


def _programs() -> Path:
    """Where the server's programs are; Debian puts them on nobody's path."""
    on_path = shutil.which("initdb")
    found = [Path(on_path)] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("no PostgreSQL server is installed: `make postgres` installs it where it may")
    return found[-1].parent


def _user() -> str | None:
    """As whom the server must run: None as who runs the tests."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
