"""An agent's admin API as its users meet it: over the control socket, or TLS."""

import http.client
import json
import socket
import ssl
import subprocess

from agents import BUILD

LIMIT_S = 20


class SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=LIMIT_S)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(LIMIT_S)
        self.sock.connect(str(self._path))


def over_tls(agent, certificate=None):
    """To the admin listener, with a client certificate and its key, or without."""
    context = ssl.create_default_context(cafile=agent.config["local"]["caFile"])
    context.check_hostname = False  # it names a pod, not a host
    if certificate:
        context.load_cert_chain(*certificate)
    return http.client.HTTPSConnection(
        "127.0.0.1", agent.ports["admin"], timeout=LIMIT_S, context=context
    )


def ask(connection, method, path, headers=None):
    """Status and body."""
    connection.request(method, path, headers=headers or {})
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body


def control(agent, method, path):
    return ask(SocketConnection(agent.folder / "control.sock"), method, path)


def status_of(agent):
    status, body = control(agent, "GET", "/v1/status")
    assert status == 200, body
    return json.loads(body)


def drain(*arguments):
    return subprocess.run(
        [BUILD / "pannier-agent", "drain", *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
