"""Three agents that are published to and three that consume: what happens to some is not felt by others."""

import collections
import os
import signal
import threading

import pika
import pytest

from namespaces import Namespace
from proxy import Proxy

PRODUCERS = ["p1", "p2", "p3"]
PREFETCH = {"c1": 10, "c2": 20, "c3": 40}
EACH = 8_000
WORK_S = 0.05  # what a consumer needs for a message
WINDOW_S = 3
LIMIT_S = 60


class Arrived:
    """What has come to anybody."""

    def __init__(self):
        self.bodies = set()
        self.changed = threading.Condition()

    def add(self, body):
        with self.changed:
            self.bodies.add(body)
            self.changed.notify_all()

    def until(self, holds, what):
        with self.changed:
            assert self.changed.wait_for(holds, LIMIT_S), what


class Consumer(threading.Thread):
    """An app that needs a while for each message, and works on as many as its prefetch allows."""

    def __init__(self, agent, prefetch, arrived):
        super().__init__(daemon=True)
        self.arrived = arrived
        self.agent = agent
        self.prefetch = prefetch
        self.got = []  # (body, redelivered)
        self.ends = threading.Event()

    def run(self):
        while not self.ends.is_set():
            try:
                self.consume()
            except pika.exceptions.AMQPError:
                pass  # its agent, or the channel, has gone: again

    def consume(self):
        connection = self.agent.connect()
        channel = connection.channel()
        channel.basic_qos(prefetch_count=self.prefetch)

        def take(_, method, __, body):
            self.got.append((body, method.redelivered))
            self.arrived.add(body)
            connection.call_later(WORK_S, lambda: channel.basic_ack(method.delivery_tag))

        channel.basic_consume("orders", take)
        while not self.ends.is_set():
            connection.process_data_events(time_limit=0.2)
        connection.close()


def fill(agent, bodies):
    connection = agent.connect()
    channel = connection.channel()
    for body in bodies[:-1]:
        channel.basic_publish("", "orders", body)
    confirmed = connection.channel()
    confirmed.confirm_delivery()  # one journal: what was published before is safe with the last
    confirmed.basic_publish("", "orders", bodies[-1])
    connection.close()


def rates(consumers):
    before = {name: len(each.got) for name, each in consumers.items()}
    window()
    return {name: (len(each.got) - before[name]) / WINDOW_S for name, each in consumers.items()}


def window():
    """Something to measure in; nothing is waited for."""
    threading.Event().wait(WINDOW_S)


@pytest.fixture
def six(tmp_path):
    with Namespace(tmp_path, PRODUCERS + list(PREFETCH)) as namespace:
        yield namespace


def test_faults_of_some_cost_the_others_nothing_and_shares_follow_credit(six):
    published = {name: [b"%s-%d" % (name.encode(), i) for i in range(EACH)] for name in PRODUCERS}
    for name, bodies in published.items():
        fill(six[name], bodies)
    # c2 sees p2 through a proxy, so that this one link can be cut.
    proxy = Proxy(("127.0.0.1", six["p2"].ports["peer"]))
    six.tell(seen_by={"c2": {"p2": proxy.port}})
    arrived = Arrived()
    consumers = {
        name: Consumer(six[name], prefetch, arrived) for name, prefetch in PREFETCH.items()
    }
    for each in consumers.values():
        each.start()
    arrived.until(
        lambda: all(len(each.got) > 2 * each.prefetch for each in consumers.values()), "a start"
    )

    before = rates(consumers)
    whole = sum(before.values())
    credit = sum(PREFETCH.values())
    for name, prefetch in PREFETCH.items():
        assert before[name] / whole == pytest.approx(prefetch / credit, rel=0.2), before

    os.kill(six["c1"].process.pid, signal.SIGSTOP)
    six["p1"].kill()
    proxy.cut()
    window()  # the faults' own moment is not the others' rate
    after = rates(consumers)
    for name in ("c2", "c3"):
        assert after[name] >= 0.8 * before[name], (before, after)

    os.kill(six["c1"].process.pid, signal.SIGCONT)
    six["p1"].start()
    proxy.mend()
    wanted = {body for bodies in published.values() for body in bodies}
    arrived.until(lambda: len(arrived.bodies) == len(wanted), "all of it")
    for each in consumers.values():
        each.ends.set()
        each.join(LIMIT_S)
    assert arrived.bodies == wanted
    unflagged = collections.Counter(
        body for each in consumers.values() for body, redelivered in each.got if not redelivered
    )
    assert all(count == 1 for count in unflagged.values()), "a second delivery says so"
