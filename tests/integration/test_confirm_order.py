"""A confirm leaves after the sync that covers it: seen from outside, in the agent's system calls."""

import http.client
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pika
import pytest

from agents import DevAgent

ACK_BYTES = 21  # one frame with basic.ack
MESSAGES = 200
CALL = re.compile(r"^(?P<pid>\d+) +(?:<\.\.\. )?(?P<name>\w+)(?P<rest>.*)$")


class TracedAgent(DevAgent):
    """A dev agent under strace, which notes what matters."""

    def command(self):
        trace = ["strace", "-f", "-qq", "-s", "64", "-e", "trace=fdatasync,recvfrom,sendmsg"]
        return [*trace, "-o", self.folder / "trace", *super().command()]

    def terminate(self):
        strace = self.process.pid
        children = pathlib.Path(f"/proc/{strace}/task/{strace}/children").read_text()
        for child in children.split():
            os.kill(int(child), signal.SIGTERM)
        return self.process.wait(30)


def can_trace():
    if not shutil.which("strace"):
        return False
    return subprocess.run(["strace", "-o", "/dev/null", "true"], check=False).returncode == 0


@pytest.mark.skipif(not can_trace(), reason="strace is not here, or not allowed")
def test_every_confirm_comes_after_a_sync_that_began_after_its_publish(tmp_path):
    with TracedAgent(tmp_path / "traced") as agent:
        channel = agent.connect().channel()
        channel.queue_declare("orders", durable=True)
        channel.confirm_delivery()
        for number in range(MESSAGES):
            channel.basic_publish(
                "", "orders", b"%d" % number * 100, pika.BasicProperties(delivery_mode=2)
            )
        agent.terminate()
        confirms = check((agent.folder / "trace").read_text())
    assert confirms == MESSAGES


@pytest.mark.skipif(not can_trace(), reason="strace is not here, or not allowed")
def test_every_201_comes_after_a_sync_that_began_after_its_publish(tmp_path):
    with TracedAgent(tmp_path / "traced") as agent:
        connection = http.client.HTTPConnection("127.0.0.1", agent.port("http"), timeout=30)
        for number in range(MESSAGES):
            connection.request("POST", "/orders", b"%d" % number * 100)
            response = connection.getresponse()
            assert response.status == 201, response.read()
            response.read()
        agent.terminate()
        trace = (agent.folder / "trace").read_text()
    assert check(trace, begins="POST /orders", confirms_with="HTTP/1.1 201") == MESSAGES


def check(trace, begins="\\0<\\0(", confirms_with=f"= {ACK_BYTES}\n"):
    """How many confirms there were; each after a sync. One message is on its way at a time.

    A publish begins with basic.publish (class 60, method 40), a confirm is one frame's size.
    """
    confirms = 0
    syncing = {}  # by thread: whether a publish had been read when the sync began
    unsynced = False  # a publish has been read since
    for line in trace.splitlines():
        call = CALL.match(line)
        if not call:
            continue
        pid, name, rest = call.group("pid", "name", "rest")
        if name == "fdatasync":
            if "unfinished" in rest:
                syncing[pid] = unsynced
                continue
            covers = syncing.pop(pid, unsynced) if "resumed" in rest else unsynced
            assert rest.rstrip().endswith("= 0"), line
            unsynced = unsynced and not covers
        elif name == "recvfrom" and "basic" not in rest and "= -1" not in rest:
            unsynced = unsynced or begins in rest
        elif name == "sendmsg" and confirms_with in rest + "\n":
            assert not unsynced, f"a confirm before its sync: {line}"
            confirms += 1
    return confirms


def test_the_check_sees_a_confirm_that_comes_too_early():
    publish = '7 recvfrom(16, "\\1\\0\\1\\0\\0\\0\\17\\0<\\0(\\0"..., 262144, 0, NULL, NULL) = 154\n'
    confirm = '7 sendmsg(16, {msg_name=NULL}, MSG_NOSIGNAL) = 21\n'
    synced = "8 fdatasync(13) = 0\n"
    assert check(publish + synced + confirm) == 1
    with pytest.raises(AssertionError):
        check(publish + confirm)
    with pytest.raises(AssertionError):  # it began before the publish was read
        begun = "8 fdatasync(13 <unfinished ...>\n"
        check(begun + publish + "8 <... fdatasync resumed>) = 0\n" + confirm)
