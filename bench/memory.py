#!/usr/bin/python3
"""`./dev memory`: the peak memory of one agent while it fills, drains, and after a SIGKILL.

Each shape holds a million messages of 1 KiB, or a hundred thousand that are not acknowledged. Peaks are
VmHWM, set back before each phase. Exit code 0 only if every phase stays below its limit.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

import pika

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "integration"))
from agents import BUILD, DevAgent  # noqa: E402

MIB = 1 << 20
PEAK_LIMIT_MIB = 64
IDLE_LIMIT_MIB = 12
SET_BACK_PEAK = "5"  # proc(5), clear_refs


class Measured:
    """An agent of a shape, and the peaks of its phases."""

    def __init__(self, shape, folder):
        self.shape = shape
        self.agent = DevAgent(folder / shape)
        self.rows = []

    def __enter__(self):
        self.agent.start()
        return self

    def __exit__(self, *_):
        self.agent.__exit__()

    def _proc(self, name):
        return pathlib.Path("/proc", str(self.agent.process.pid), name)

    def _status(self, field):
        found = re.search(rf"{field}:\s+(\d+) kB", self._proc("status").read_text())
        return int(found[1]) * 1024 / MIB

    def phase(self, name, work=None, limit=PEAK_LIMIT_MIB, field="VmHWM"):
        if work:
            self._proc("clear_refs").write_text(SET_BACK_PEAK)
            work()
        value = self._status(field)
        self.rows.append((value, limit))
        verdict = "ok" if value < limit else "NO"
        print(f"{self.shape:<28} {name:<22} {value:6.1f} MiB  of {limit}  {verdict}", flush=True)

    def load(self, mode, messages, queues=1):
        subprocess.run(
            [
                BUILD / "pannier-load",
                *("--port", str(self.agent.port("amqp"))),
                *("--mode", mode),
                *("--messages", str(messages)),
                *("--queues", str(queues)),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def is_good(self):
        return all(value < limit for value, limit in self.rows)


def idle(folder):
    with Measured("idle", folder) as measured:
        measured.phase("once it is ready", limit=IDLE_LIMIT_MIB, field="VmRSS")
        return measured.is_good()


def filled(folder, messages, queues):
    name = f"{messages:,} in {queues:,} queue{'s' if queues > 1 else ''}"
    with Measured(name, folder) as measured:
        measured.phase("filling", lambda: measured.load("publish", messages, queues))
        measured.agent.restart_after_kill()
        measured.phase("after SIGKILL, ready")
        measured.phase("draining", lambda: measured.load("consume", messages, queues))
        return measured.is_good()


def unacknowledged(folder, messages):
    """On three channels: one holds at most 65,535."""
    with Measured(f"{messages:,} unacknowledged", folder) as measured:
        measured.phase("filling", lambda: measured.load("publish", messages))
        measured.phase("all delivered", lambda: hold(measured.agent, messages))
        measured.agent.restart_after_kill()
        measured.phase("after SIGKILL, ready")
        measured.phase("draining", lambda: measured.load("consume", messages))
        return measured.is_good()


def hold(agent, messages):
    """Takes them all, acknowledges none, and goes."""
    connection = pika.BlockingConnection(
        pika.ConnectionParameters("127.0.0.1", agent.port("amqp"), heartbeat=0)
    )
    share = messages // 3 + 1
    count = 0

    def on_message(channel, *_):
        nonlocal count
        count += 1
        if count == messages:
            channel.stop_consuming()

    for _ in range(3):
        channel = connection.channel()
        channel.basic_qos(prefetch_count=share)
        channel.basic_consume("load-0", on_message)
    while count < messages:
        connection.process_data_events(time_limit=10)
    connection.close()


def main():
    parser = argparse.ArgumentParser(prog="./dev memory", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--unacknowledged", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pannier-memory-") as name:
        folder = pathlib.Path(name)
        good = [
            idle(folder),
            filled(folder, arguments.messages, 1),
            filled(folder, arguments.messages, 1_000),
            unacknowledged(folder, arguments.unacknowledged),
        ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
