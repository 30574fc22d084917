"""`pannier-operator local DIR` as a process, and what DIR/.pannier tells of what it runs."""

import json
import os
import pathlib
import subprocess
import time

LOOK_S = 0.05


class GaveUp(Exception):
    """What was waited for has not come, and what there was instead."""


def wait_until(what, condition, limit_s=60):
    """The first true value of condition()."""
    until = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise GaveUp(f"waited {limit_s} s for this, and it has not come: {what}")
        time.sleep(LOOK_S)


def is_alive(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


class LocalOperator:
    """One folder of manifests and its operator. The programs are in `build`."""

    def __init__(self, build, folder, *flags):
        self.build = pathlib.Path(build).resolve()
        self.folder = pathlib.Path(folder)
        self.flags = flags
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        self.down()

    def start(self):
        self.process = subprocess.Popen(
            [self.build / "pannier-operator", "local", self.folder, *self.flags],
            stdout=self.output.open("ab"),
            stderr=subprocess.STDOUT,
        )

    @property
    def output(self):
        """What it says to people."""
        return self.folder.parent / f"{self.folder.name}.out"

    def said(self):
        return self.output.read_text()

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def terminate(self):
        self.process.terminate()
        return self.process.wait(timeout=30)

    def down(self):
        """Ends every pod."""
        return subprocess.run(
            [self.build / "pannier-operator", "local", self.folder, "--down"],
            capture_output=True,
            text=True,
            timeout=120,
        )

    def apply(self, name, text):
        """As an editor that writes beside it and renames."""
        draft = self.folder / f".{name}.new"
        draft.write_text(text)
        os.rename(draft, self.folder / name)

    def object(self, kind, name, namespace="shop"):
        """As the operator keeps it; none while there is none."""
        file = self.folder / ".pannier" / "objects" / kind / namespace / f"{name}.json"
        try:
            return json.loads(file.read_text())
        except OSError:
            return None

    def pod(self, name, namespace="shop"):
        kept = self.object("Pod", name, namespace)
        return Pod(self.folder, kept) if kept else None

    def ready_pod(self, name, namespace="shop", limit_s=60):
        def ready():
            pod = self.pod(name, namespace)
            return pod if pod and pod.is_ready() else None

        return wait_until(f"pod {name} is ready", ready, limit_s)

    def condition(self, queue, kind="Ready", namespace="shop"):
        """(status, reason) of a condition of a MessageQueue."""
        kept = self.object("MessageQueue", queue, namespace) or {}
        for each in kept.get("status", {}).get("conditions", []):
            if each["type"] == kind:
                return each["status"], each["reason"]
        return None

    def is_true(self, queue, kind="Ready", namespace="shop"):
        """The condition, if it is true."""
        condition = self.condition(queue, kind, namespace)
        return condition if condition and condition[0] == "True" else None

    def control(self, *arguments):
        """pannierctl, over this folder: its JSON."""
        done = subprocess.run(
            [self.build / "pannierctl", "--local", self.folder, *arguments, "-o", "json"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode != 0:
            raise GaveUp(f"pannierctl {' '.join(arguments)}: {done.stderr.strip()}")
        return json.loads(done.stdout)


class Pod:
    """A pod as it was kept at one moment."""

    def __init__(self, folder, kept):
        self.kept = kept
        self.uid = kept["metadata"]["uid"]
        self.place = folder / ".pannier" / "pods" / self.uid
        self.app_folder = self.place / "app"
        self.address = self.status.get("podIP", "")

    @property
    def status(self):
        return self.kept.get("status", {})

    def is_ready(self):
        return any(
            each["type"] == "Ready" and each["status"] == "True"
            for each in self.status.get("conditions", [])
        )

    def containers(self):
        statuses = self.status
        return {
            each["name"]: each
            for each in statuses.get("initContainerStatuses", [])
            + statuses.get("containerStatuses", [])
        }

    def pid(self, container):
        return self.containers().get(container, {}).get("pid", 0)

    @property
    def agent_pid(self):
        return self.pid("pannier-agent")

    def log(self, container):
        try:
            return (self.place / "logs" / f"{container}.log").read_text()
        except OSError:
            return ""

    def events(self, container="app"):
        """The JSON lines that an app has written, those that are whole."""
        for line in self.log(container).split("\n")[:-1]:
            if line.startswith("{"):
                yield json.loads(line)
