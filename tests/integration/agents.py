"""Agents as processes: started, killed, stopped and started again on the same folder."""

import json
import os
import pathlib
import random
import signal
import socket
import ssl
import subprocess
import threading

import pika
import yaml

BUILD = pathlib.Path(os.environ.get("PANNIER_BUILD", "build/dev")).resolve()
START_LIMIT_S = 30
STOP_LIMIT_S = 30
GIVEN_PORTS = set()  # an agent binds its ports long after they were found free


def free_port():
    """A port that nobody has now, and no connection gets by itself before an agent listens there.

    Agents with a file cannot ask for any free one.
    """
    with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        first_of_connections = int(file.read().split()[0])
    for _ in range(1_000):
        port = random.randrange(10_240, first_of_connections)
        if port in GIVEN_PORTS:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                GIVEN_PORTS.add(port)
                return port
            except OSError:
                continue
    raise RuntimeError("no port is free below those of connections")


class Agent:
    """One agent; its log lines are kept, and waited for instead of time."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lines = []
        self.process = None
        self._changed = threading.Condition()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def command(self):
        raise NotImplementedError

    def start(self):
        self.lines = []
        self.process = subprocess.Popen(
            self.command(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        threading.Thread(target=self._read, args=[self.process], daemon=True).start()
        self.on_started()

    def on_started(self):
        pass

    def _read(self, process):
        for line in process.stderr:
            with self._changed:
                try:
                    self.lines.append(json.loads(line))
                except ValueError:
                    self.lines.append({"msg": line.rstrip("\n")})
                self._changed.notify_all()

    def wait_for(self, message, **fields):
        """The log line with that message and those fields, now or within the limit."""

        def found():
            for line in self.lines:
                if line["msg"] == message and all(
                    line.get(key) == value for key, value in fields.items()
                ):
                    return line
            return None

        with self._changed:
            ok = self._changed.wait_for(
                lambda: found() or self.process.poll() is not None, START_LIMIT_S
            )
            line = found()
            assert ok and line, f"no '{message}' {fields} in {self.lines}"
            return line

    def kill(self):
        self.process.kill()
        self.process.wait()

    def terminate(self):
        """Its exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_LIMIT_S)

    def restart_after_kill(self):
        self.kill()
        self.start()


class DevAgent(Agent):
    def command(self):
        return [
            BUILD / "pannier-agent",
            "dev",
            *("--data", self.folder / "data"),
            *("--amqp", "127.0.0.1:0"),
            *("--http", "127.0.0.1:0"),
            *("--admin", "127.0.0.1:0"),
        ]

    def on_started(self):
        self.wait_for("listening", listener="amqp")

    def port(self, listener):
        return self.wait_for("listening", listener=listener)["port"]

    def connect(self, **options):
        return pika.BlockingConnection(
            pika.ConnectionParameters("127.0.0.1", self.port("amqp"), **options)
        )


class ConfiguredAgent(Agent):
    """As an operator would run it; `policy` may be changed and written again."""

    def __init__(self, folder):
        super().__init__(folder)
        self.ports = {name: free_port() for name in ("amqps", "https", "peer", "admin")}
        self.policy = {
            "schemaVersion": 1,
            "namespace": "shop",
            "clientTopology": "None",
            "queues": [{"uid": "u1", "generation": 1, "name": "orders"}],
        }
        self.config = {
            "schemaVersion": 1,
            "class": "test",
            "identity": {
                "namespace": "shop",
                "serviceAccount": "checkout",
                "trustDomain": "test.local",
                "podName": "checkout-0",
                "podUid": "6f1c8a52-0d7c-4a8e-9a4e-2b6f3c1d5e70",
            },
            "listeners": {
                "amqps": {"addresses": ["127.0.0.1"], "port": self.ports["amqps"]},
                "https": {"addresses": ["127.0.0.1"], "port": self.ports["https"]},
                "peer": {"enabled": False},
                "admin": {"addresses": ["127.0.0.1"], "port": self.ports["admin"]},
                "control": {"socket": str(self.folder / "control.sock")},
            },
            "folders": {
                "app": str(self.folder / "app"),
                "agent": str(self.folder / "own"),
                "spool": str(self.folder / "spool"),
            },
            "local": {
                "policyFile": str(self.folder / "policy.yaml"),
                "membersFile": str(self.folder / "members.yaml"),
            },
            "spool": {"maxBytes": "1Gi"},
        }

    def write_policy(self):
        draft = self.folder / "policy.new"
        draft.write_text(yaml.safe_dump(self.policy))
        draft.rename(self.folder / "policy.yaml")

    def command(self):
        file = self.folder / "agent.yaml"
        file.write_text(yaml.safe_dump(self.config))
        members = self.folder / "members.yaml"
        if not members.exists():
            members.write_text("schemaVersion: 1\nnamespace: shop\n")
        self.write_policy()
        return [BUILD / "pannier-agent", "--config", file]

    def on_started(self):
        self.wait_for("listening", listener="amqps")

    def of_app(self, name):
        """What a file of PANNIER_DIR says."""
        return (self.folder / "app" / name).read_text()

    def tls(self):
        return ssl.create_default_context(cafile=self.folder / "app" / "ca.crt")

    def connect(self, user=None, password=None):
        """As an app would that knows nothing but PANNIER_DIR."""
        parameters = pika.URLParameters(self.of_app("amqp-url"))
        parameters.ssl_options = pika.SSLOptions(self.tls(), "127.0.0.1")
        if user:
            parameters.credentials = pika.PlainCredentials(user, password)
        return pika.BlockingConnection(parameters)
