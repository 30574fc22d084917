"""Encryption and compression: what lies in the spool's files, and keys that come and go."""

import asyncio
import os
import re
import secrets
import signal
import subprocess
import threading
import time

import aiohttp
import pika
import pytest

from admin import control, status_of
from agents import ConfiguredAgent
from namespaces import Namespace

LIMIT_S = 120
PERSISTENT = pika.BasicProperties(delivery_mode=2)
# Nothing of these may stand in a file: bodies, headers and properties, names, keys.
MARKS = [
    f"{of}-in-clear"
    for of in (
        *("body", "header-name", "header-value", "routing-key", "message-id", "correlation"),
        *("reply-to", "exchange", "client-queue", "group", "http-body", "http-id", "cloud-event"),
        *("large-body", "governed-queue", "tracestate"),
    )
]


class Keys:
    """A folder of keys, changed as kubelet would change a Secret's volume: all at once."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(mode=0o700)
        self.keys = {}
        self.texts = []

    def write(self, current, **changes):
        """add=number, drop=number"""
        if "add" in changes:
            self.keys[str(changes["add"])] = secrets.token_hex(32)
            self.texts.append(self.keys[str(changes["add"])])
        if "drop" in changes:
            del self.keys[str(changes["drop"])]
        files = {**self.keys, "current": str(current)}
        new = self.folder / f"..{secrets.token_hex(4)}"
        new.mkdir(mode=0o755)
        for name, text in files.items():
            (new / name).write_text(text + "\n")
            (new / name).chmod(0o400)
        draft = self.folder / "..data_tmp"
        draft.symlink_to(new.name)
        draft.rename(self.folder / "..data")
        for name in files:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        for link in self.folder.iterdir():
            if not link.name.startswith("..") and link.name not in files:
                link.unlink()


class EncryptedAgent(ConfiguredAgent):
    def __init__(self, folder, required=True):
        super().__init__(folder)
        self.keys = Keys(self.folder / "keys")
        self.keys.write(1, add=1)
        self.config["spool"] = {"maxBytes": "128Mi", "segmentBytes": "2Mi"}
        self.encrypt(required)
        self.policy["clientTopology"] = "Local"
        self.policy["queues"] = [
            {"uid": "u1", "generation": 1, "name": "orders"},
            {"uid": "u2", "generation": 1, "name": "governed-queue-in-clear"},
        ]
        for queue, compression in zip(self.policy["queues"], ("Zstd", "LZ4")):
            queue["storage"] = {"compression": compression}

    def encrypt(self, required):
        self.config["spool"]["encryption"] = {
            "keys": str(self.keys.folder),
            "required": required,
        }

    def on_started(self):
        super().on_started()
        self.wait_for("listening", listener="https")

    def marks(self):
        """Which of MARKS stand in which file of the spool."""
        found = []
        for file in sorted((self.folder / "spool").iterdir()):
            try:
                content = file.read_bytes()
            except FileNotFoundError:
                continue  # a spare one that has gone meanwhile
            found += [(file.name, mark) for mark in MARKS if mark.encode() in content]
        return found

    def keys_in_use(self):
        return status_of(self)["spool"]["encryption"]["keysInUse"]


def eventually(what, is_so):
    until = time.monotonic() + LIMIT_S
    while not is_so(what()):
        assert time.monotonic() < until, f"still {what()}"
    return what()


@pytest.fixture
def agent(tmp_path):
    with EncryptedAgent(tmp_path / "agent") as agent:
        yield agent


def confirming(agent):
    channel = agent.connect().channel()
    channel.confirm_delivery()
    return channel


def publish_over_amqp(agent):
    channel = confirming(agent)
    channel.exchange_declare("exchange-in-clear", "topic", durable=True)
    channel.queue_declare("client-queue-in-clear", durable=True)
    channel.queue_bind("client-queue-in-clear", "exchange-in-clear", "routing-key-in-clear.#")
    properties = pika.BasicProperties(
        delivery_mode=2,
        headers={"header-name-in-clear": "header-value-in-clear", "x-group": "group-in-clear"},
        message_id="message-id-in-clear",
        correlation_id="correlation-in-clear",
        reply_to="reply-to-in-clear",
    )
    for queue in ("orders", "governed-queue-in-clear", "client-queue-in-clear"):
        channel.basic_publish("", queue, b"body-in-clear" + b"." * 100, properties)
    channel.basic_publish(
        "exchange-in-clear", "routing-key-in-clear.one", b"body-in-clear", properties
    )
    for queue in ("orders", "client-queue-in-clear"):
        large = b"large-body-in-clear" + os.urandom(900_000) + b"large-body-in-clear"
        channel.basic_publish("", queue, large, properties)


def post(agent, body, headers=None):
    async def scenario():
        async with aiohttp.ClientSession(
            base_url=agent.of_app("http-url"),
            auth=aiohttp.BasicAuth("app", agent.of_app("password")),
            connector=aiohttp.TCPConnector(ssl=agent.tls()),
        ) as http:
            async with http.post("/orders", data=body, headers=headers) as made:
                assert made.status == 201, await made.text()

    asyncio.run(asyncio.wait_for(scenario(), LIMIT_S))


def publish_over_http(agent):
    headers = {
        "Pannier-Message-Id": "http-id-in-clear",
        "Pannier-Group": "group-in-clear",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "tracestate": "a=tracestate-in-clear",
        "ce-specversion": "1.0",
        "ce-id": "cloud-event-in-clear",
        "ce-source": "/shop",
        "ce-type": "order",
    }
    post(agent, b"http-body-in-clear", headers)


def churn(agent, rounds=12, size=60_000):
    """Segments that are nearly dead, between messages that stay."""
    channel = confirming(agent)
    for number in range(rounds):
        for _ in range(10):
            body = b"body-in-clear" + os.urandom(size)
            channel.basic_publish("", "client-queue-in-clear", body, PERSISTENT)
        kept = pika.BasicProperties(delivery_mode=2, message_id=f"message-id-in-clear-{number}")
        channel.basic_publish("", "orders", b"body-in-clear kept", kept)
    while channel.basic_get("client-queue-in-clear", auto_ack=True)[0]:
        pass


def bodies_of(agent, queue):
    channel = agent.connect().channel()
    bodies = []
    while True:
        method, _, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            return bodies
        bodies.append(body)


def test_nothing_that_was_published_stands_in_any_file_of_the_spool(agent):
    publish_over_amqp(agent)
    publish_over_http(agent)
    assert agent.marks() == []
    churn(agent)
    assert agent.marks() == []
    agent.restart_after_kill()
    churn(agent)
    assert agent.marks() == []
    assert agent.terminate() == 0
    assert agent.marks() == []
    agent.start()
    assert len(bodies_of(agent, "orders")) == 3 + 2 * 12
    assert agent.marks() == []
    assert agent.keys_in_use() == [1]
    for line in agent.lines:
        assert not any(key in str(line) for key in agent.keys.texts)


def test_all_of_it_stands_there_in_clear_without_encryption(tmp_path):
    """Else the test above looks at nothing."""
    agent = EncryptedAgent(tmp_path / "agent")
    del agent.config["spool"]["encryption"]
    for queue in agent.policy["queues"]:
        del queue["storage"]
    with agent:
        publish_over_amqp(agent)
        publish_over_http(agent)
        assert {mark for _, mark in agent.marks()} == set(MARKS)
        assert "encryption" not in status_of(agent)["spool"]


def test_a_crash_loses_nothing_that_was_compressed_and_encrypted(agent):
    text = [b'{"order": %d, "text": "%s"}' % (number, b"word " * 200) for number in range(300)]
    large = b"".join(text) * 5  # in parts
    channel = confirming(agent)
    for body in (*text, large):
        channel.basic_publish("", "orders", body, PERSISTENT)
    post(agent, large)
    live = status_of(agent)["spool"]["live"]
    assert live < (sum(map(len, text)) + 2 * len(large)) / 4, "it is not compressed"
    agent.restart_after_kill()
    assert bodies_of(agent, "orders") == [*text, large, large]


@pytest.mark.parametrize("compression", ["LZ4", "Zstd"])
def test_what_is_compressed_crosses_links_unharmed(tmp_path, compression):
    with Namespace(tmp_path / "made", ["one", "two"], starts=False) as namespace:
        for agent in namespace.agents.values():
            agent.policy["queues"][0]["storage"] = {"compression": compression}
            agent.start()
        bodies = [b"small", b"text " * 10_000, os.urandom(50_000), b"parts " * 200_000]
        channel = confirming(namespace["two"])
        for body in bodies:
            channel.basic_publish("", "orders", body, PERSISTENT)
        consumer = namespace["one"].connect().channel()
        for body in bodies:  # pulled
            method, _, got = next(consumer.consume("orders", inactivity_timeout=LIMIT_S))
            assert got == body
            consumer.basic_ack(method.delivery_tag)
        consumer.cancel()
        for body in bodies:
            channel.basic_publish("", "orders", body, PERSISTENT)
        namespace.tell(draining=["two"])
        assert namespace["two"].terminate() == 0  # pushed
        assert sorted(bodies_of(namespace["one"], "orders")) == sorted(bodies)


def test_keys_rotate_under_load_and_the_old_one_can_go(agent):
    publish_over_amqp(agent)  # a large one, which only moves as a whole
    published, ends = [], threading.Event()

    def load():
        channel = confirming(agent)
        while not ends.is_set():
            body = b"%d " % len(published) + os.urandom(2_000)
            channel.basic_publish("", "orders", body, PERSISTENT)
            published.append(body)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        eventually(lambda: len(published), lambda count: count > 100)
        for key in (2, 3):
            agent.keys.write(key, add=key)
            agent.process.send_signal(signal.SIGHUP)
            agent.wait_for("the spool's keys have changed", current=key)
            eventually(agent.keys_in_use, lambda keys, key=key: keys == [key])
            agent.keys.write(key, drop=key - 1)
        seen = len(published)
        eventually(lambda: len(published), lambda count: count > seen + 100)
    finally:
        ends.set()
        thread.join()
    assert status_of(agent)["spool"]["encryption"] == {
        "currentKey": 3,
        "keysInUse": [3],
        "required": True,
    }
    assert agent.marks() == []
    agent.restart_after_kill()
    assert bodies_of(agent, "orders")[2:] == published


def test_a_key_that_is_needed_is_missed_at_once_and_nothing_is_lost(agent):
    confirming(agent).basic_publish("", "orders", b"kept", PERSISTENT)
    agent.keys.write(2, add=2, drop=1)
    line = agent.wait_for(
        "the spool's keys cannot be used as they are; the last ones still count"
    )
    assert "key 1 is still needed" in line["error"]
    assert "key 1 is still needed" in status_of(agent)["spool"]["encryption"]["error"]
    _, metrics = control(agent, "GET", "/metrics")
    assert "pannier_spool_keys_unusable 1" in metrics
    assert re.search(r'pannier_spool_key_in_use\{key="1"\} 1', metrics)
    confirming(agent).basic_publish("", "orders", b"goes on", PERSISTENT)
    assert agent.terminate() == 0

    def content():
        return {file.name: file.read_bytes() for file in (agent.folder / "spool").iterdir()}

    before = content()
    refused = subprocess.run(
        agent.command(), capture_output=True, text=True, timeout=30, check=False
    )
    assert refused.returncode == 78
    assert "encrypted with key 1, which is not among the keys" in refused.stderr
    assert str(agent.keys.folder) in refused.stderr
    assert content() == before, "a start that is refused changes nothing"
    del agent.config["spool"]["encryption"]
    refused = subprocess.run(
        agent.command(), capture_output=True, text=True, timeout=30, check=False
    )
    assert refused.returncode == 78 and "spool.encryption.keys names no folder" in refused.stderr
    assert content() == before
    agent.encrypt(required=True)
    agent.keys.keys["1"] = agent.keys.texts[0]
    agent.keys.write(2)
    agent.start()
    assert bodies_of(agent, "orders") == [b"kept", b"goes on"]


def test_a_spool_is_encrypted_by_and_by_when_keys_are_given_to_it(tmp_path):
    agent = EncryptedAgent(tmp_path / "agent", required=False)
    del agent.config["spool"]["encryption"]
    with agent:
        publish_over_amqp(agent)
        assert agent.terminate() == 0
        agent.encrypt(required=True)
        refused = subprocess.run(
            agent.command(), capture_output=True, text=True, timeout=30, check=False
        )
        assert refused.returncode == 78
        assert "is not encrypted, and encryption is required" in refused.stderr
        agent.encrypt(required=False)
        agent.start()
        eventually(agent.keys_in_use, lambda keys: keys == [1])
        agent.terminate()
        agent.encrypt(required=True)
        agent.start()
        assert len(bodies_of(agent, "orders")) == 2


@pytest.mark.parametrize(
    "name,text,says",
    [
        ("current", "9", "names key 9, and there is no file of that name"),
        ("current", "one", "expects the number of a key"),
        ("1", "too short", "expects a key of 32 bytes, or their 64 hex digits"),
        ("key-1", "6b" * 32, "a key's file is named by its number"),
    ],
)
def test_says_what_is_wrong_with_a_folder_of_keys(tmp_path, name, text, says):
    agent = EncryptedAgent(tmp_path / "agent")
    (agent.keys.folder / name).unlink(missing_ok=True)
    (agent.keys.folder / name).write_text(text)
    (agent.keys.folder / name).chmod(0o400)
    refused = subprocess.run(
        agent.command(), capture_output=True, text=True, timeout=30, check=False
    )
    assert refused.returncode == 78
    assert says in refused.stderr and str(agent.keys.folder / name) in refused.stderr
    assert "6b6b" not in refused.stderr


def test_takes_no_keys_that_others_may_write(tmp_path):
    agent = EncryptedAgent(tmp_path / "agent")
    (agent.keys.folder / "1").chmod(0o666)
    refused = subprocess.run(
        agent.command(), capture_output=True, text=True, timeout=30, check=False
    )
    assert refused.returncode == 78 and "others than its owner may write it" in refused.stderr
    assert not (agent.folder / "spool" / "spool.id").exists()
