"""Celery with real workers: what an app's tasks rely on, over TLS."""

import contextlib
import pathlib
import signal
import threading
import time

import kombu
import pytest
from celery import chain, chord, group
from celery.exceptions import TaskRevokedError

import celery_app
from program import LIMIT_S, Program

HERE = pathlib.Path(__file__).resolve().parent
CELERY = ["/usr/bin/python3", "-B", "-m", "celery", "-A", "celery_app"]


@contextlib.contextmanager
def worker(broker, name, queues, concurrency=1, **env):
    """A worker that says it is ready."""
    command = [*CELERY, "worker", "-n", f"{name}@shop", "-Q", queues, "-c", concurrency]
    command += ["-l", "INFO", "--without-gossip", "--without-mingle"]
    with Program(command, {**broker.environment(), **env}, HERE) as program:
        program.line(lambda line: "ready." in line)
        yield program


class Events:
    """What the workers tell of their tasks, received from the moment it was made."""

    def __init__(self, app, a_worker_runs):
        self.seen = []
        self.changed = threading.Condition()
        self.connection = app.connection_for_read()
        self.receiver = app.events.Receiver(self.connection, handlers={"*": self._note})
        self.thread = threading.Thread(target=self._capture, daemon=True)
        self.thread.start()
        if a_worker_runs:
            self.wait(lambda event: event["type"] == "worker-heartbeat")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.receiver.should_stop = True
        self.thread.join()
        self.connection.release()

    def _capture(self):
        # It wakes the workers up, whose heartbeats show that the events arrive.
        self.receiver.capture(limit=None, timeout=None, wakeup=True)

    def _note(self, event):
        with self.changed:
            self.seen.append(event)
            self.changed.notify_all()

    def wait(self, wanted):
        """The first event like that."""
        found = []
        with self.changed:
            assert self.changed.wait_for(
                lambda: found.extend(filter(wanted, self.seen)) or found, LIMIT_S
            ), self.seen
        return found[0]

    def of(self, result, kind):
        return self.wait(lambda each: each["type"] == f"task-{kind}" and each["uuid"] == result.id)


@pytest.fixture(scope="module")
def app(broker):
    return celery_app.make(broker.folder / "app")


@pytest.fixture(scope="module")
def workers(broker):
    with worker(broker, "one", "shop,picky,eu,every", concurrency=2) as program:
        yield program


def results(*of):
    return [each.get(timeout=LIMIT_S) for each in of]


def entries(app, ledger, enough):
    """What stands in a ledger, in its order, once `enough` says so."""
    found = []
    with app.connection_for_read() as connection:
        with contextlib.closing(connection.SimpleQueue(kombu.Queue(ledger))) as queue:
            while not enough(found):
                message = queue.get(timeout=LIMIT_S)
                found.append(message.payload)
                message.ack()
    return found


def test_results_come_back_to_their_caller(app, workers):
    sent = [app.tasks["shop.add"].delay(number, number) for number in range(50)]
    assert results(*sent) == [2 * number for number in range(50)]


def test_large_arguments_and_results(app, workers):
    text = "0123456789abcdef" * 65_536 * 4
    assert results(app.tasks["shop.echo"].delay(text)) == [text]


def test_groups_and_chains(app, workers):
    add = app.tasks["shop.add"]
    parts = group(add.s(number, 1) for number in range(10))()
    assert parts.get(timeout=LIMIT_S) == list(range(1, 11))
    assert results(chain(add.s(1, 2), add.s(3), add.s(4))()) == [10]


def test_a_chord_whose_results_are_files(broker, tmp_path):
    """Its last step is a task that is retried with a countdown until the others are done."""
    place = f"file://{tmp_path}"
    with worker(broker, "files", "chords", 2, SHOP_RESULTS=place, SHOP_QUEUE="chords"):
        app = celery_app.make(broker.folder / "app", place, "chords")
        add = app.tasks["shop.add"]
        whole = chord([add.s(number, 1) for number in range(5)])(app.tasks["shop.total"].s())
        assert whole.get(timeout=LIMIT_S) == 15


def test_a_task_that_fails_is_retried_later(app, workers):
    flaky = app.tasks["shop.flaky"]
    with Events(app, a_worker_runs=True) as events:
        thrice = flaky.delay(3)
        assert results(thrice) == [3]
        events.of(thrice, "retried")
        events.of(thrice, "succeeded")
    with pytest.raises(ConnectionError, match="does not answer"):
        flaky.delay(4).get(timeout=LIMIT_S)


def test_a_task_with_a_countdown_is_not_started_before(app, workers):
    with Events(app, a_worker_runs=True) as events:
        before = time.time()
        later = app.tasks["shop.add"].apply_async((1, 1), countdown=1)
        assert results(later) == [2]
        assert events.of(later, "started")["timestamp"] >= before + 1


def test_a_worker_takes_more_planned_tasks_than_its_prefetch(broker, app):
    """It raises its prefetch for each, with basic.qos on the channel that consumes."""
    with worker(broker, "planner", "planned"):
        add = app.tasks["shop.add"]
        with Events(app, a_worker_runs=True) as events:
            planned = [
                add.apply_async((number, 1), queue="planned", countdown=3_600)
                for number in range(10)
            ]
            for each in planned:
                events.of(each, "received")
            inspect = app.control.inspect(["planner@shop"], timeout=LIMIT_S)
            (scheduled,) = inspect.scheduled().values()
            assert {each["request"]["id"] for each in scheduled} == {each.id for each in planned}
            now = add.apply_async((1, 1), queue="planned")
            assert results(now) == [2]


def test_planned_tasks_of_a_worker_that_was_killed_are_taken_by_the_next(broker, app):
    with Events(app, a_worker_runs=False) as events:
        with worker(broker, "first", "planned2", SHOP_QUEUE="planned2"):
            late = app.tasks["shop.add"].apply_async(
                (20, 3), queue="planned2", countdown=3_600, expires=7_200
            )
            events.of(late, "received")
        with worker(broker, "next", "planned2", SHOP_QUEUE="planned2"):
            events.wait(
                lambda event: event["type"] == "task-received"
                and event["uuid"] == late.id
                and event["hostname"] == "next@shop"
            )


def test_a_task_that_has_expired_is_not_run(app, workers):
    with pytest.raises(TaskRevokedError):
        app.tasks["shop.add"].apply_async((1, 1), expires=-1).get(timeout=LIMIT_S)


def test_a_task_in_the_hands_of_a_killed_worker_goes_to_another(broker, app):
    with Events(app, a_worker_runs=False) as events:
        with worker(broker, "doomed", "careful") as doomed:
            held = app.tasks["shop.hold"].apply_async(queue="careful")
            assert events.of(held, "started")["hostname"] == "doomed@shop"
            with worker(broker, "heir", "careful"):
                doomed.kill()
                assert results(held) == ["heir@shop"]


def test_a_task_whose_process_was_killed_is_given_back_by_its_worker(app, workers):
    assert results(app.tasks["shop.collapse"].delay()) == ["carried on"]


def test_a_worker_that_is_told_to_stop_finishes_its_task_and_leaves_the_rest(broker, app):
    with worker(broker, "leaving", "halting", SHOP_CONFIRMS="no") as leaving:
        with Events(app, a_worker_runs=True) as events:
            book = app.tasks["shop.book"]
            sent = [
                book.apply_async(("rest", number), queue="halting") for number in range(100)
            ]
            events.of(sent[0], "started")
            leaving.signal(signal.SIGTERM)
            assert leaving.wait() == 0
    with worker(broker, "staying", "halting"):
        found = entries(app, "rest", lambda found: len(set(found)) == 100)
    assert sorted(set(found)) == list(range(100))
    assert len(found) <= 101, "the one that was on its way may be run again"


def test_priorities(broker, app):
    book = app.tasks["shop.book"]
    for number in range(12):
        book.apply_async(("order", number), queue="urgent", priority=number % 4)
    with worker(broker, "urgent", "urgent"):
        found = entries(app, "order", lambda found: len(found) == 12)
    assert found == sorted(range(12), key=lambda number: (-(number % 4), number))


def test_a_task_that_is_rejected_becomes_a_dead_letter(app, workers):
    with app.connection_for_read() as connection:
        with contextlib.closing(connection.SimpleQueue(kombu.Queue("refused"))) as refused:
            sent = app.tasks["shop.refuse"].apply_async(queue="picky")
            message = refused.get(timeout=LIMIT_S)
            message.ack()
    assert message.properties["correlation_id"] == sent.id
    (death,) = message.headers["x-death"]
    assert (death["queue"], death["reason"], death["count"]) == ("picky", "rejected", 1)
    assert death["routing-keys"] == ["picky"]


def test_tasks_are_routed_by_topic(app, workers):
    book = app.tasks["shop.book"]
    for key in ("order.eu.de", "order.us"):
        book.apply_async(("regions", key), exchange="regions", routing_key=key)
    found = entries(app, "regions", lambda found: len(found) == 3)
    assert sorted(found) == ["order.eu.de", "order.eu.de", "order.us"]


def test_workers_answer_questions(app, workers):
    assert app.control.ping(["one@shop"], timeout=LIMIT_S, limit=1) == [
        {"one@shop": {"ok": "pong"}}
    ]
    inspect = app.control.inspect(["one@shop"], timeout=LIMIT_S)
    assert {queue["name"] for queue in inspect.active_queues()["one@shop"]} == {
        *("shop", "picky", "eu", "every")
    }
    assert inspect.stats()["one@shop"]["pool"]["max-concurrency"] == 2


def test_a_worker_is_told_to_consume_from_another_queue_and_to_stop(app, workers):
    def tell(command, **arguments):
        (answer,) = app.control.broadcast(
            command,
            arguments,
            destination=["one@shop"],
            reply=True,
            timeout=LIMIT_S,
            limit=1,
        )
        assert "ok" in answer["one@shop"], answer

    tell("add_consumer", queue="extra", exchange="extra", exchange_type="direct")
    assert results(app.tasks["shop.add"].apply_async((1, 2), queue="extra")) == [3]
    tell("cancel_consumer", queue="extra")


def test_a_task_that_was_revoked_before_is_not_run(app, workers):
    (answer,) = app.control.revoke(
        "revoked-1", destination=["one@shop"], reply=True, timeout=LIMIT_S, limit=1
    )
    assert "ok" in answer["one@shop"]
    sent = app.tasks["shop.add"].apply_async((1, 1), task_id="revoked-1")
    with pytest.raises(TaskRevokedError):
        sent.get(timeout=LIMIT_S)


def test_a_task_that_runs_is_ended_by_a_revoke(app, workers):
    with Events(app, a_worker_runs=True) as events:
        held = app.tasks["shop.hold"].delay()
        events.of(held, "started")
        app.control.revoke(held.id, terminate=True, signal="SIGKILL")
        with pytest.raises(TaskRevokedError):
            held.get(timeout=LIMIT_S)
    assert results(app.tasks["shop.add"].delay(1, 1)) == [2]


def test_what_was_confirmed_is_run_though_the_broker_was_killed(broker, app):
    """The last one: the queue for results of this app ends with its connection."""
    book = app.tasks["shop.book"]
    with worker(broker, "sturdy", "sturdy") as sturdy:
        for number in range(100):
            book.apply_async(("sturdy-ledger", number), queue="sturdy", ignore_result=True)
        killer = threading.Thread(target=broker.restart_after_kill)
        killer.start()
        for number in range(100, 200):
            book.apply_async(("sturdy-ledger", number), queue="sturdy", ignore_result=True)
        killer.join()
        found = entries(app, "sturdy-ledger", lambda found: len(set(found)) == 200)
        sturdy.line(lambda line: "Connection to broker lost" in line)
    assert set(found) == set(range(200))
