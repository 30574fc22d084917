"""Requests and their answers between pods: callers beside one agent, servers beside another."""

import threading
import uuid

import pika
import pytest

from namespaces import Namespace

LIMIT_S = 60
DIRECT = "amq.rabbitmq.reply-to"


@pytest.fixture
def pair(tmp_path):
    namespace = Namespace(tmp_path, ["caller", "server"], starts=False)
    for agent in namespace.agents.values():
        agent.policy["clientTopology"] = "Local"
    namespace.starts = True
    with namespace:
        yield namespace


class Server(threading.Thread):
    """Answers so many requests with their bodies in capitals; `answered` is what became of each."""

    def __init__(self, agent, count):
        super().__init__(daemon=True)
        self.connection = agent.connect()
        self.count = count
        self.answered = []

    def run(self):
        channel = self.connection.channel()
        answers = self.connection.channel()
        answers.confirm_delivery()
        channel.basic_qos(prefetch_count=10)
        for method, properties, body in channel.consume("orders", inactivity_timeout=LIMIT_S):
            if method is None:
                return
            if method.redelivered:  # answered; its ack went with the agent that was killed
                channel.basic_ack(method.delivery_tag)
                continue
            try:
                answers.basic_publish(
                    "",
                    properties.reply_to,
                    body.upper(),
                    pika.BasicProperties(correlation_id=properties.correlation_id),
                    mandatory=True,
                )
                self.answered.append("taken")
            except pika.exceptions.UnroutableError:
                self.answered.append("gone")
            channel.basic_ack(method.delivery_tag)
            if len(self.answered) == self.count:
                return


class Caller:
    def __init__(self, agent, direct=False):
        self.connection = agent.connect()
        self.channel = self.connection.channel()
        self.reply_to = DIRECT
        if not direct:
            self.reply_to = self.channel.queue_declare("", exclusive=True).method.queue
        self.answers = {}
        self.channel.basic_consume(self.reply_to, self._on_answer, auto_ack=True)

    def _on_answer(self, _channel, _method, properties, body):
        self.answers[properties.correlation_id] = body

    def ask(self, body):
        correlation_id = str(uuid.uuid4())
        self.channel.basic_publish(
            "",
            "orders",
            body,
            pika.BasicProperties(reply_to=self.reply_to, correlation_id=correlation_id),
        )
        return correlation_id

    def calls(self, body):
        asked = self.ask(body)
        for _ in range(LIMIT_S * 10):
            if asked in self.answers:
                return self.answers[asked]
            self.connection.process_data_events(0.1)
        raise AssertionError("no answer came")


@pytest.mark.parametrize("direct", [False, True], ids=["exclusive queue", "direct reply-to"])
def test_an_answer_comes_back_to_the_pod_that_asked(pair, direct):
    server = Server(pair["server"], 21)
    server.start()
    caller = Caller(pair["caller"], direct)
    for number in range(20):
        assert caller.calls(b"ask %d" % number) == b"ASK %d" % number
    large = bytes(range(97, 123)) * 40_000
    assert caller.calls(large) == large.upper()
    server.join(LIMIT_S)
    assert server.answered == ["taken"] * 21


def test_answers_to_callers_that_have_gone_are_returned(pair):
    caller = Caller(pair["caller"])
    for number in range(3):
        caller.ask(b"%d" % number)
    caller.connection.close()
    server = Server(pair["server"], 3)
    server.start()
    server.join(LIMIT_S)
    assert server.answered == ["gone"] * 3


def test_answers_come_again_after_the_callers_agent_was_killed(pair):
    server = Server(pair["server"], 2)
    server.start()
    assert Caller(pair["caller"]).calls(b"before") == b"BEFORE"
    pair["caller"].restart_after_kill()
    assert Caller(pair["caller"], direct=True).calls(b"after") == b"AFTER"
    server.join(LIMIT_S)
    assert server.answered == ["taken"] * 2
