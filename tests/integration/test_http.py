"""HTTP, as apps use it: aiohttp against real agents, plain for developers and over TLS with passwords."""

import asyncio
import json
import re
import socket

import aiohttp
import pytest

from agents import ConfiguredAgent, DevAgent

LIMIT = aiohttp.ClientTimeout(total=60)


@pytest.fixture
def agent(tmp_path):
    with DevAgent(tmp_path / "dev") as agent:
        yield agent


@pytest.fixture
def secured(tmp_path):
    with ConfiguredAgent(tmp_path / "secured") as agent:
        agent.wait_for("listening", listener="https")  # the last one, behind amqps
        yield agent


def run(scenario):
    return asyncio.run(asyncio.wait_for(scenario, 60))


def session(agent, **options):
    return aiohttp.ClientSession(
        base_url=f"http://127.0.0.1:{agent.port('http')}", timeout=LIMIT, **options
    )


def app_session(agent, user="app", password=None):
    """Knows nothing but PANNIER_DIR."""
    return aiohttp.ClientSession(
        base_url=agent.of_app("http-url"),
        auth=aiohttp.BasicAuth(user, password or agent.of_app("password")),
        connector=aiohttp.TCPConnector(ssl=agent.tls()),
        timeout=LIMIT,
    )


async def answer(call, status=200):
    async with call as response:
        text = await response.text()
        assert response.status == status, (response.status, text)
        return json.loads(text) if text else None


def test_json_stays_json(agent):
    async def scenario():
        async with session(agent) as http:
            message = {"content": "hello, world!"}
            made = await answer(http.post("/message", json=message), 201)
            assert made["queue"] == "message" and made["durability"] == "Disk"
            async with http.get("/message") as response:
                assert response.content_type == "application/json"
                assert response.headers["Pannier-Message-Id"] == made["id"]
                assert await response.json() == message
            await answer(http.get("/message"), 204)

    run(scenario())


def test_what_was_answered_with_201_survives_a_kill(agent):
    async def publish():
        async with session(agent) as http:
            for number in range(200):
                await answer(http.post("/orders", data=b"%d" % number), 201)

    async def take_all():
        async with session(agent) as http:
            return [await answer(http.get("/orders")) for _ in range(200)]

    run(publish())
    agent.restart_after_kill()
    assert run(take_all()) == list(range(200)), "in order"


def test_a_long_poll_gets_what_is_published_meanwhile(agent):
    async def scenario():
        async with session(agent) as http:
            await answer(http.post("/orders", data=b"1"), 201)
            assert await answer(http.get("/orders")) == 1
            waiting = asyncio.create_task(answer(http.get("/orders?wait=30s")))
            while not (await answer(http.get("/v1/queues/orders")))["consumers"]:
                pass
            await answer(http.post("/orders", data=b"2"), 201)
            assert await waiting == 2

    run(scenario())


def test_the_take_of_a_client_that_goes_is_nobodys(agent):
    async def scenario():
        async with session(agent) as http:
            await answer(http.post("/orders", data=b"0"), 201)
            await answer(http.get("/orders"))
            waiting = asyncio.create_task(answer(http.get("/orders?wait=30s")))
            while not (await answer(http.get("/v1/queues/orders")))["consumers"]:
                pass
            waiting.cancel()
            while (await answer(http.get("/v1/queues/orders")))["consumers"]:
                pass
            await answer(http.post("/orders", data=b"1"), 201)
            assert await answer(http.get("/orders")) == 1

    run(scenario())


def test_the_take_of_a_client_that_leaves_amid_a_body_returns(agent):
    request = b"GET /orders HTTP/1.1\r\nHost: localhost\r\n\r\n"
    body = b"x" * 3_000_000

    async def leave(http, heard):
        with socket.create_connection(("127.0.0.1", agent.port("http"))) as client:
            client.sendall(request)
            while heard > 0:
                heard -= len(client.recv(heard))
            # However much time there is, the kernel does not take all of it ahead.
            for _ in range(50):
                assert (await answer(http.get("/v1/queues/orders")))["unacked"] == 1

    async def scenario():
        async with session(agent) as http:
            await answer(http.post("/orders", data=body), 201)
            for heard in (1, 100_000):
                await leave(http, heard)
                while not (await answer(http.get("/v1/queues/orders")))["ready"]:
                    pass
            async with http.get("/orders") as whole:
                assert await whole.read() == body

    run(scenario())


def test_times_are_what_amqps_clients_know(agent):
    async def scenario():
        async with session(agent) as http:
            times = {"Pannier-Delay": "300ms", "Pannier-TTL": "1h"}
            await answer(http.post("/orders", data=b"1", headers=times), 201)
            assert (await answer(http.get("/v1/queues/orders")))["delayed"] == 1
            async with http.get("/orders?wait=30s") as response:
                assert response.headers["Pannier-Delay"] == "300ms"
                assert response.headers["Pannier-TTL"] == "1h"
            await answer(http.post("/orders", data=b"2", headers=times), 201)
            while not (await answer(http.get("/v1/queues/orders")))["ready"]:
                pass

    run(scenario())
    _, properties, body = agent.connect().channel().basic_get("orders", auto_ack=True)
    assert body == b"2"
    assert properties.expiration == "3600000"
    assert properties.headers["x-delay"] == 300


def test_what_is_held_back_survives_a_kill(agent):
    async def hold_back():
        async with session(agent) as http:
            delayed = {"Pannier-Delay": "1h"}
            await answer(http.post("/orders", data=b"0", headers=delayed), 201)
            await answer(http.post("/orders", data=b"1"), 201)
            got = await answer(http.post("/v1/queues/orders/receive", json={}))
            nack = {"receipts": [got["messages"][0]["receipt"]], "delay": "1h"}
            await answer(http.post("/v1/queues/orders/nack", json=nack))

    async def look():
        async with session(agent) as http:
            # After a start they count as ready until they have been looked at.
            while (await answer(http.get("/v1/queues/orders")))["delayed"] < 2:
                pass
            await answer(http.get("/orders"), 204)

    run(hold_back())
    agent.restart_after_kill()
    run(look())


def test_leases_are_settled_returned_and_refused_when_stale(agent):
    async def scenario():
        async with session(agent) as http:
            lines = "\n".join(json.dumps({"body": number}) for number in range(3))
            headers = {"Content-Type": "application/x-ndjson"}
            made = await answer(
                http.post("/v1/queues/orders/messages", data=lines, headers=headers), 201
            )
            assert len(made["ids"]) == 3
            call = {"max": 3, "ackTimeout": "60s"}
            got = (await answer(http.post("/v1/queues/orders/receive", json=call)))["messages"]
            assert [each["body"] for each in got] == [0, 1, 2]
            receipts = [each["receipt"] for each in got]
            one = {"receipts": receipts[:1]}
            assert (await answer(http.post("/v1/queues/orders/ack", json=one)))["settled"] == 1
            await answer(http.post("/v1/queues/orders/ack", json=one), 409)
            await answer(http.post("/v1/queues/orders/nack", json={"receipts": receipts[1:]}))
            again = (await answer(http.post("/v1/queues/orders/receive", json=call)))["messages"]
            assert [each["body"] for each in again] == [1, 2]
            assert all(each["redelivered"] and each["deliveryCount"] == 1 for each in again)

    run(scenario())


def test_large_bodies_pass_whole_both_ways(agent):
    large = bytes(range(256)) * 20_000

    async def scenario():
        async with session(agent) as http:
            await answer(http.post("/orders", data=large), 201)
            async with http.get("/orders") as response:
                assert await response.read() == large

    run(scenario())
    channel = agent.connect().channel()

    async def publish():
        async with session(agent) as http:
            await answer(http.post("/orders", data=large), 201)

    run(publish())
    assert channel.basic_get("orders", auto_ack=True)[2] == large, "over AMQP too"


def test_many_clients_at_once_lose_nothing(agent):
    async def scenario():
        async with session(agent) as http:
            await asyncio.gather(
                *(answer(http.post("/orders", data=b"%d" % n), 201) for n in range(500))
            )
            got = await asyncio.gather(*(answer(http.get("/orders")) for _ in range(500)))
            assert sorted(got) == list(range(500))

    run(scenario())


def test_foreign_pages_are_refused(agent):
    async def scenario():
        async with session(agent) as http:
            for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
                problem = await answer(http.post("/orders", data=b"x", headers=headers), 403)
                assert problem["code"] == "access_denied"

    run(scenario())


def test_an_app_over_tls_with_what_it_finds_in_its_folder(secured):
    async def scenario():
        async with app_session(secured) as http:
            await answer(http.post("/orders", json={"id": 1}), 201)
            assert await answer(http.get("/orders")) == {"id": 1}
            problem = await answer(http.post("/unknown", data=b"x"), 404)
            assert problem["code"] == "not_found"
        async with app_session(secured, password="wrong") as http:
            async with http.post("/orders", data=b"x") as response:
                assert response.status == 401
                assert response.headers["WWW-Authenticate"].startswith("Basic")
                assert "wrong" not in await response.text()
        async with app_session(secured) as http:
            http._default_auth = None
            await answer(http.get("/orders"), 401)

    run(scenario())
    assert not any(secured.of_app("password") in json.dumps(line) for line in secured.lines)


def test_who_may_not_is_told_403_and_the_policy_counts_at_once(secured):
    secured.policy["queues"][0]["access"] = [
        {"subjects": [{"kind": "ServiceAccount", "name": "somebody"}], "verbs": ["Consume"]}
    ]
    secured.policy["queues"][0]["generation"] = 2
    secured.write_policy()
    secured.wait_for("a policy is applied")

    async def scenario():
        async with app_session(secured) as http:
            problem = await answer(http.post("/orders", data=b"x"), 403)
            assert problem["code"] == "access_denied"
            assert re.search("orders", problem["detail"])

    run(scenario())


def test_a_repeat_with_its_key_is_taken_once_also_after_a_kill(tmp_path):
    async def publish(agent, key):
        async with app_session(agent) as http:
            headers = {"Idempotency-Key": key}
            return await answer(http.post("/orders", data=b"1", headers=headers), 201)

    async def ready(agent):
        async with app_session(agent) as http:
            return (await answer(http.get("/v1/queues/orders")))["ready"]

    agent = ConfiguredAgent(tmp_path / "once")
    agent.policy["queues"][0]["delivery"] = {"dedup": {"by": "MessageId"}}
    with agent:
        agent.wait_for("listening", listener="https")
        first = run(publish(agent, '"a key"'))
        assert first == {"id": "a key", "queue": "orders", "durability": "Disk"}
        assert run(publish(agent, '"a key"')) == first | {"duplicate": True}
        agent.restart_after_kill()
        agent.wait_for("listening", listener="https")
        assert run(publish(agent, '"a key"')) == first | {"duplicate": True}
        assert run(publish(agent, "other"))["id"] == "other"
        assert run(ready(agent)) == 2
