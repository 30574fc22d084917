"""kombu on its own, as services use it that are no Celery apps, over TLS."""

import contextlib
import socket
import ssl
import threading
import time

import kombu
import kombu.common
import pytest
from amqp.exceptions import MessageNacked, PreconditionFailed
from kombu.mixins import ConsumerMixin, ConsumerProducerMixin

from program import LIMIT_S

RETRY = {"max_retries": 100, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.5}


def connect(broker, **options):
    return kombu.Connection(
        broker.of_app("amqp-url"),
        ssl={
            "ca_certs": str(broker.folder / "app" / "ca.crt"),
            "cert_reqs": ssl.CERT_REQUIRED,
            "server_hostname": "127.0.0.1",
        },
        transport_options={"confirm_publish": True},
        **options,
    )


def take(connection, queue, count):
    """That many, acknowledged."""
    with contextlib.closing(connection.SimpleQueue(queue)) as simple:
        found = [simple.get(timeout=LIMIT_S) for _ in range(count)]
        for message in found:
            message.ack()
    return found


class Service:
    """A mixin's main loop in a thread, until the test ends."""

    def __init__(self, mixin):
        self.mixin = mixin
        self.is_ready = threading.Event()
        mixin.on_consume_ready = lambda *_, **__: self.is_ready.set()
        self.thread = threading.Thread(target=mixin.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        assert self.is_ready.wait(LIMIT_S)
        return self.mixin

    def __exit__(self, *_):
        self.mixin.should_stop = True
        self.thread.join(LIMIT_S)
        self.mixin.connection.release()


class Collector(ConsumerMixin):
    """Takes everything of its queues."""

    connect_max_retries = 100

    def __init__(self, connection, queues, **consumer):
        self.connection = connection
        self.queues = queues
        self.consumer = consumer
        self.seen = []
        self.changed = threading.Condition()

    def get_consumers(self, Consumer, channel):  # noqa: N803
        return [Consumer(self.queues, callbacks=[self.on_message], **self.consumer)]

    def on_message(self, body, message):
        with self.changed:
            self.seen.append(body)
            self.changed.notify_all()
        message.ack()

    def wait(self, is_enough):
        with self.changed:
            assert self.changed.wait_for(lambda: is_enough(self.seen), LIMIT_S), self.seen


class Doubler(ConsumerProducerMixin):
    """Answers to the queue that a request names."""

    def __init__(self, connection):
        self.connection = connection

    def get_consumers(self, Consumer, channel):  # noqa: N803
        queue = kombu.Queue("double", auto_delete=True)
        return [Consumer([queue], callbacks=[self.on_request], prefetch_count=1)]

    def on_request(self, body, message):
        self.producer.publish(
            2 * body,
            exchange="",
            routing_key=message.properties["reply_to"],
            correlation_id=message.properties["correlation_id"],
            retry=True,
        )
        message.ack()


def test_a_service_that_answers(broker):
    with Service(Doubler(connect(broker))), connect(broker) as connection:
        channel = connection.channel()
        answers = kombu.Queue("", exclusive=True, auto_delete=True)(channel)
        answers.queue_declare()
        found = {}

        def on_answer(body, message):
            found[message.properties["correlation_id"]] = body

        with kombu.Consumer(
            channel, answers, callbacks=[on_answer], no_ack=True, auto_declare=False
        ):
            producer = connection.Producer()
            for number in range(50):
                producer.publish(
                    number,
                    routing_key="double",
                    reply_to=answers.name,
                    correlation_id=str(number),
                )
            while len(found) < 50:
                connection.drain_events(timeout=LIMIT_S)
    assert found == {str(number): 2 * number for number in range(50)}


def test_a_broadcast_reaches_everybody(broker):
    queues = [kombu.common.Broadcast("news", unique=True) for _ in range(3)]
    with contextlib.ExitStack() as stack:
        listeners = [
            stack.enter_context(Service(Collector(connect(broker), [each]))) for each in queues
        ]
        with connect(broker) as connection:
            connection.Producer().publish("sale", exchange=kombu.Exchange("news", "fanout"))
        for each in listeners:
            each.wait(lambda seen: seen == ["sale"])


def test_bodies_are_encoded_and_compressed_on_the_way(broker):
    body = {"text": "ü" * 100_000, "lines": [{"sku": number} for number in range(100)]}
    queue = kombu.Queue("encoded")
    with connect(broker) as connection:
        for compression in (None, "zlib", "bzip2"):
            connection.Producer().publish(
                body,
                routing_key="encoded",
                declare=[queue],
                compression=compression,
                headers={"origin": "web", "tries": 3},
            )
        for message in take(connection, queue, 3):
            assert message.payload == body
            assert message.headers["origin"] == "web" and message.headers["tries"] == 3


def test_what_a_full_queue_refuses_is_told_to_the_publisher(broker):
    queue = kombu.Queue(
        "full", max_length=2, queue_arguments={"x-overflow": "reject-publish"}
    )
    with connect(broker) as connection:
        producer = connection.Producer()
        for text in ("one", "two"):
            producer.publish(text, routing_key="full", declare=[queue])
        with pytest.raises(MessageNacked):
            producer.publish("three", routing_key="full")
        assert [each.payload for each in take(connection, queue, 2)] == ["one", "two"]


def test_what_nobody_takes_comes_back(broker):
    returned = []
    with connect(broker) as connection:
        producer = connection.Producer(
            on_return=lambda error, exchange, key, message: returned.append((error.reply_code, key))
        )
        producer.publish("lost", routing_key="nobody-is-here", mandatory=True)
        producer.publish("kept", routing_key="somebody", declare=[kombu.Queue("somebody")])
    assert returned == [(312, "nobody-is-here")]


def test_requeued_and_rejected_messages(broker):
    dead = kombu.Queue("kombu-dead")
    queue = kombu.Queue(
        "kombu-live",
        queue_arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead.name},
    )
    with connect(broker) as connection:
        dead(connection.default_channel).declare()
        connection.Producer().publish("m", routing_key=queue.name, declare=[queue])
        with contextlib.closing(connection.SimpleQueue(queue)) as simple:
            first = simple.get(timeout=LIMIT_S)
            assert not first.delivery_info["redelivered"]
            first.requeue()
            second = simple.get(timeout=LIMIT_S)
            assert second.delivery_info["redelivered"]
            second.reject()
        (letter,) = take(connection, dead, 1)
        assert letter.headers["x-first-death-reason"] == "rejected"


def test_priorities_and_times_of_declared_queues(broker):
    urgent = kombu.Queue("kombu-urgent", max_priority=3, expires=60, message_ttl=60)
    with connect(broker) as connection:
        for number in range(8):
            connection.Producer().publish(
                number, routing_key=urgent.name, priority=number % 4, declare=[urgent]
            )
        found = [each.payload for each in take(connection, urgent, 8)]
        assert found == [3, 7, 2, 6, 1, 5, 0, 4]
        with pytest.raises(PreconditionFailed):
            kombu.Queue("kombu-urgent", max_priority=4)(connection.channel()).declare()


def test_heartbeats_keep_an_idle_connection(broker):
    """The client counts those of the broker, and gives up where they are missing."""
    with connect(broker, heartbeat=2) as connection:
        connection.ensure_connection(max_retries=3)
        inner = connection.connection
        assert inner.heartbeat == 2
        first = inner.bytes_recv  # it counts frames, whatever its name
        end = time.monotonic() + LIMIT_S
        while inner.bytes_recv < first + 3 and time.monotonic() < end:
            with contextlib.suppress(socket.timeout):
                connection.drain_events(timeout=0.5)
            connection.heartbeat_check(rate=2)
        assert inner.bytes_recv >= first + 3
        queue = kombu.Queue("after-a-rest")
        connection.Producer().publish("alive", routing_key=queue.name, declare=[queue])
        assert take(connection, queue, 1)[0].payload == "alive"


def test_a_consumer_whose_queue_is_deleted_is_told_and_declares_it_anew(broker):
    queue = kombu.Queue("fleeting", auto_delete=True)
    with Service(Collector(connect(broker), [queue])) as collector, connect(broker) as connection:
        ready = threading.Event()
        collector.on_consume_ready = lambda *_, **__: ready.set()
        queue(connection.default_channel).delete()
        assert ready.wait(LIMIT_S)
        connection.Producer().publish("again", routing_key=queue.name)
        collector.wait(lambda seen: seen == ["again"])


def test_a_service_goes_on_after_the_broker_was_killed(broker):
    queue = kombu.Queue("kombu-sturdy")
    with Service(Collector(connect(broker), [queue], prefetch_count=10)) as collector:
        with connect(broker) as connection:
            producer = connection.Producer()

            def publish(numbers):
                for number in numbers:
                    producer.publish(
                        number,
                        routing_key=queue.name,
                        declare=[queue],
                        retry=True,
                        retry_policy=RETRY,
                    )

            publish(range(100))
            killer = threading.Thread(target=broker.restart_after_kill)
            killer.start()
            publish(range(100, 200))
            killer.join()
            collector.wait(lambda seen: set(seen) == set(range(200)))
