"""Agents that pull from each other, over mutual TLS."""

import ssl
import threading

import pika
import pytest

from namespaces import Namespace

PERSISTENT = pika.BasicProperties(delivery_mode=2)
LIMIT_S = 60


@pytest.fixture
def pair(tmp_path):
    with Namespace(tmp_path, ["producer", "consumer"]) as namespace:
        yield namespace


def publish(agent, bodies, queue="orders"):
    connection = agent.connect()
    channel = connection.channel()
    channel.confirm_delivery()
    for body in bodies:
        channel.basic_publish("", queue, body, PERSISTENT)
    connection.close()


def receive(agent, count, queue="orders", ack=True):
    """So many bodies with their redelivered flags, in the order in which they came."""
    connection = agent.connect()
    channel = connection.channel()
    channel.basic_qos(prefetch_count=100)
    got = []
    for method, _, body in channel.consume(queue, inactivity_timeout=LIMIT_S):
        assert method is not None, f"only {len(got)} of {count} came"
        if ack:
            channel.basic_ack(method.delivery_tag)
        got.append((body, method.redelivered))
        if len(got) == count:
            break
    connection.close()
    return got


def numbered(count):
    return [b"%d" % number for number in range(count)]


def test_a_consumer_gets_what_was_published_beside_another_pod(pair):
    publish(pair["producer"], numbered(1_000))
    got = receive(pair["consumer"], 1_000)
    assert [body for body, _ in got] == numbered(1_000), "in order"
    assert not any(redelivered for _, redelivered in got)


def test_what_was_not_acknowledged_stays_the_origins(pair):
    publish(pair["producer"], numbered(10))
    assert len(receive(pair["consumer"], 10, ack=False)) == 10
    got = receive(pair["producer"], 10)
    assert sorted(body for body, _ in got) == numbered(10)
    assert all(redelivered for _, redelivered in got)


def test_nothing_is_lost_when_the_origin_is_killed_on_the_way(pair):
    publish(pair["producer"], numbered(2_000))
    got = {}
    half = threading.Event()

    def consume():
        connection = pair["consumer"].connect()
        channel = connection.channel()
        channel.basic_qos(prefetch_count=50)
        for method, _, body in channel.consume("orders", inactivity_timeout=LIMIT_S):
            assert method is not None
            channel.basic_ack(method.delivery_tag)
            assert body not in got or method.redelivered, "a second delivery says so"
            got[body] = True
            if len(got) == 500:
                half.set()
            if len(got) == 2_000:
                break
        connection.close()

    consumer = threading.Thread(target=consume, daemon=True)
    consumer.start()
    assert half.wait(LIMIT_S)
    pair["producer"].restart_after_kill()
    consumer.join(LIMIT_S)
    assert sorted(got, key=int) == numbered(2_000)


def test_nothing_is_lost_when_the_puller_is_killed_on_the_way(pair):
    publish(pair["producer"], numbered(200))
    assert len(receive(pair["consumer"], 100, ack=False)) == 100
    pair["consumer"].restart_after_kill()
    got = {body for body, _ in receive(pair["consumer"], 200)}
    assert got == set(numbered(200))


def test_a_large_message_crosses_a_link_whole(pair):
    large = bytes(range(256)) * 20_000
    publish(pair["producer"], [large, b"small"])
    assert [body for body, _ in receive(pair["consumer"], 2)] == [large, b"small"]


def test_local_messages_come_first(pair):
    publish(pair["producer"], [b"remote"])
    publish(pair["consumer"], [b"local"])
    assert [body for body, _ in receive(pair["consumer"], 2)] == [b"local", b"remote"]


def test_a_get_asks_the_links_too(pair):
    publish(pair["producer"], [b"far away"])
    channel = pair["consumer"].connect().channel()
    for _ in range(100):  # the first ones may come before there is a link
        method, _, body = channel.basic_get("orders", auto_ack=True)
        if method:
            break
    assert body == b"far away"


def test_the_port_for_agents_takes_no_password(pair):
    producer = pair["producer"]
    context = producer.tls()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(pair["consumer"].folder / "tls.crt", pair["consumer"].folder / "tls.key")
    parameters = pika.ConnectionParameters(
        "127.0.0.1",
        producer.ports["peer"],
        credentials=pika.PlainCredentials("app", producer.of_app("password")),
        ssl_options=pika.SSLOptions(context),
    )
    with pytest.raises(pika.exceptions.AMQPError):
        pika.BlockingConnection(parameters)


def test_a_stranger_with_a_certificate_of_another_authority_gets_nothing(tmp_path, pair):
    with Namespace(tmp_path / "others", ["stranger"]) as others:
        stranger = others["stranger"]
        stranger.members = pair["consumer"].members
        stranger.write_members()
        publish(pair["producer"], [b"secret"])
        channel = stranger.connect().channel()
        for _ in range(20):
            assert channel.basic_get("orders", auto_ack=True)[0] is None
    assert [body for body, _ in receive(pair["consumer"], 1)] == [b"secret"]
