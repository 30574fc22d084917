"""`pannier-operator local DIR`: manifests become running agents, and go on being what they say."""

import base64
import http.client
import json
import os
import pathlib
import signal
import socket
import ssl
import sys
import textwrap

import pika
import pika.exceptions
import pytest

from agents import BUILD

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "e2e" / "local"))
from local_operator import LocalOperator, is_alive, wait_until  # noqa: E402

PERSISTENT = pika.BasicProperties(delivery_mode=2)
IDLE = "exec tail -f /dev/null"


def queue(name="orders", **spec):
    return manifest("pannier.dev/v1alpha1", "MessageQueue", name, spec=spec)


def pod(name, script=IDLE, annotations=None, **spec):
    labels = {"app": "shop", "pannier.dev/inject": "enabled"}
    container = {"name": "app", "command": ["/bin/sh", "-c", script]}
    return manifest(
        "v1",
        "Pod",
        name,
        labels=labels,
        annotations=annotations or {},
        spec={
            "serviceAccountName": name,
            "terminationGracePeriodSeconds": 2,
            "containers": [container],
            **spec,
        },
    )


def manifest(api_version, kind, name, labels=None, annotations=None, **rest):
    metadata = {"name": name, "namespace": "shop"}
    metadata.update({"labels": labels} if labels else {})
    metadata.update({"annotations": annotations} if annotations else {})
    return json.dumps({"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest})


@pytest.fixture
def operator(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    made = LocalOperator(BUILD, folder)
    with made:
        yield made


def connect(of_pod, user=None, password=None):
    """As its app would."""
    parameters = pika.URLParameters((of_pod.app_folder / "amqp-url").read_text())
    trusted = ssl.create_default_context(cafile=of_pod.app_folder / "ca.crt")
    parameters.ssl_options = pika.SSLOptions(trusted, parameters.host)
    if user:
        parameters.credentials = pika.PlainCredentials(user, password)
    return pika.BlockingConnection(parameters)


def publish(of_pod, *bodies, to="orders"):
    connection = connect(of_pod)
    channel = connection.channel()
    channel.confirm_delivery()
    for body in bodies:
        channel.basic_publish("", to, body, PERSISTENT)
    connection.close()


def take(of_pod, count, of="orders"):
    connection = connect(of_pod)
    channel = connection.channel()
    bodies = []
    for method, _, body in channel.consume(of, inactivity_timeout=60):
        assert method is not None, f"only {len(bodies)} of {count} have come"
        channel.basic_ack(method.delivery_tag)
        bodies.append(body)
        if len(bodies) == count:
            break
    channel.cancel()
    connection.close()
    return bodies


def agent_status(of_pod):
    """/v1/status, through its control socket."""
    class Control(http.client.HTTPConnection):
        def connect(self):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(str(of_pod.place.parent.parent / "run" / f"{of_pod.uid[:8]}.sock"))

    connection = Control("localhost", timeout=20)
    connection.request("GET", "/v1/status")
    return json.loads(connection.getresponse().read())


def queues_of(of_pod):
    return {each["name"]: each for each in agent_status(of_pod)["queues"]}


def ready(operator, name="orders"):
    wait_until(f"{name} is ready", lambda: operator.is_true(name))


def test_a_message_goes_from_one_pod_to_another(operator):
    operator.apply("queue.yaml", queue())
    operator.apply("one.yaml", pod("one"))
    operator.apply("two.yaml", pod("two"))
    one, two = operator.ready_pod("one"), operator.ready_pod("two")
    assert one.address != two.address
    ready(operator)
    publish(one, b"hello")
    assert take(two, 1) == [b"hello"]
    status = operator.object("MessageQueue", "orders")["status"]
    assert status["agents"] == {"desired": 2, "ready": 2, "upToDate": 2}


def test_an_app_is_told_nothing_but_its_folder(operator):
    operator.apply("one.yaml", pod("one", "env; pwd; id -u; " + IDLE))
    one = operator.ready_pod("one")
    lines = wait_until("it has spoken", lambda: one.log("app").splitlines()[:-2])
    names = {line.split("=")[0] for line in lines}
    assert "PANNIER_DIR" in names
    assert names <= {"PANNIER_DIR", "PATH", "HOME", "LANG", "PWD", "SHLVL", "_", "OLDPWD"}


def test_edits_take_effect_while_everything_runs_on(operator):
    operator.apply("queue.yaml", queue())
    operator.apply("one.yaml", pod("one"))
    one = operator.ready_pod("one")
    ready(operator)
    connection = connect(one)
    channel = connection.channel()
    channel.confirm_delivery()

    operator.apply("queue.yaml", queue(storage={"maxMessages": 2, "overflow": "RejectPublish"}))
    wait_until("generation 2", lambda: queues_of(one)["orders"]["generation"] == 2)
    channel.basic_publish("", "orders", b"1", PERSISTENT)
    channel.basic_publish("", "orders", b"2", PERSISTENT)
    with pytest.raises(pika.exceptions.NackError):
        channel.basic_publish("", "orders", b"3", PERSISTENT)

    operator.apply("more.yaml", queue("invoices"))
    wait_until("a second queue", lambda: "invoices" in queues_of(one))
    channel.basic_publish("", "invoices", b"1", PERSISTENT)

    operator.apply("queue.yaml", queue(paused=True))
    wait_until("paused", lambda: queues_of(one)["orders"]["paused"])
    assert channel.basic_get("orders")[0] is None
    operator.apply("queue.yaml", queue())
    wait_until("not paused", lambda: not queues_of(one)["orders"]["paused"])
    assert channel.basic_get("orders")[2] == b"1"
    connection.close()
    assert operator.pod("one").agent_pid == one.agent_pid
    assert is_alive(one.agent_pid)


def test_access_counts_at_once(operator):
    listed = [{"subjects": [{"kind": "ServiceAccount", "name": "other"}], "verbs": ["Publish"]}]
    operator.apply("queue.yaml", queue(access=listed))
    operator.apply("one.yaml", pod("one"))
    one = operator.ready_pod("one")
    ready(operator)
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as refused:
        publish(one, b"no")
    assert refused.value.reply_code == 403
    listed[0]["subjects"][0]["name"] = "one"
    operator.apply("queue.yaml", queue(access=listed))
    wait_until("generation 2", lambda: queues_of(one)["orders"]["generation"] == 2)
    publish(one, b"yes")


@pytest.mark.parametrize(
    "name, text, expected",
    [
        ("typo", queue(durabilty="Disk"), "durabilty"),
        ("enum", queue(durability="Engine"), "Memory"),
        ("yaml", "apiVersion: [", "bad.yaml:2:1"),
        ("kind", manifest("v1", "Deployment", "x", spec={}), "Deployment"),
        ("volumes", pod("bad", volumes=[{"name": "v", "emptyDir": {}}]), "volumes"),
        ("class", pod("bad", annotations={"pannier.dev/class": "nowhere"}), "nowhere"),
    ],
)
def test_a_bad_manifest_gets_a_clear_message_and_changes_nothing(operator, name, text, expected):
    operator.apply("queue.yaml", queue())
    operator.apply("one.yaml", pod("one"))
    one = operator.ready_pod("one")
    ready(operator)
    operator.apply("bad.yaml", text)
    line = wait_until(
        "a message", lambda: [each for each in operator.said().splitlines() if "bad.yaml" in each]
    )
    assert expected in "\n".join(line), name
    operator.apply("queue.yaml", "kind: MessageQueue\nspec: {durability: 7}\n")
    wait_until("a message", lambda: "queue.yaml:" in operator.said())
    assert operator.object("MessageQueue", "orders")["metadata"]["generation"] == 1
    assert is_alive(one.agent_pid)
    publish(one, b"still here")


def test_everything_runs_on_without_the_operator(operator):
    operator.apply("queue.yaml", queue())
    operator.apply("one.yaml", pod("one"))
    one = operator.ready_pod("one")
    ready(operator)
    pids = (one.agent_pid, one.pid("app"))
    operator.kill()
    publish(one, b"without an operator")
    operator.apply("more.yaml", queue("invoices"))
    operator.start()
    wait_until("the new queue", lambda: "invoices" in queues_of(one))
    again = operator.ready_pod("one")
    assert (again.agent_pid, again.pid("app")) == pids
    assert all(map(is_alive, pids))
    assert take(one, 1) == [b"without an operator"]


def test_an_agent_that_was_killed_comes_back_with_what_it_had(operator):
    operator.apply("queue.yaml", queue())
    operator.apply("one.yaml", pod("one"))
    one = operator.ready_pod("one")
    ready(operator)
    publish(one, b"kept")
    os.kill(one.agent_pid, signal.SIGKILL)

    def again():
        now = operator.pod("one")
        return now if now.agent_pid not in (0, one.agent_pid) and now.is_ready() else None

    now = wait_until("it is back", again)
    assert now.pid("app") == one.pid("app")
    assert take(now, 1) == [b"kept"]


def test_one_that_died_while_no_operator_was_there_is_started_again(operator):
    operator.apply("one.yaml", pod("one"))
    one = operator.ready_pod("one")
    operator.kill()
    os.kill(one.agent_pid, signal.SIGKILL)
    os.kill(one.pid("app"), signal.SIGKILL)
    operator.start()

    def again():
        now = operator.pod("one")
        pids = (now.agent_pid, now.pid("app"))
        return all(pids) and all(map(is_alive, pids)) and now.is_ready()

    wait_until("both run again", again)


def test_a_deleted_queue_waits_until_it_is_empty(operator):
    operator.apply("queue.yaml", queue())
    operator.apply("one.yaml", pod("one"))
    one = operator.ready_pod("one")
    ready(operator)
    publish(one, b"last")
    (operator.folder / "queue.yaml").unlink()
    wait_until(
        "it waits", lambda: operator.condition("orders", "Terminating") == ("True", "WaitingUntilEmpty")
    )
    wait_until("the agent knows", lambda: queues_of(one)["orders"]["generation"] == 2)
    with pytest.raises(pika.exceptions.AMQPError):
        publish(one, b"too late")
    assert take(one, 1) == [b"last"]
    wait_until("it is gone", lambda: operator.object("MessageQueue", "orders") is None)
    wait_until("the agent has forgotten it", lambda: "orders" not in queues_of(one))


def test_a_queue_may_go_with_its_messages(operator):
    operator.apply("queue.yaml", queue(deletionPolicy="Delete"))
    operator.apply("one.yaml", pod("one"))
    one = operator.ready_pod("one")
    ready(operator)
    publish(one, b"1", b"2")
    (operator.folder / "queue.yaml").unlink()
    wait_until("it is gone", lambda: operator.object("MessageQueue", "orders") is None)
    operator.apply("queue.yaml", queue())
    ready(operator)
    assert queues_of(one)["orders"]["ready"] == 0


def test_a_pod_that_goes_hands_over_what_it_has(operator):
    operator.apply("queue.yaml", queue())
    operator.apply("one.yaml", pod("one"))
    operator.apply("two.yaml", pod("two"))
    one, two = operator.ready_pod("one"), operator.ready_pod("two")
    ready(operator)
    publish(one, b"1", b"2", b"3")
    (operator.folder / "one.yaml").unlink()
    wait_until("it is gone", lambda: operator.pod("one") is None)
    assert not is_alive(one.agent_pid) and not is_alive(one.pid("app"))
    assert not one.place.exists()
    assert queues_of(two)["orders"]["ready"] == 3
    assert take(two, 3) == [b"1", b"2", b"3"]
    assert "still held" not in operator.said()


def test_what_nobody_could_take_over_is_said_and_counted(operator):
    operator.apply("queue.yaml", queue())
    operator.apply("one.yaml", pod("one"))
    one = operator.ready_pod("one")
    ready(operator)
    publish(one, b"1", b"2")
    (operator.folder / "one.yaml").unlink()
    wait_until("it is gone", lambda: operator.pod("one") is None, 90)
    assert "still held 2 messages" in operator.said()


def test_a_user_logs_in_with_the_password_of_its_secret(operator):
    operator.apply("queue.yaml", queue(access=[
        {"subjects": [{"kind": "User", "name": "ops"}], "verbs": ["Publish", "Consume"]}
    ]))
    operator.apply("user.yaml", manifest("pannier.dev/v1alpha1", "MessageQueueUser", "ops", spec={}))
    operator.apply("one.yaml", pod("one"))
    one = operator.ready_pod("one")
    ready(operator)
    secret = wait_until("a Secret", lambda: operator.object("Secret", "ops-pannier-user"))
    value = {key: base64.b64decode(text).decode() for key, text in secret["data"].items()}

    def login():
        try:
            return connect(one, value["username"], value["password"])
        except pika.exceptions.AMQPError:
            return None

    connection = wait_until("the agent knows the user", login)
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish("", "orders", b"by ops", PERSISTENT)
    assert channel.basic_get("orders")[2] == b"by ops"
    connection.close()
    assert value["password"] not in operator.said()


def test_identities_rotate_while_messages_flow(operator):
    operator.apply("queue.yaml", queue())
    operator.apply("one.yaml", pod("one"))
    operator.apply("two.yaml", pod("two"))
    one, two = operator.ready_pod("one"), operator.ready_pod("two")
    ready(operator)
    first, first_ca = ((one.place / name).read_text() for name in ("tls.crt", "ca.crt"))
    operator.kill()
    operator.flags = ("--ca-announce", "1s", "--ca-retire", "1s", "--rotate-ca")
    operator.start()

    def rotated():
        now = (one.place / "ca.crt").read_text()
        return now.count("BEGIN") == 1 and now != first_ca

    sent = 0
    while not rotated():
        publish(one, b"%d" % sent)
        assert take(two, 1) == [b"%d" % sent]
        sent += 1
    assert sent > 0
    assert (one.place / "tls.crt").read_text() != first
    publish(one, b"after")
    assert take(two, 1) == [b"after"]
    for name, before in (("one", one), ("two", two)):
        assert operator.pod(name).agent_pid == before.agent_pid


def test_a_second_operator_is_refused(operator):
    operator.apply("one.yaml", pod("one"))
    operator.ready_pod("one")
    second = LocalOperator(BUILD, operator.folder)
    done = second.down()
    assert done.returncode != 0
    assert str(operator.process.pid) in done.stderr


def test_restart_policies(operator):
    operator.apply("once.yaml", pod("once", "exit 3", restartPolicy="Never"))
    operator.apply("done.yaml", pod("done", "exit 0", restartPolicy="OnFailure"))
    script = textwrap.dedent(
        """
        test -e "$PANNIER_DIR/amqp-url" || exit 9
        echo started; exit 1
        """
    )
    operator.apply("again.yaml", pod("again", script))
    def phase(name):
        now = operator.pod(name)
        return now and now.status.get("phase")

    wait_until("it failed", lambda: phase("once") == "Failed")
    wait_until("it succeeded", lambda: phase("done") == "Succeeded")
    wait_until("it comes again", lambda: operator.pod("again").log("app").count("started") >= 2)
