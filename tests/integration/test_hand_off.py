"""An agent whose pod goes away gives what it has to its peers."""

import threading

import pika
import pytest

from namespaces import Namespace
from test_links import LIMIT_S, numbered, publish, receive


@pytest.fixture
def three(tmp_path):
    with Namespace(tmp_path, ["leaving", "staying", "other"]) as namespace:
        yield namespace


def depth(agent, queue="orders"):
    """Of what it has itself."""
    connection = agent.connect()
    count = connection.channel().queue_declare(queue, passive=True).method.message_count
    connection.close()
    return count


def test_what_an_ending_agent_has_goes_to_its_peers_in_order(three):
    large = bytes(range(256)) * 8_000
    bodies = numbered(1_000) + [large]
    publish(three["leaving"], bodies)
    three.tell(draining=["leaving"])
    assert three["leaving"].terminate() == 0
    assert depth(three["staying"]) + depth(three["other"]) == len(bodies)
    heir = max(three["staying"], three["other"], key=depth)
    assert [body for body, _ in receive(heir, len(bodies))] == bodies
    assert not any(line["msg"] == "not everything was handed over in time: what is left stays in the spool" for line in three["leaving"].lines)


def test_an_agent_with_nobody_to_give_to_keeps_what_it_has(tmp_path):
    with Namespace(tmp_path, ["alone"]) as namespace:
        alone = namespace["alone"]
        publish(alone, numbered(100))
        namespace.tell(draining=["alone"])
        assert alone.terminate() == 0
        alone.start()
        assert [body for body, _ in receive(alone, 100)] == numbered(100)


def test_nothing_is_lost_when_the_heir_is_killed_on_the_way(three):
    """What was not answered is sent again, and dropped if it is known."""
    bodies = numbered(20_000)
    connection = three["leaving"].connect()
    channel = connection.channel()
    for body in bodies[:-1]:
        channel.basic_publish("", "orders", body)
    channel.confirm_delivery()
    channel.basic_publish("", "orders", bodies[-1])
    connection.close()
    three["other"].kill()
    ended = threading.Thread(target=three["leaving"].terminate, daemon=True)
    ended.start()
    three["leaving"].wait_for("a link for pushes is up")
    three["staying"].restart_after_kill()
    ended.join(LIMIT_S)
    three["other"].start()
    three["leaving"].start()  # whatever was not taken in time is still here
    left = sum(depth(agent) for agent in three.agents.values())
    got = [body for body, _ in receive(three["other"], left)]
    assert sorted(set(got), key=int) == bodies


def test_an_app_that_publishes_until_its_end_loses_nothing(three):
    """Its agent takes and confirms until SIGTERM, and only then hands over the last."""
    connection = three["leaving"].connect()
    channel = connection.channel()
    channel.confirm_delivery()
    confirmed = []
    started = threading.Event()

    def keep_publishing():
        number = 0
        try:
            while True:
                channel.basic_publish("", "orders", b"%d" % number)
                confirmed.append(b"%d" % number)
                number += 1
                if number == 100:
                    started.set()
        except pika.exceptions.AMQPError:
            pass

    app = threading.Thread(target=keep_publishing, daemon=True)
    app.start()
    assert started.wait(LIMIT_S)
    three.tell(draining=["leaving"])
    assert three["leaving"].terminate() == 0
    app.join(LIMIT_S)
    there = depth(three["staying"]) + depth(three["other"])
    assert there >= len(confirmed)
    got = {body for body, _ in receive(three["staying"], there)}
    assert got >= set(confirmed)


def hold(agent, count):
    """A consumer's channel, and the tags of what it was given and has not acknowledged."""
    channel = agent.connect().channel()
    channel.basic_qos(prefetch_count=count)
    tags = []
    for method, _, _ in channel.consume("orders", inactivity_timeout=LIMIT_S):
        assert method is not None, f"only {len(tags)} of {count} came"
        tags.append(method.delivery_tag)
        if len(tags) == count:
            return channel, tags


def test_an_ending_agent_waits_for_the_acks_of_what_others_have_pulled(three):
    publish(three["leaving"], numbered(10))
    channel, tags = hold(three["staying"], 10)
    three.tell(draining=["leaving"])
    ended = threading.Thread(target=three["leaving"].terminate, daemon=True)
    ended.start()
    three["leaving"].wait_for("the agent ends")
    for tag in tags:
        channel.basic_ack(tag)
    channel.connection.close()
    ended.join(LIMIT_S)
    assert three["leaving"].process.poll() == 0
    three["leaving"].start()
    assert [depth(agent) for agent in three.agents.values()] == [0, 0, 0]


def test_what_others_have_pulled_and_do_not_settle_outlives_its_agent(tmp_path):
    with Namespace(tmp_path, ["leaving", "staying", "other"], starts=False) as namespace:
        namespace["leaving"].config["drainBudget"] = "1s"
        for agent in namespace.agents.values():
            agent.start()
        publish(namespace["leaving"], numbered(10))
        channel, _ = hold(namespace["staying"], 10)
        namespace.tell(draining=["leaving"])
        assert namespace["leaving"].terminate() == 0
        channel.connection.close()
        got = receive(namespace["other"], 10)
        assert sorted(body for body, _ in got) == numbered(10)
        assert all(redelivered for _, redelivered in got)
