"""Trace context and CloudEvents: the same message over HTTP and AMQP, after a kill and a retry."""

import asyncio
import json

import aiohttp
import pika
import pytest

from agents import DevAgent
from namespaces import Namespace

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
EVENT = {
    "ce-specversion": "1.0",
    "ce-id": "7",
    "ce-source": "/shop",
    "ce-type": "order",
    "ce-subject": "%E2%82%AC",
}
META = {"traceparent": TRACE, "tracestate": "a=b", **EVENT}


@pytest.fixture
def agent(tmp_path):
    with DevAgent(tmp_path / "dev") as agent:
        agent.connect().channel().queue_declare("orders", durable=True)
        yield agent


def call(agent, method, target, **options):
    async def scenario():
        async with aiohttp.ClientSession(f"http://127.0.0.1:{agent.port('http')}") as http:
            async with http.request(method, target, **options) as response:
                assert response.status < 300, await response.text()
                return dict(response.headers), await response.read()

    return asyncio.run(asyncio.wait_for(scenario(), 60))


def test_fields_are_amqps_headers(agent):
    call(agent, "POST", "/orders", json=1, headers=META)
    _, properties, body = agent.connect().channel().basic_get("orders", auto_ack=True)
    assert body == b"1" and properties.content_type == "application/json"
    assert properties.headers == {
        "traceparent": TRACE,
        "tracestate": "a=b",
        "cloudEvents:specversion": "1.0",
        "cloudEvents:id": "7",
        "cloudEvents:source": "/shop",
        "cloudEvents:type": "order",
        "cloudEvents:subject": "\N{EURO SIGN}",
    }


@pytest.mark.parametrize("prefix", ["cloudEvents:", "cloudEvents_"])
def test_amqps_headers_are_fields(agent, prefix):
    headers = {prefix + name[3:]: value for name, value in EVENT.items()}
    headers |= {prefix + "subject": "\N{EURO SIGN}", "traceparent": TRACE, "tracestate": "a=b"}
    channel = agent.connect().channel()
    channel.confirm_delivery()
    channel.basic_publish("", "orders", b"1", pika.BasicProperties(headers=headers))
    fields, body = call(agent, "GET", "/orders")
    assert body == b"1"
    assert {name: fields.get(name) for name in META} == META


def test_they_outlive_a_kill_and_a_retry(agent):
    call(agent, "POST", "/orders", data=b"1", headers=META)
    agent.restart_after_kill()
    _, body = call(agent, "POST", "/v1/queues/orders/receive")
    message = json.loads(body)["messages"][0]
    assert (message["traceparent"], message["tracestate"]) == (TRACE, "a=b")
    nack = {"receipts": [message["receipt"]]}
    call(agent, "POST", "/v1/queues/orders/nack", json=nack)
    fields, _ = call(agent, "GET", "/orders")
    assert fields["Pannier-Delivery-Count"] == "1"
    assert {name: fields.get(name) for name in META} == META


def test_they_cross_a_link(tmp_path):
    async def ask(agent, method, target, **options):
        async with aiohttp.ClientSession(
            agent.of_app("http-url"),
            auth=aiohttp.BasicAuth("app", agent.of_app("password")),
            connector=aiohttp.TCPConnector(ssl=agent.tls()),
        ) as http:
            async with http.request(method, target, **options) as response:
                assert response.status in (200, 201), await response.text()
                return dict(response.headers)

    with Namespace(tmp_path, ["producer", "consumer"]) as pair:
        for agent in (pair["producer"], pair["consumer"]):
            agent.wait_for("listening", listener="https")
        limited = lambda call: asyncio.run(asyncio.wait_for(call, 60))
        limited(ask(pair["producer"], "POST", "/orders", data=b"1", headers=META))
        fields = limited(ask(pair["consumer"], "GET", "/orders?wait=50s"))
    assert {name: fields.get(name) for name in META} == META
