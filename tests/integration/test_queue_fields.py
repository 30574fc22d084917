"""Fields of a MessageQueue that change while messages are in the queue, under a local operator."""

import pika
import pika.exceptions
import pytest

from test_local_operator import (  # noqa: F401
    PERSISTENT,
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

MISSING = ("True", "DeadLetterTargetMissing")


class Shop:
    """A queue, one pod, and a channel of its app, which stay while manifests change."""

    def __init__(self, of, **spec):
        self.operator = of
        self.generation = 1
        of.apply("orders.yaml", queue("orders", **spec))
        of.apply("one.yaml", pod("one"))
        self.one = of.ready_pod("one")
        ready(of)
        self.connection = connect(self.one)
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()

    def change(self, **spec):
        """The agent has it when this returns."""
        self.generation += 1
        self.operator.apply("orders.yaml", queue("orders", **spec))
        wait_until(
            f"generation {self.generation}",
            lambda: queues_of(self.one)["orders"]["generation"] == self.generation,
        )

    def publish(self, body, exchange="", key="orders", **properties):
        self.channel.basic_publish(
            exchange,
            key,
            body,
            pika.BasicProperties(delivery_mode=2, **properties),
            mandatory=True,
        )

    def get(self, of="orders"):
        method, properties, body = self.channel.basic_get(of)
        if method is None:
            return None, None, None
        return method.delivery_tag, properties, body

    def take(self, of="orders"):
        tag, properties, body = self.get(of)
        if tag is not None:
            self.channel.basic_ack(tag)
        return properties, body

    def ready(self, of="orders"):
        return queues_of(self.one)[of]["ready"]

    def end(self):
        self.connection.close()
        now = self.operator.pod("one")
        assert now.agent_pid == self.one.agent_pid and is_alive(now.agent_pid)


def reason_of(properties):
    return properties.headers["x-first-death-reason"]


def test_dead_letters_times_and_limits_change_under_the_messages(operator):  # noqa: F811
    shop = Shop(operator, delivery={"priorities": 5})
    shop.publish(b"low")
    shop.publish(b"high", priority=9)
    shop.publish(b"middle", priority=3)
    assert shop.take()[1] == b"high"

    # Its place is not there yet: it says so, and nothing is lost.
    shop.change(delivery={"deadLetter": {"queue": "dead"}, "backoff": {"initial": "0s"}})
    wait_until("it says so", lambda: operator.condition("orders", "Degraded") == MISSING)
    tag, _, body = shop.get()
    assert body == b"middle"
    shop.channel.basic_reject(tag, requeue=False)
    wait_until("it waits", lambda: shop.ready() == 2)
    assert shop.take()[1] == b"low"
    operator.apply("dead.yaml", queue("dead"))
    wait_until("a dead letter", lambda: queues_of(shop.one).get("dead", {}).get("ready") == 1)
    properties, body = shop.take("dead")
    assert (body, reason_of(properties)) == (b"middle", "rejected")
    wait_until(
        "all is well", lambda: operator.condition("orders", "Degraded") == ("False", "AsExpected")
    )

    # A limit on deliveries that has been reached already.
    delivery = {"deadLetter": {"queue": "dead"}, "backoff": {"initial": "0s"}}
    shop.publish(b"again")
    for _ in range(3):
        tag, _, body = shop.get()
        assert body == b"again"
        shop.channel.basic_reject(tag, requeue=True)
    shop.change(delivery={**delivery, "maxDeliveries": 2})
    tag, _, _ = shop.get()
    shop.channel.basic_reject(tag, requeue=True)
    wait_until("a dead letter", lambda: shop.ready("dead") == 1)
    properties, body = shop.take("dead")
    assert (body, reason_of(properties)) == (b"again", "delivery_limit")

    # A time to live that they have outlived, and a limit that they are over.
    shop.publish(b"old")
    shop.change(delivery={**delivery, "messageTTL": "1ms"})
    wait_until("a dead letter", lambda: shop.ready("dead") == 1)
    assert reason_of(shop.take("dead")[0]) == "expired"
    shop.change(delivery=delivery)
    for body in (b"1", b"2", b"3"):
        shop.publish(body)
    shop.change(delivery=delivery, storage={"maxMessages": 1, "overflow": "DropHead"})
    wait_until("two dead letters", lambda: shop.ready("dead") == 2)
    assert [shop.take("dead")[1] for _ in range(2)] == [b"1", b"2"]
    assert shop.take()[1] == b"3"
    shop.end()


def test_what_waits_for_its_time_is_counted_apart(operator):  # noqa: F811
    shop = Shop(operator, delivery={"backoff": {"initial": "1h", "max": "2h"}})
    shop.publish(b"later", headers={"x-delay": 3_600_000})
    shop.publish(b"failed")
    tag, _, _ = shop.get()
    shop.channel.basic_nack(tag, requeue=True)
    shop.publish(b"now")

    def messages():
        status = operator.object("MessageQueue", "orders")["status"]
        return {name: status["messages"][name] for name in ("ready", "delayed")}

    wait_until("the counts", lambda: messages() == {"ready": 1, "delayed": 2})
    shop.end()


def test_one_consumer_or_all_of_them_as_the_manifest_says(operator):  # noqa: F811
    one_owner = {"forward": {"mode": "Local"}}
    shop = Shop(operator, **one_owner, delivery={"singleActiveConsumer": True})
    got = {"a": [], "b": []}
    for name, bodies in got.items():
        shop.channel.basic_consume(
            "orders",
            lambda _, method, __, body, bodies=bodies: bodies.append((method.delivery_tag, body)),
            consumer_tag=name,
        )

    def all_are_here(count):
        shop.connection.process_data_events(time_limit=0.05)
        return sum(map(len, got.values())) == count

    for _ in range(6):
        shop.publish(b"one at a time")
    wait_until("six", lambda: all_are_here(6))
    assert len(got["a"]) == 6
    shop.change(**one_owner, delivery={"singleActiveConsumer": False})
    for _ in range(6):
        shop.publish(b"in turns")
    wait_until("six more", lambda: all_are_here(12))
    assert len(got["a"]) == 9 and len(got["b"]) == 3
    for tag, _ in sorted(got["a"] + got["b"]):
        shop.channel.basic_ack(tag)
    shop.end()


def test_groups_come_and_go_with_the_manifest(operator):  # noqa: F811
    one_owner = {"forward": {"mode": "Local"}}
    shop = Shop(operator, **one_owner, delivery={"groupBy": "Header"})
    for body, group in ((b"a1", "a"), (b"a2", "a"), (b"b1", "b")):
        shop.publish(body, headers={"x-group": group})
    first, _, body = shop.get()
    assert body == b"a1"
    second, _, body = shop.get()
    assert body == b"b1", "another of its group is out"
    assert shop.get()[2] is None
    shop.change(**one_owner)
    third, _, body = shop.get()
    assert body == b"a2"
    for tag in (first, second, third):
        shop.channel.basic_ack(tag)
    shop.end()


def test_deduplication_comes_and_goes_with_the_manifest(operator):  # noqa: F811
    one_owner = {"forward": {"mode": "Local"}}
    shop = Shop(operator, **one_owner)
    shop.publish(b"1", message_id="a")
    shop.publish(b"2", message_id="a")
    shop.change(**one_owner, delivery={"dedup": {}})
    shop.publish(b"3", message_id="b")
    shop.publish(b"again", message_id="b")
    shop.change(**one_owner, delivery={"dedup": {"by": "ProducerSequence", "window": "1h"}})
    for body, sequence in ((b"4", 7), (b"again", 7), (b"again", 6), (b"5", 8)):
        shop.publish(body, message_id="b", headers={"x-producer": "p", "x-sequence": sequence})
    shop.change(**one_owner)
    shop.publish(b"6", message_id="b", headers={"x-producer": "p", "x-sequence": 7})
    assert [shop.take()[1] for _ in range(7)] == [b"1", b"2", b"3", b"4", b"5", b"6", None]
    shop.end()


def test_bindings_are_added_and_removed_under_a_client(operator):  # noqa: F811
    def bound_to(*keys):
        return [{"exchange": "events", "type": "topic", "routingKey": key} for key in keys]

    shop = Shop(operator, bindings=bound_to("order.*"))
    shop.publish(b"1", "events", "order.made")
    with pytest.raises(pika.exceptions.UnroutableError):
        shop.publish(b"no", "events", "bill.made")
    shop.change(bindings=bound_to("order.*", "bill.*"))
    shop.publish(b"2", "events", "bill.made")
    shop.change(bindings=bound_to("bill.*"))
    with pytest.raises(pika.exceptions.UnroutableError):
        shop.publish(b"no", "events", "order.made")
    shop.publish(b"3", "events", "bill.made")
    assert [shop.take()[1] for _ in range(4)] == [b"1", b"2", b"3", None]
    shop.change()
    with pytest.raises(pika.exceptions.UnroutableError):
        shop.publish(b"no", "events", "bill.made")
    shop.end()


def test_what_needs_one_owner_is_refused_among_peers(operator):  # noqa: F811
    shop = Shop(operator)
    shop.publish(b"kept")
    for delivery, place in (
        ({"singleActiveConsumer": True}, "spec.delivery.singleActiveConsumer: expected false"),
        ({"groupBy": "Header"}, "spec.delivery.groupBy: expected None"),
        ({"dedup": {}}, "spec.delivery.dedup: expected none"),
        ({"deadLetter": {"queue": "orders"}}, "spec.delivery.deadLetter: expected another queue"),
    ):
        operator.apply("orders.yaml", queue("orders", delivery=delivery))
        line = wait_until(
            place, lambda: [each for each in operator.said().splitlines() if place in each]
        )[0]
        assert "orders.yaml:1:" in line, "with line and column"
    assert shop.take()[1] == b"kept"
    assert operator.object("MessageQueue", "orders")["metadata"]["generation"] == 1
    shop.end()
