"""What people do to the folder of `pannier-operator local DIR`, and what others may not do."""

import os
import shutil
import signal
import socket
import ssl
import stat

import pika
import pika.exceptions
import pytest

from agents import BUILD
from test_local_operator import (  # noqa: F401
    LocalOperator,
    connect,
    is_alive,
    operator,
    pod,
    publish,
    queue,
    queues_of,
    ready,
    take,
    wait_until,
)

PORTS = (5671, 8443, 7671, 9471)


def two_pods(of):
    of.apply("queue.yaml", queue())
    of.apply("one.yaml", pod("one"))
    of.apply("two.yaml", pod("two"))
    pods = of.ready_pod("one"), of.ready_pod("two")
    ready(of)
    return pods


def problem(of, text):
    return wait_until(
        f"a problem with {text}",
        lambda: [
            line
            for line in of.said().splitlines()
            if line.startswith("problem: ") and text in line
        ],
    )[0]


def test_an_emptied_manifest_takes_nothing_along(operator):  # noqa: F811
    operator.apply("queue.yaml", queue())
    operator.apply("one.yaml", pod("one"))
    one = operator.ready_pod("one")
    ready(operator)
    publish(one, b"precious")
    for name in ("queue.yaml", "one.yaml"):
        (operator.folder / name).write_text("")
        assert "delete the file" in problem(operator, f"{name}: is empty")
    operator.apply("more.yaml", queue("more"))  # looks go on meanwhile
    ready(operator, "more")
    assert operator.pod("one").agent_pid == one.agent_pid
    (operator.folder / "queue.yaml").write_text(queue(paused=True))
    wait_until("it is read again", lambda: queues_of(one)["orders"]["paused"])
    (operator.folder / "queue.yaml").write_text(queue())
    wait_until("it is read again", lambda: not queues_of(one)["orders"]["paused"])
    assert take(one, 1) == [b"precious"]


def test_what_editors_leave_is_no_manifest(operator):  # noqa: F811
    folder = operator.folder
    operator.apply("queue.yaml", queue())
    wait_until("it is there", lambda: operator.object("MessageQueue", "orders"))
    uid = operator.object("MessageQueue", "orders")["metadata"]["uid"]
    os.rename(folder / "queue.yaml", folder / "queue.yaml~")  # vim
    (folder / "queue.yaml").write_text(queue(paused=True))
    (folder / ".queue.yaml.swp").write_bytes(b"b0VIM 9\0")
    os.symlink("somebody@host.1:2", folder / ".#queue.yaml")  # emacs
    (folder / "#queue.yaml#").write_text("kind: [")

    def changed():
        return operator.object("MessageQueue", "orders")["spec"].get("paused")

    wait_until("the edit", changed)
    assert operator.object("MessageQueue", "orders")["metadata"]["uid"] == uid
    assert "problem" not in operator.said()


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + queue("odd").encode(),
        b"apiVersion: pannier.dev/v1alpha1\r\nkind: MessageQueue\r\n"
        b"metadata: {name: odd, namespace: shop}\r\nspec: {}\r\n",
    ],
    ids=["byte order mark", "Windows line ends"],
)
def test_files_of_other_systems_are_read(operator, text):  # noqa: F811
    (operator.folder / "odd.yaml").write_bytes(text)
    wait_until("it is there", lambda: operator.object("MessageQueue", "odd"))


def test_a_paused_queue_is_handed_over_when_its_pod_goes(operator):  # noqa: F811
    one, two = two_pods(operator)
    publish(one, b"1", b"2")
    operator.apply("queue.yaml", queue(paused=True))
    for each in (one, two):
        wait_until("paused", lambda each=each: queues_of(each)["orders"]["paused"])
    (operator.folder / "one.yaml").unlink()
    wait_until("it is gone", lambda: operator.pod("one") is None)
    assert queues_of(two)["orders"]["ready"] == 2
    operator.apply("queue.yaml", queue())
    wait_until("not paused", lambda: not queues_of(two)["orders"]["paused"])
    assert take(two, 2) == [b"1", b"2"]


def test_nobody_else_gets_in(operator):  # noqa: F811
    one, two = two_pods(operator)
    user, password = ((two.app_folder / name).read_text() for name in ("username", "password"))
    with pytest.raises(pika.exceptions.AMQPError):
        connect(one, user, password)
    for port in PORTS:  # nothing speaks without TLS
        plain = socket.create_connection((one.address, port), timeout=10)
        plain.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        try:
            answer = plain.recv(64)
        except ConnectionError:
            pass
        assert not answer.startswith((b"HTTP", b"AMQP")), port
    trusting = ssl._create_unverified_context()
    with pytest.raises((ssl.SSLError, ConnectionError)):  # a peer that has no certificate
        peer = trusting.wrap_socket(socket.create_connection((one.address, 7671), timeout=10))
        peer.sendall(b"AMQP\0\0\x09\1")
        assert peer.recv(64) == b"", "it was answered"
        raise ConnectionError("closed")


def test_secrets_stay_in_their_files(operator):  # noqa: F811
    pods = two_pods(operator)
    state = operator.folder / ".pannier"
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    secrets = [each.app_folder.joinpath("password").read_bytes() for each in pods]
    told = [operator.output.read_bytes(), (state / "operator.log").read_bytes()]
    for each in pods:
        told += [file.read_bytes() for file in each.place.glob("logs/*")]
        for pid in (each.agent_pid, each.pid("app")):
            told += [open(f"/proc/{pid}/{name}", "rb").read() for name in ("cmdline", "environ")]
        for file in (each.place / "tls.key", each.place / "agent" / "app-password"):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not [secret for secret in secrets for text in told if secret in text]
    keys = [file for file in state.rglob("*") if file.is_file() and b"PRIVATE KEY" in file.read_bytes()]
    assert {stat.S_IMODE(file.stat().st_mode) for file in keys} == {0o600}


def test_an_agent_that_stands_still_is_named_and_holds_nobody_up(operator):  # noqa: F811
    one, two = two_pods(operator)
    os.kill(two.agent_pid, signal.SIGSTOP)
    try:
        agents = operator.control("get", "agents", "-A", "--timeout", "1s")["agents"]
        assert {each["pod"]: each["answers"] for each in agents} == {"one": True, "two": False}
        shown = operator.control("-n", "shop", "get", "queues", "--timeout", "1s")["queues"][0]
        assert not shown["isComplete"]
        publish(one, b"goes on")
        assert take(one, 1) == [b"goes on"]
    finally:
        os.kill(two.agent_pid, signal.SIGCONT)


def test_an_operator_whose_state_was_removed_ends_and_says_so(operator):  # noqa: F811
    operator.apply("one.yaml", pod("one"))
    one = operator.ready_pod("one")
    shutil.rmtree(operator.folder / ".pannier")
    try:
        assert operator.process.wait(60) == 1
        assert "has been removed or replaced while this operator ran" in operator.said()
        assert is_alive(one.agent_pid)
    finally:
        for pid in (one.agent_pid, one.pid("app")):
            os.kill(pid, signal.SIGKILL)


def test_a_path_that_is_too_long_for_sockets_is_refused_at_once(tmp_path):
    folder = tmp_path / ("x" * 90)
    folder.mkdir()
    operator = LocalOperator(BUILD, folder)
    operator.start()
    assert operator.process.wait(60) == 78
    assert "too long" in operator.said()
