"""An agent with a policy: TLS, credentials, access, and changes while it runs."""

import socket
import ssl
import subprocess

import pika
import pytest

from agents import ConfiguredAgent
from namespaces import Namespace

PERSISTENT = pika.BasicProperties(delivery_mode=2)


def test_an_app_needs_nothing_but_its_folder(configured_agent):
    channel = configured_agent.connect().channel()
    channel.confirm_delivery()
    channel.basic_publish("", "orders", b"over TLS", PERSISTENT)
    _, _, body = channel.basic_get("orders", auto_ack=True)
    assert body == b"over TLS"


def test_an_app_that_runs_on_can_use_its_files_after_a_crash(configured_agent):
    files = {name: configured_agent.of_app(name) for name in ("ca.crt", "password", "amqp-url")}
    channel = configured_agent.connect().channel()
    channel.confirm_delivery()
    channel.basic_publish("", "orders", b"kept", PERSISTENT)
    configured_agent.restart_after_kill()
    assert files == {name: configured_agent.of_app(name) for name in files}
    _, _, body = configured_agent.connect().channel().basic_get("orders", auto_ack=True)
    assert body == b"kept"


def test_an_agent_whose_port_is_taken_says_so_and_ends(configured_agent, tmp_path):
    second = ConfiguredAgent(tmp_path / "second")
    second.config["listeners"]["amqps"]["port"] = configured_agent.ports["amqps"]
    result = subprocess.run(
        second.command(), capture_output=True, text=True, timeout=30, check=False
    )
    assert result.returncode == 78
    assert f"cannot listen on 127.0.0.1 port {configured_agent.ports['amqps']}" in result.stderr


def test_an_agent_that_does_not_know_its_address_says_what_to_name(tmp_path):
    with Namespace(tmp_path / "made", ["alone"], starts=False) as namespace:
        agent = namespace["alone"]
        agent.config["listeners"]["peer"]["addresses"] = []
        result = subprocess.run(
            agent.command(), capture_output=True, text=True, timeout=30, check=False
        )
    assert result.returncode == 78
    assert "listeners.peer.addresses" in result.stderr


def test_offers_nothing_in_plaintext(configured_agent):
    with socket.create_connection(("127.0.0.1", configured_agent.ports["amqps"]), 20) as peer:
        peer.sendall(b"AMQP\x00\x00\x09\x01")
        answer = b""
        while piece := peer.recv(4_096):
            answer += piece
    assert b"AMQP" not in answer


def test_shows_a_certificate_of_the_pods_own_ca_only(configured_agent):
    with socket.create_connection(("127.0.0.1", configured_agent.ports["amqps"]), 20) as raw:
        with pytest.raises(ssl.SSLCertVerificationError):
            ssl.create_default_context().wrap_socket(raw, server_hostname="127.0.0.1")


@pytest.mark.parametrize("user,password", [("app", "wrong"), ("guest", "guest"), ("nobody", "x")])
def test_lets_nobody_else_in(configured_agent, user, password):
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        configured_agent.connect(user, password)


def test_a_client_cannot_declare_where_the_policy_says_so(configured_agent):
    channel = configured_agent.connect().channel()
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as closed:
        channel.queue_declare("mine", durable=True)
    assert closed.value.reply_code == 403


def test_a_declare_of_a_governed_queue_succeeds_and_changes_nothing(configured_agent):
    channel = configured_agent.connect().channel()
    channel.queue_declare("orders", durable=False, arguments={"x-max-length": 1})
    channel.confirm_delivery()
    for _ in range(3):
        channel.basic_publish("", "orders", b"x", PERSISTENT)
    assert channel.queue_declare("orders", passive=True).method.message_count == 3


def test_a_new_policy_takes_effect_on_open_connections(configured_agent):
    connection = configured_agent.connect()
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish("", "orders", b"allowed", PERSISTENT)
    configured_agent.policy["queues"][0].update(generation=2, access=[])
    configured_agent.write_policy()
    configured_agent.wait_for("a policy is applied")
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as closed:
        channel.basic_publish("", "orders", b"refused", PERSISTENT)
    assert closed.value.reply_code == 403
    assert connection.is_open


def test_a_policy_that_cannot_be_read_changes_nothing(configured_agent):
    (configured_agent.folder / "policy.yaml").write_text("queues: [")
    configured_agent.wait_for("the policy cannot be used; the last one still counts")
    channel = configured_agent.connect().channel()
    channel.confirm_delivery()
    channel.basic_publish("", "orders", b"x", PERSISTENT)


def test_a_queue_that_is_no_longer_named_is_parked_not_lost(configured_agent):
    channel = configured_agent.connect().channel()
    channel.confirm_delivery()
    channel.basic_publish("", "orders", b"kept", PERSISTENT)
    queues = configured_agent.policy["queues"]
    configured_agent.policy["queues"] = []
    configured_agent.write_policy()
    configured_agent.wait_for("a policy is applied", queues=0)
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as closed:
        channel.basic_publish("", "orders", b"refused", PERSISTENT)
    assert closed.value.reply_code == 403, "never confirmed and dropped"
    configured_agent.policy["queues"] = queues
    configured_agent.write_policy()
    configured_agent.wait_for("a policy is applied", queues=1)
    _, _, body = configured_agent.connect().channel().basic_get("orders", auto_ack=True)
    assert body == b"kept"
