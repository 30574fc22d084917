"""`pannier-agent dev` as a developer meets it."""

import socket
import subprocess

import pika
import pytest

from agents import BUILD

PERSISTENT = pika.BasicProperties(delivery_mode=2)


def drain(channel, queue, count):
    """So many bodies, acknowledged, with their redelivered flags."""
    got = []
    for method, _, body in channel.consume(queue, inactivity_timeout=20):
        assert method is not None, f"only {len(got)} of {count} came"
        channel.basic_ack(method.delivery_tag)
        got.append((body, method.redelivered))
        if len(got) == count:
            channel.cancel()
            return got


def test_carries_messages_of_every_size(dev_agent):
    channel = dev_agent.connect().channel()
    channel.queue_declare("sizes", durable=True)
    channel.confirm_delivery()
    bodies = [bytes([n % 251]) * n for n in (0, 1, 4_096, 131_072, 262_144, 262_145, 5_000_000)]
    for body in bodies:
        channel.basic_publish("", "sizes", body, PERSISTENT)
    assert [body for body, _ in drain(channel, "sizes", len(bodies))] == bodies


def test_keeps_what_it_confirmed_through_a_kill(dev_agent):
    channel = dev_agent.connect().channel()
    channel.queue_declare("orders", durable=True)
    channel.queue_bind("orders", "amq.topic", "order.*")
    channel.confirm_delivery()
    for number in range(300):
        channel.basic_publish("amq.topic", "order.new", str(number).encode(), PERSISTENT)
    dev_agent.restart_after_kill()
    got = drain(dev_agent.connect().channel(), "orders", 300)
    assert [body for body, _ in got] == [str(number).encode() for number in range(300)]


def test_flags_what_was_delivered_before_a_kill(dev_agent):
    channel = dev_agent.connect().channel()
    channel.queue_declare("orders", durable=True)
    channel.confirm_delivery()
    for number in range(10):
        channel.basic_publish("", "orders", str(number).encode(), PERSISTENT)
    method, _, _ = channel.basic_get("orders")
    assert not method.redelivered
    dev_agent.restart_after_kill()
    channel = dev_agent.connect().channel()
    got = drain(channel, "orders", 10)
    assert [body for body, _ in got] == [str(number).encode() for number in range(10)]
    assert got[0][1], "it may have been delivered before"


def test_ends_cleanly_when_asked_to(dev_agent):
    connection = dev_agent.connect()
    channel = connection.channel()
    channel.queue_declare("orders", durable=True)
    channel.confirm_delivery()
    channel.basic_publish("", "orders", b"kept", PERSISTENT)
    assert dev_agent.terminate() == 0
    dev_agent.start()
    assert dev_agent.wait_for("the spool is open")["clean"] is True
    assert drain(dev_agent.connect().channel(), "orders", 1) == [(b"kept", False)]


def test_refuses_a_wrong_password(dev_agent):
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        dev_agent.connect(credentials=pika.PlainCredentials("guest", "wrong"))


def test_says_which_port_is_taken(dev_agent, tmp_path):
    second = subprocess.run(
        [BUILD / "pannier-agent", "dev", "--data", tmp_path / "second"]
        + ["--amqp", f"127.0.0.1:{dev_agent.port('amqp')}"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 78
    assert f"cannot listen on 127.0.0.1 port {dev_agent.port('amqp')}" in second.stderr


def test_one_folder_has_one_agent(dev_agent):
    second = subprocess.run(
        [*dev_agent.command()], capture_output=True, text=True, timeout=30, check=False
    )
    assert second.returncode != 0
    assert "cannot start" in second.stderr


@pytest.mark.parametrize("address", ["0.0.0.0:5672", "[::]:5672"])
def test_refuses_plaintext_beyond_loopback(tmp_path, address):
    result = subprocess.run(
        [BUILD / "pannier-agent", "dev", "--data", tmp_path, "--amqp", address],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 78
    assert "beyond this machine" in result.stderr


def test_survives_nonsense_on_its_port(dev_agent):
    for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"AMQP\x00\x00\x09\x01" * 9):
        with socket.create_connection(("127.0.0.1", dev_agent.port("amqp")), 20) as peer:
            peer.sendall(nonsense)
            peer.shutdown(socket.SHUT_WR)
            while peer.recv(65_536):
                pass
    dev_agent.connect().channel().queue_declare("still here")
