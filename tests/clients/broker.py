"""What the clients talk to: an agent with TLS as an operator runs it, or RabbitMQ.

PANNIER_CLIENTS_AGAINST=rabbitmq plays the same tests on a RabbitMQ: what they ask for is what
RabbitMQ does. Both give a client nothing but a folder as PANNIER_DIR has it.
"""

import os
import pathlib
import ssl
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path += [str(ROOT / "bench"), str(ROOT / "tests" / "integration")]

from agents import ConfiguredAgent, free_port  # noqa: E402
from peer_rabbitmq import RabbitMq  # noqa: E402


class Folder:
    """PANNIER_DIR, as an app reads it."""

    def of_app(self, name):
        return (self.folder / "app" / name).read_text()

    def tls(self):
        return ssl.create_default_context(cafile=self.folder / "app" / "ca.crt")

    def environment(self):
        return {**os.environ, "PANNIER_DIR": str(self.folder / "app")}


class AgentBroker(Folder, ConfiguredAgent):
    """One agent; its apps may declare what they need."""

    def __init__(self, folder):
        super().__init__(folder)
        self.policy["clientTopology"] = "Local"
        self.port = self.ports["amqps"]


class RabbitMqBroker(Folder, RabbitMq):
    """A RabbitMQ of its own that can be killed and started again."""

    name = "clients-rabbitmq"

    def __init__(self, folder):
        super().__init__(folder, 0)
        self.starts = 0

    def start(self):
        tls_port = free_port()
        app = self.folder / "app"
        app.mkdir()
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
            + ["-nodes", "-days", "2", "-subj", "/CN=localhost"]
            + ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
            + ["-keyout", str(self.folder / "tls.key"), "-out", str(app / "ca.crt")],
            check=True,
            capture_output=True,
        )
        for name, text in {
            "username": "guest",
            "password": "guest",
            "amqp-url": f"amqps://guest:guest@127.0.0.1:{tls_port}/%2F",
        }.items():
            (app / name).write_text(text)
        self.settings = (
            f"listeners.ssl.1 = 127.0.0.1:{tls_port}\n"
            f"ssl_options.certfile = {app / 'ca.crt'}\n"
            f"ssl_options.keyfile = {self.folder / 'tls.key'}\n"
        )
        super().start()
        self.port = tls_port

    def spawn(self, *command, env=None):
        super().spawn(*command, env=env)
        self.node = (command, env)  # epmd is spawned before it

    def wait_for(self, log, is_ready):
        self.starts += 1
        super().wait_for(log, lambda text: text.count("Server startup complete") == self.starts)

    def kill(self):
        process = self.processes.pop()
        os.killpg(process.pid, 9)
        process.wait()

    def restart_after_kill(self):
        self.kill()
        command, env = self.node
        self.spawn(*command, env=env)
        self.wait_for(self.folder / "logs" / "node.log", None)


def make(folder):
    is_rabbitmq = os.environ.get("PANNIER_CLIENTS_AGAINST") == "rabbitmq"
    return RabbitMqBroker(folder) if is_rabbitmq else AgentBroker(folder)
