"""NATS JetStream with file storage, as it comes and with a sync after each message.

Debian's server is older than `sync_interval: always`; where there is Go, a newer one is built, and
then both kinds run on that one.
"""

import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys

from server import BUILD, ROOT, BenchError, Server, version_of

LOAD = BUILD / "nats-load"
VERSION = "v2.12.15"
TOOLS = ROOT / "build" / "bench-tools" / f"nats-{VERSION}"
SYNC_SINCE = (2, 10)
GO_SINCE = (1, 21)  # earlier ones cannot fetch the Go that the server asks for


def numbers_in(text):
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


@functools.cache
def program():
    """PANNIER_NATS_SERVER, the one built here, or Debian's; none if there is none."""
    chosen = os.environ.get("PANNIER_NATS_SERVER")
    if chosen:
        return pathlib.Path(chosen)
    if (built := TOOLS / "nats-server").exists() or build_it():
        return built
    debian = shutil.which("nats-server", path=f"{os.environ['PATH']}:/usr/sbin")
    return pathlib.Path(debian) if debian else None


def build_it():
    go = shutil.which("go")
    if not go or numbers_in(version_of(go, "version")) < GO_SINCE:
        return False
    print(f"bench: building nats-server {VERSION}", file=sys.stderr, flush=True)
    module = f"github.com/nats-io/nats-server/v2@{VERSION}"
    done = subprocess.run(
        [go, "install", module], env={**os.environ, "GOBIN": str(TOOLS)}, check=False
    )
    return done.returncode == 0


class Nats(Server):
    name = "nats"
    title = "JetStream"
    safety = "written; synced every two minutes, not before the ack"
    load = "nats-load"
    settings = ""

    def start(self):
        config = self.folder / "nats.conf"
        config.write_text(
            'listen: "127.0.0.1:-1"\n'
            "jetstream {\n"
            f'  store_dir: "{self.folder / "data"}"\n'
            "  max_file_store: 100G\n"
            f"{self.settings}"
            "}\n"
        )
        _, log = self.spawn(program(), "-c", config, env={"GOMAXPROCS": "1"})
        self.wait_for(log, lambda text: "Server is ready" in text)
        found = re.search(r"Listening for client connections on (\S+)", log.read_text())
        if not found:
            raise BenchError(f"{self.title} does not say where it listens: {log}")
        self.url = f"nats://{found[1]}"

    def load_arguments(self, queue):
        return ["--url", self.url, "--stream", queue]

    def version(self):
        return version_of(program(), "--version")

    def unavailable(self):
        if not program():
            return "nats-server is not installed"
        if not LOAD.exists():
            return "nats-load was not built: libnats-dev was not found"
        return None


class NatsAlways(Nats):
    name = "nats-always"
    title = "JetStream, sync always"
    safety = "fsync of each message"
    settings = "  sync_interval: always\n"

    def unavailable(self):
        why = super().unavailable()
        if not why and numbers_in(version_of(program(), "--version")) < SYNC_SINCE:
            why = (
                f"{program()} is older than 2.10 and cannot sync each message; install Go 1.21 or "
                "later, or name a server in PANNIER_NATS_SERVER"
            )
        return why
