"""pannierctl against real agents: one by its socket, and a folder like that of the local operator."""

import json
import os
import pty
import subprocess

import pytest

from agents import BUILD
from namespaces import Namespace

LIMIT_S = 60
HOSTILE = "\x1b[2J\x9b31m\u202ebad\x07\nnext"


def run(*arguments, code=0, stdin="", cwd=None, env=None):
    """What it prints; its complaints are kept beside."""
    done = subprocess.run(
        [BUILD / "pannierctl", *map(str, arguments)],
        input=stdin if isinstance(stdin, bytes) else stdin.encode(),
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
        cwd=cwd,
        env={**os.environ, **(env or {})},
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    run.errors = done.stderr.decode()
    return done.stdout.decode()


def lines_of(output):
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture
def ctl(dev_agent):
    """pannierctl with --socket of a `pannier-agent dev`; publishing makes the queue."""
    socket = dev_agent.folder / "data" / "control.sock"

    def of_socket(verb="", *arguments, **options):
        more = ["--create"] if verb == "publish" else []
        return run("--socket", socket, *([verb] if verb else []), *arguments, *more, **options)

    return of_socket


class Folder:
    """DIR with a .pannier as the local operator keeps it, for two agents of a namespace."""

    def __init__(self, tmp_path):
        self.root = tmp_path / "d"
        self.state = self.root / ".pannier"
        self.agents = Namespace(tmp_path / "a", ["one", "two"], queues=("orders",))
        for directory in ("run", "objects/Pod/shop", "objects/MessageQueue/shop"):
            (self.state / directory).mkdir(parents=True)
        for name, agent in self.agents.agents.items():
            socket = self.state / "run" / f"{agent.pod_uid[:8]}.sock"
            agent.config["listeners"]["control"]["socket"] = str(socket)
            self.write("Pod", name, self.pod(agent.pod_uid))
        self.write("MessageQueue", "orders-object", self.queue())

    def write(self, kind, name, json_of_it):
        json_of_it["metadata"].update(name=name, namespace="shop")
        file = self.state / "objects" / kind / "shop" / f"{name}.json"
        file.write_text(json.dumps(json_of_it))

    @staticmethod
    def pod(uid):
        return {
            "kind": "Pod",
            "metadata": {"uid": uid, "annotations": {"pannier.dev/injected": "default"}},
            "status": {
                "phase": "Running",
                "podIP": "127.0.0.1",
                "initContainerStatuses": [{"name": "pannier-agent", "pid": 4711}],
            },
        }

    @staticmethod
    def queue():
        return {
            "kind": "MessageQueue",
            "metadata": {
                "uid": "uid-orders",
                "generation": 1,
                "creationTimestamp": "2026-11-22T10:00:00Z",
            },
            "spec": {"queueName": "orders", "storage": {"maxBytes": "1Gi"}},
            "status": {
                "observedGeneration": 1,
                "agents": {"desired": 2, "ready": 2, "upToDate": 2},
                "conditions": [{"type": "Ready", "status": "True", "reason": "AllUpToDate"}],
            },
        }

    def ctl(self, *arguments, **options):
        return run("--local", self.root, "-n", "shop", *arguments, **options)

    def queues(self):
        return json.loads(self.ctl("get", "queues", "-o", "json"))["queues"]


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path)
    with made.agents:
        yield made


def test_publish_says_what_was_reached_and_receive_takes_it(ctl):
    published = ctl("publish", "orders", '{"id":  1}', "--id", "m-1")
    assert published == "m-1 Disk\n"
    (peeked,) = lines_of(ctl("peek", "orders", "-o", "json"))
    assert peeked["id"] == "m-1" and peeked["body"] == {"id": 1}
    (put_back,) = lines_of(ctl("receive", "orders", "--no-ack", "-o", "json"))
    assert put_back["deliveryCount"] == 0
    taken = ctl("receive", "orders", "--wait", "20s")
    assert taken.splitlines()[1].split()[0] == "m-1"
    assert '{"id":  1}' in taken or '{"id":1}' in taken
    assert ctl("receive", "orders") == ""
    assert "no message" in run.errors


def test_bodies_come_from_arguments_files_and_lines(ctl, tmp_path):
    file = tmp_path / "body"
    file.write_bytes(b"\xff\x00" * 200_000)
    ctl("publish", "q", "[1,2]")
    ctl("publish", "q", "--file", file)
    ctl("publish", "q", "-", stdin="from stdin\n")
    ctl("publish", "q", "text", "--header", "x-a=b=c", "--content-type", "text/html")
    assert len(ctl("publish", "q", "--lines", stdin="one\ntwo").splitlines()) == 2
    got = lines_of(ctl("receive", "q", "--max", 10, "-o", "json"))
    assert [each.get("body", each.get("bodyText")) for each in got] == [
        [1, 2], None, "from stdin\n", "text", "one", "two",
    ]  # fmt: skip
    assert got[1]["contentType"] == "application/octet-stream"
    assert got[3]["headers"]["x-a"] == "b=c" and got[3]["contentType"] == "text/html"


def test_many_messages_go_in_batches_and_come_in_several_requests(ctl):
    lines = "".join(f"{number}\n" for number in range(5_000))
    assert len(set(ctl("publish", "many", "--lines", stdin=lines).splitlines())) == 5_000
    got = lines_of(ctl("receive", "many", "--max", 6_000, "-o", "json"))
    assert [each["body"] for each in got] == list(range(5_000))
    assert ctl("publish", "many", "x", "--count", 3, "-o", "json").count("Disk") == 3


def test_a_hostile_message_does_not_drive_the_terminal(ctl):
    ctl("publish", "q", HOSTILE)
    ctl("publish", "q", "--file", "-", stdin=HOSTILE)
    for output in ((), ("-o", "wide"), ("-o", "json")):
        for verb in ("peek", "receive"):
            keeps = ["--no-ack"] if verb == "receive" else []
            shown = ctl(verb, "q", "--max", 1, *output, *keeps)
            assert shown and not set(shown) & set("\x1b\x9b\x07\u202e\r"), shown
    shown = ctl("receive", "q")
    assert "\\x1b[2J\\u{9b}31m\\u{202e}bad\\x07\\nnext" in shown


def test_names_with_slashes_and_other_bytes(ctl):
    for name in ("a/b", "a b?c#d%2F", "größe", "..", "v1"):
        ctl("publish", name, "x")
        assert len(lines_of(ctl("peek", name, "-o", "json"))) == 1
        assert f"Name:         {name}\n" in ctl("describe", "queue", name)
        assert len(lines_of(ctl("receive", name, "-o", "json"))) == 1
    ctl("publish", "a/\x1b", "x")
    assert "\x1b" not in ctl("get", "queues")


def test_a_refusal_says_why(configured_agent):
    def ctl(*arguments, **options):
        return run("--socket", configured_agent.folder / "control.sock", *arguments, **options)

    assert ctl("publish", "nosuch", "x", code=1) == ""
    assert "nosuch" in run.errors and run.errors.startswith("pannierctl: ")
    assert "--create" in run.errors and "nosuch" not in ctl("get", "queues")
    assert ctl("receive", "orders", "--wait", "6m", code=1) == ""
    assert "'wait': at most 5m" in run.errors
    assert "orders" in ctl("get", "queues")


def test_usage_errors_end_with_2(ctl, tmp_path):
    for arguments in (
        ["get"], ["get", "pods"], ["publish", "q"], ["publish", "q", "x", "--file", "y"],
        ["publish", "q", "x", "--header", "novalue"], ["publish", "q", "--lines", "--id", "x"],
        ["receive", "q", "--wait", "soon"], ["get", "queues", "-o", "yaml"], ["purge", "q"],
        ["receive", "q", "--max", "0"], [],
    ):  # fmt: skip
        ctl("publish", "q", "x")
        assert ctl(*arguments, code=2) == "", arguments
        assert run.errors
    run("get", "queues", code=2, cwd=tmp_path)
    assert "--local DIR" in run.errors and "--socket PATH" in run.errors
    run("get", "queues", "--local", tmp_path, code=2)
    assert str(tmp_path) in run.errors


def test_what_cannot_be_printed_is_not_acknowledged(ctl, dev_agent):
    ctl("publish", "q", "precious")
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [BUILD / "pannierctl", "--socket", dev_agent.folder / "data" / "control.sock"]
            + ["receive", "q"],
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=LIMIT_S,
            check=False,
        )
    assert done.returncode == 1
    (again,) = lines_of(ctl("receive", "q", "-o", "json"))
    assert again["bodyText"] == "precious" and again["redelivered"]


def test_a_folder_is_found_and_counts_are_those_of_all_agents(folder):
    for name, count in (("one", 2), ("two", 3)):
        folder.ctl("publish", "orders", "x", "--count", count, "--agent", name)
    (queue,) = folder.queues()
    assert queue["name"] == "orders" and queue["object"] == "orders-object"
    assert queue["messages"]["ready"] == 5 and queue["isComplete"]
    assert queue["ready"] == {
        "upToDate": 2, "desired": 2, "condition": "True", "reason": "AllUpToDate",
    }  # fmt: skip
    below = folder.root / "below"
    below.mkdir()
    table = run("get", "queues", "-A", cwd=below)
    assert table.splitlines()[1].split()[:5] == ["shop", "orders", "2/2", "5", "0"]
    assert run("get", "queues", "-A", env={"PANNIER_LOCAL": str(folder.root)}) == table
    assert run("get", "queues", "--local", folder.root) == "", "namespace default"
    agents = json.loads(folder.ctl("get", "agents", "-o", "json"))["agents"]
    assert [each["pod"] for each in agents] == ["one", "two"]
    assert all(each["answers"] and each["pid"] == 4711 for each in agents)
    assert agents[0]["status"]["phase"] == "serving"
    peeked = lines_of(folder.ctl("peek", "orders", "-o", "json"))
    assert len(peeked) == 5 and {each["agent"] for each in peeked} == {"one", "two"}


def test_an_agent_that_is_dead_is_unreachable_and_not_zero(folder):
    folder.ctl("publish", "orders", "x", "--count", 2, "--agent", "one")
    folder.agents["two"].kill()
    (queue,) = folder.queues()
    assert queue["messages"]["ready"] == 2 and not queue["isComplete"]
    assert queue["silentAgents"] == ["two"]
    assert folder.ctl("get", "queues").splitlines()[1].split()[1:4] == ["2/2", "2+?", "0+?"]
    assert "'two'" in run.errors
    row = folder.ctl("get", "agents").splitlines()[2].split()
    assert row[0] == "two" and row[2] == "unreachable" and row[4] == "?"
    assert "unreachable" in folder.ctl("describe", "queue", "orders")
    assert "orders" in folder.ctl("publish", "orders", "x", "-o", "json")
    purged = folder.ctl("purge", "orders", "--yes", code=1)
    assert purged.splitlines()[1].split() == ["one", "3"]
    assert purged.splitlines()[2].split() == ["two", "?"]
    assert "two" in run.errors and "'one'" not in run.errors
    folder.ctl("publish", "orders", "x", "--agent", "two", code=1)
    assert "does not answer" in run.errors
    folder.ctl("publish", "nosuch", "x", "--agent", "one", code=1)
    folder.ctl("publish", "nosuch", "x", "--create", code=2)
    folder.agents["one"].kill()
    (queue,) = folder.queues()
    assert queue["messages"]["ready"] is None
    folder.ctl("publish", "orders", "x", code=1)


def test_describe_shows_object_conditions_and_events(folder):
    event = {
        "time": "2026-11-22T10:00:00Z", "type": "Warning", "kind": "MessageQueue",
        "namespace": "shop", "name": "orders-object", "reason": "Slow", "note": "a \x1b[2Jnote",
    }  # fmt: skip
    (folder.state / "events.jsonl").write_text(json.dumps(event) + "\n{half")
    for name in ("orders", "orders-object"):
        text = folder.ctl("describe", "queue", name)
        assert "Storage:      maxBytes 1Gi\n" in text and "AllUpToDate" in text
        assert "a \\x1b[2Jnote" in text
    described = json.loads(folder.ctl("describe", "queue", "orders", "-o", "json"))
    assert described["events"][0]["reason"] == "Slow"
    assert described["messageQueue"]["spec"]["storage"] == {"maxBytes": "1Gi"}
    folder.ctl("describe", "queue", "nosuch", code=1)
    assert "there are orders" in run.errors


def test_purge_asks_where_it_can(folder):
    folder.ctl("publish", "orders", "x", "--count", 2, "--agent", "one")
    folder.ctl("purge", "orders", code=2)
    assert "--yes" in run.errors
    command = [BUILD / "pannierctl", "--local", folder.root, "-n", "shop", "purge", "orders"]
    for answer, code in ((b"n\n", 1), (b"y\n", 0)):
        outer, inner = pty.openpty()
        os.write(outer, answer)
        done = subprocess.run(
            command, stdin=inner, capture_output=True, timeout=LIMIT_S, check=False
        )
        os.close(inner)
        os.close(outer)
        assert done.returncode == code, done.stderr
        assert b"2 ready messages of queue 'orders' on 2 agent(s)? [y/N]" in done.stderr
    (queue,) = folder.queues()
    assert queue["messages"]["ready"] == 0


def test_objects_that_make_no_sense_are_named_and_left_out(folder):
    (folder.state / "objects" / "MessageQueue" / "shop" / "bad.json").write_text("{")
    (folder.state / "objects" / "Pod" / "shop" / "odd.json").write_text('{"metadata": []}')
    (queue,) = folder.queues()
    assert queue["name"] == "orders"
    assert "no MessageQueue" in run.errors and "no Pod" in run.errors
