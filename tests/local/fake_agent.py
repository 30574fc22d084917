#!/usr/bin/env python3
"""Stands in for pannier-agent in PodRunner's tests: serves its control socket, and writes down what
it was asked. Files beside its agent.yaml steer it: `held` (messages that it says it holds), `phase`,
`deaf` (SIGTERM does nothing), `unready`."""

import os
import re
import signal
import socket
import sys

folder = os.path.dirname(sys.argv[2])
path = re.search(r'socket: "?([^"\n]+)"?', open(sys.argv[2]).read()).group(1)


def has(name):
    return os.path.exists(os.path.join(folder, name))


def read(name, otherwise):
    return open(os.path.join(folder, name)).read().strip() if has(name) else otherwise


def note(what):
    with open(os.path.join(folder, "asked"), "a") as asked:
        asked.write(what + "\n")


def end(number, frame):
    note("SIGTERM")
    if not has("deaf"):
        os._exit(0)


def answer_to(request):
    if request.startswith("GET /readyz"):
        return ("503 Service Unavailable", "no policy yet") if has("unready") else ("200 OK", "ok")
    if request.startswith("POST /drain"):
        note("drain")
        return "202 Accepted", ""
    note("status")
    return "200 OK", '{"phase": "%s", "queues": [{"ready": %s, "unacked": 0, "delayed": 0}]}' % (
        read("phase", "draining"), read("held", "0"))


signal.signal(signal.SIGTERM, end)
note("started " + " ".join(sorted(os.environ)))
if os.path.exists(path):
    os.unlink(path)
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(8)
while True:
    connection, _ = listener.accept()
    with connection:
        request = connection.recv(65536).decode()
        line, body = answer_to(request)
        connection.sendall(("HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (
            line, len(body), body)).encode())
