"""Pannier's own agent, as `pannier-agent dev` runs it."""

import json

from server import BUILD, Server, version_of


class Pannier(Server):
    name = "pannier"
    title = "Pannier"
    safety = "fdatasync of its spool"

    def start(self):
        _, log = self.spawn(
            BUILD / "pannier-agent",
            "dev",
            *("--data", self.folder / "data"),
            *("--amqp", "127.0.0.1:0"),
            *("--http", "127.0.0.1:0"),
            *("--admin", "127.0.0.1:0"),
        )
        self.port = self.wait_for(log, port_in)

    def load_arguments(self, queue):
        return ["--port", self.port, "--queue-prefix", queue]

    def version(self):
        return version_of(BUILD / "pannier-agent", "--version")


def port_in(text):
    for line in text.splitlines():
        if '"amqp"' not in line:
            continue
        try:
            said = json.loads(line)
        except ValueError:
            continue  # not written to its end yet
        if said["msg"] == "listening" and said["listener"] == "amqp":
            return said["port"]
    return None
