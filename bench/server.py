"""A server under measurement: one process tree on one core, with a folder of its own."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("PANNIER_BUILD", ROOT / "build" / "release")).resolve()
START_LIMIT_S = 120
STOP_LIMIT_S = 10
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """What the person who runs the benchmark is told."""


def free_port():
    """A port that nobody has now: not every server can ask for any."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def version_of(*command):
    """The first line that it prints."""
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (answer.stdout + answer.stderr).strip().splitlines()
    return lines[0].strip() if lines else "unknown"


def stat_of(pid):
    """The fields of /proc/PID/stat behind the name, which may hold spaces; none if it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def tree_of(leader):
    """Those of the session, which outlives its leader, and all that descend from them."""
    children, tree = {}, []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (stat := stat_of(entry)):
            children.setdefault(int(stat[1]), []).append(int(entry))
            if int(stat[3]) == leader:
                tree.append(int(entry))
    for pid in tree:
        tree += [child for child in children.get(pid, []) if child not in tree]
    return tree


def is_running(pid):
    """What has ended and waits for its parent does not."""
    stat = stat_of(pid)
    return bool(stat) and stat[0] != "Z"


@contextlib.contextmanager
def uninterrupted():
    """No second Ctrl-C keeps us from ending what we started."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def cpu_ticks(pid):
    """All its threads', and what its children that have ended used."""
    stat = stat_of(pid)
    return sum(int(field) for field in stat[11:15]) if stat else 0


def peak_bytes(pid):
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class Server:
    """Started on an empty folder, measured once, and killed: what it stored is not needed again."""

    name = ""
    title = ""
    safety = ""  # what a confirm means
    load = "pannier-load"

    def __init__(self, folder, core):
        self.folder = pathlib.Path(folder)
        self.core = core
        self.processes = []

    # What a peer says of itself.

    def start(self):
        """Until it accepts connections."""
        raise NotImplementedError

    def load_arguments(self, queue):
        """Where the load finds it, and that queue there."""
        raise NotImplementedError

    def version(self):
        raise NotImplementedError

    def unavailable(self):
        """Why it cannot be measured here, or nothing."""
        return None

    # What they share.

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def spawn(self, *command, env=None):
        """On the servers' core; what it says goes to a file of its name in the folder."""
        log = self.folder / f"{pathlib.Path(command[0]).name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["taskset", "-c", str(self.core), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C is for us, who end it
            )
        self.processes.append(process)
        return process, log

    def wait_for(self, log, wanted):
        """What `wanted` makes of the file's text, once it is something."""
        end = time.monotonic() + START_LIMIT_S
        while True:
            has_ended = any(process.poll() is not None for process in self.processes)
            text = log.read_text(errors="replace") if log.exists() else ""
            if found := wanted(text):
                return found
            if has_ended or time.monotonic() > end:
                said = "\n".join(text.splitlines()[-15:])
                raise BenchError(f"{self.title} does not start; {log} says:\n{said}")
            time.sleep(0.05)

    def cpu_seconds(self):
        return sum(map(cpu_ticks, self.pids())) / TICKS_A_SECOND

    def peak_bytes(self):
        return sum(map(peak_bytes, self.pids()))

    def pids(self):
        return [pid for process in self.processes for pid in tree_of(process.pid)]

    def stop(self):
        """Everything it started is killed, by id, and its folder goes."""
        with uninterrupted():
            tree = self.pids()
            for pid in tree:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for process in self.processes:
                process.wait(STOP_LIMIT_S)
            end = time.monotonic() + STOP_LIMIT_S
            while any(map(is_running, tree)) and time.monotonic() < end:
                time.sleep(0.01)
            self.processes = []
            shutil.rmtree(self.folder, ignore_errors=True)
