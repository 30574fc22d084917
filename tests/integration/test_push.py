"""Messages that are pushed over HTTP, as apps take them: server-sent events and WebSockets."""

import asyncio
import json
import os
import socket

import aiohttp
import pytest

from agents import ConfiguredAgent, DevAgent

LIMIT = aiohttp.ClientTimeout(total=90)
QUEUE = "/v1/queues/orders"


@pytest.fixture
def agent(tmp_path):
    with DevAgent(tmp_path / "dev") as agent:
        agent.connect().channel().queue_declare("orders", durable=True)
        yield agent


@pytest.fixture
def secured(tmp_path):
    with ConfiguredAgent(tmp_path / "secured") as agent:
        agent.wait_for("listening", listener="https")
        yield agent


def run(scenario):
    return asyncio.run(asyncio.wait_for(scenario, 90))


def session(agent):
    return aiohttp.ClientSession(
        base_url=f"http://127.0.0.1:{agent.port('http')}", timeout=LIMIT, read_bufsize=1 << 22
    )


def app_session(agent):
    return aiohttp.ClientSession(
        base_url=agent.of_app("http-url"),
        auth=aiohttp.BasicAuth("app", agent.of_app("password")),
        connector=aiohttp.TCPConnector(ssl=agent.tls()),
        timeout=LIMIT,
    )


async def answer(call, status=200):
    async with call as response:
        text = await response.text()
        assert response.status == status, (response.status, text)
        return json.loads(text) if text else None


async def publish(http, *bodies):
    lines = "\n".join(json.dumps({"body": body}) for body in bodies)
    headers = {"Content-Type": "application/x-ndjson"}
    await answer(http.post(f"{QUEUE}/messages", data=lines, headers=headers), 201)


async def status(http):
    return await answer(http.get(QUEUE))


async def until(http, **wanted):
    while True:
        found = await status(http)
        if all(found[key] == value for key, value in wanted.items()):
            return


async def next_event(response):
    """(event, id, data) of the next one; None at the end."""
    event = {}
    async for line in response.content:
        line = line.decode().rstrip("\n")
        if not line and "event" in event:
            return event["event"], event.get("id"), json.loads(event["data"])
        key, _, value = line.partition(": ")
        event[key] = value
    return None


def test_events_are_settled_by_other_requests(agent):
    async def scenario():
        async with session(agent) as http:
            await publish(http, *range(50))
            async with http.get(f"{QUEUE}/stream?max=4") as stream:
                assert stream.content_type == "text/event-stream"
                held = []
                for number in range(50):
                    name, receipt, data = await next_event(stream)
                    assert (name, data["body"]) == ("message", number)
                    held.append(receipt)
                    if len(held) == 4:
                        await answer(http.post(f"{QUEUE}/ack", json={"receipts": held}))
                        held = []
                await answer(http.post(f"{QUEUE}/ack", json={"receipts": held}))
            await until(http, consumers=0)

    run(scenario())


def test_what_a_client_held_comes_back_when_it_vanishes(agent):
    async def scenario():
        async with session(agent) as http:
            await publish(http, *range(20))
            reader, writer = await asyncio.open_connection("127.0.0.1", agent.port("http"))
            writer.write(f"GET {QUEUE}/stream?max=10 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            for _ in range(10):
                await reader.readuntil(b"event: message")
            assert (await status(http))["unacked"] == 10
            writer.transport.abort()
            await until(http, consumers=0, ready=20, unacked=0)
            got = await answer(http.post(f"{QUEUE}/receive", json={"max": 20}))
            assert [each["body"] for each in got["messages"]] == list(range(20))
            assert [each["redelivered"] for each in got["messages"][:10]] == [True] * 10

    run(scenario())


def test_what_is_written_is_settled_with_auto_ack(agent):
    async def scenario():
        async with session(agent) as http:
            await publish(http, *range(1_000))
            async with http.get(f"{QUEUE}/stream?autoAck=true&max=100") as stream:
                got = [(await next_event(stream))[2]["body"] for _ in range(1_000)]
                assert got == list(range(1_000))
                await until(http, ready=0, unacked=0)

    run(scenario())


def test_what_was_not_acked_outlives_a_kill(agent):
    async def take(count):
        async with session(agent) as http:
            async with http.get(f"{QUEUE}/stream?max=100") as stream:
                got = [(await next_event(stream))[1:] for _ in range(count)]
                done = [receipt for receipt, data in got if data["body"] % 2 == 0]
                if done:
                    await answer(http.post(f"{QUEUE}/ack", json={"receipts": done}))
                return [data["body"] for _, data in got]

    async def fill():
        async with session(agent) as http:
            await publish(http, *range(100))

    run(fill())
    assert run(take(100)) == list(range(100))
    agent.restart_after_kill()
    assert run(take(50)) == list(range(1, 100, 2)), "acked is settled, the rest is not"


def test_a_deleted_queue_is_the_last_event(agent):
    async def scenario():
        async with session(agent) as http:
            async with http.get(f"{QUEUE}/stream") as stream:
                await until(http, consumers=1)
                channel = await asyncio.to_thread(lambda: agent.connect().channel())
                await asyncio.to_thread(channel.queue_delete, "orders")
                name, _, data = await next_event(stream)
                assert (name, data["code"]) == ("gone", "not_found")
                assert await next_event(stream) is None, "a whole answer, and its end"

    run(scenario())


def test_a_clean_end_says_so(agent):
    async def scenario():
        async with session(agent) as http:
            async with http.get(f"{QUEUE}/stream") as stream:
                async with http.ws_connect(f"{QUEUE}/stream") as ws:
                    await until(http, consumers=2)
                    end = asyncio.create_task(asyncio.to_thread(agent.terminate))
                    name, _, data = await next_event(stream)
                    assert (name, data["code"]) == ("gone", "closed")
                    assert await next_event(stream) is None
                    assert (await ws.receive_json())["type"] == "gone"
                    assert (await ws.receive()).type == aiohttp.WSMsgType.CLOSE
                    assert ws.close_code == 1001
                    assert await end == 0

    run(scenario())


def test_a_socket_takes_acks_and_answers_once_durable(agent):
    async def scenario():
        async with session(agent) as http:
            await publish(http, *range(200))
            socket_ = http.ws_connect(f"{QUEUE}/stream?max=10", protocols=["pannier.v1"])
            async with socket_ as ws:
                assert ws.protocol == "pannier.v1"
                bodies, settled, sent = [], set(), set()
                while len(settled) < 200:
                    message = await ws.receive_json()
                    if message["type"] == "message":
                        bodies.append(message["body"])
                        sent.add(message["receipt"])
                        await ws.send_json({"type": "ack", "receipts": [message["receipt"]]})
                    else:
                        assert message["type"] == "settled", message
                        settled.update(message["receipts"])
                assert bodies == list(range(200)) and settled == sent
                await ws.send_str("nonsense")
                assert (await ws.receive_json())["code"] == "bad_argument"
            assert ws.close_code == 1000
            await until(http, consumers=0, ready=0, unacked=0)

    run(scenario())
    agent.restart_after_kill()

    async def nothing_left():
        async with session(agent) as http:
            await answer(http.get("/orders"), 204)

    run(nothing_left())


def test_foreign_pages_get_no_socket(agent, secured):
    async def scenario():
        async with session(agent) as http:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(f"{QUEUE}/stream", origin="https://evil.example")
            assert refused.value.status == 403
        async with app_session(secured) as http:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(f"{QUEUE}/stream", origin="https://evil.example")
            assert refused.value.status == 403, "over TLS a browser may know the password"

    run(scenario())


def test_over_tls_and_until_the_right_is_taken_away(secured):
    async def scenario():
        async with app_session(secured) as http:
            await publish(http, "one", "two")
            async with http.get(f"{QUEUE}/stream?autoAck=true") as stream:
                for body in ("one", "two"):
                    assert (await next_event(stream))[2]["body"] == body
                await until(http, ready=0, unacked=0)
                async with http.ws_connect(f"{QUEUE}/stream") as ws:
                    await until(http, consumers=2)
                    secured.policy["queues"][0]["access"] = [
                        {
                            "subjects": [{"kind": "ServiceAccount", "name": "checkout"}],
                            "verbs": ["Publish"],
                        }
                    ]
                    secured.policy["queues"][0]["generation"] = 2
                    secured.write_policy()
                    name, _, data = await next_event(stream)
                    assert (name, data["code"]) == ("gone", "access_denied")
                    assert await next_event(stream) is None
                    assert (await ws.receive_json())["code"] == "access_denied"
                    await ws.receive()
                    assert ws.close_code == 1008
            await answer(http.get(f"{QUEUE}/stream"), 403)

    run(scenario())


def rss_kib(agent):
    with open(f"/proc/{agent.process.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def test_200_who_do_not_read_hold_little_and_nobody_else(agent):
    async def scenario():
        async with session(agent) as http:
            before = rss_kib(agent)
            slow = []
            for _ in range(200):
                one = socket.socket()
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                one.connect(("127.0.0.1", agent.port("http")))
                one.sendall(
                    f"GET {QUEUE}/stream?max=20 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
                )
                slow.append(one)
            await until(http, consumers=200)
            body = "x" * 10_000
            for _ in range(40):
                await publish(http, *[body] * 300)
            held = rss_kib(agent) - before
            assert held < 100 << 10, held
            # Others are served at once.
            taken = await answer(http.get("/orders"))
            assert taken == body
            for one in slow:
                one.close()
            await until(http, consumers=0, unacked=0, ready=11_999)

    run(scenario())


UPGRADE = (
    f"GET {QUEUE}/stream HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
).encode()


def test_garbage_after_an_upgrade_ends_that_connection_only(agent):
    def one(garbage):
        with socket.create_connection(("127.0.0.1", agent.port("http")), 30) as raw:
            raw.sendall(UPGRADE)
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += raw.recv(4096)
            assert answer.startswith(b"HTTP/1.1 101 ")
            try:
                raw.sendall(garbage)
                raw.shutdown(socket.SHUT_WR)
                while raw.recv(65536):
                    pass
            except OSError:
                pass  # it was cut off

    for garbage in (
        b"",
        b"\x81",  # half a head
        b"\x81\x85mask",  # a head, and nothing
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x81\xff\x7f" + b"\xff" * 7 + b"mask",  # 2^63 bytes announced
        b"\x00" * 100_000,
        b"\x89\x80mask" * 100_000,  # pings, whose pongs nobody reads
    ):
        one(garbage)
    for _ in range(50):
        one(os.urandom(2_000))

    async def scenario():
        async with session(agent) as http:
            await until(http, consumers=0, unacked=0)
            await publish(http, 1)
            assert await answer(http.get("/orders")) == 1

    run(scenario())
