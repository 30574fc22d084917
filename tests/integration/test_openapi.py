"""The OpenAPI document: whether it is one, and whether the agent answers as it says."""

import asyncio
import copy
import json
import pathlib
import re

import aiohttp
import jsonschema
import pytest

from agents import ConfiguredAgent, DevAgent

# The OpenAPI Initiative's own schema of such documents, as Debian packages it.
SCHEMA = pathlib.Path("/usr/share/openapi-specification/schemas/v3.0/schema.json")
LIMIT = aiohttp.ClientTimeout(total=60)
QUEUE = "/v1/queues/orders"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


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


class Checked:
    """Makes calls, and holds each answer against the document."""

    def __init__(self, http, document):
        self.http = http
        self.document = document
        self.seen = set()  # (path, method, status)

    def find(self, path):
        for template in sorted(self.document["paths"], key=lambda each: each.count("{")):
            pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, path):
                return template
        raise AssertionError(f"{path} is not in the document")

    def resolved(self, value):
        """Without references, and as JSON Schema: strict about what is not described."""
        if isinstance(value, list):
            return [self.resolved(each) for each in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            target = self.document
            for part in value["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            return self.resolved(target)
        plain = {key: self.resolved(each) for key, each in value.items()}
        if plain.get("nullable"):
            plain["type"] = [plain["type"], "null"]
        if plain.get("type") == "object" and "properties" in plain:
            plain.setdefault("additionalProperties", False)
        return plain

    async def __call__(self, method, target, status, **options):
        path = target.split("?")[0]
        template = self.find(path)
        operation = self.document["paths"][template].get(method.lower())
        async with self.http.request(method, target, **options) as response:
            body = await response.read()
            assert response.status == status, (method, target, response.status, body)
            if operation is None:  # then the answer is the same for all methods that are none
                operation = next(
                    each
                    for key, each in self.document["paths"][template].items()
                    if key in METHODS
                )
            described = operation["responses"].get(str(status))
            assert described, f"{method} {template}: {status} is not described"
            self.seen.add((template, method.lower(), status))
            described = self.resolved(copy.deepcopy(described))
            for name in described.get("headers", {}) if status >= 400 else {}:
                assert name in response.headers, (name, response.headers)
            content = described.get("content")
            if content is None:
                assert body == b""
                return None
            if response.content_type not in content:
                assert "*/*" in content, (response.content_type, content)
                return body
            schema = content[response.content_type]["schema"]
            value = json.loads(body)
            jsonschema.Draft202012Validator(
                schema, format_checker=jsonschema.FormatChecker()
            ).validate(value)
            return value


def run(scenario):
    return asyncio.run(asyncio.wait_for(scenario, 60))


async def document_of(http):
    async with http.get("/v1/openapi.json") as response:
        assert response.content_type == "application/json"
        return await response.json()


def references(value):
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        value = list(value.values())
    for each in value if isinstance(value, list) else []:
        yield from references(each)


def test_the_document_is_one_by_the_initiatives_own_schema(agent):
    async def scenario():
        async with aiohttp.ClientSession(f"http://127.0.0.1:{agent.port('http')}") as http:
            return await document_of(http)

    document = run(scenario())
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft4Validator.check_schema(schema)
    errors = list(jsonschema.Draft4Validator(schema).iter_errors(document))
    assert not errors, errors
    # What a schema cannot say.
    for reference in references(document):
        target = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
    names = []
    for path, item in document["paths"].items():
        declared = {
            document["components"]["parameters"]["queue"]["name"]
            for each in item.get("parameters", [])
            if each == {"$ref": "#/components/parameters/queue"}
        }
        assert set(re.findall(r"\{(\w+)\}", path)) == declared, path
        names += [item[method]["operationId"] for method in METHODS if method in item]
    assert len(names) == len(set(names))
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)


async def lease(check, count=1):
    found = await check("POST", f"{QUEUE}/receive", 200, json={"max": count})
    return [each["receipt"] for each in found["messages"]]


def test_each_call_answers_as_the_document_says(agent):
    ndjson = {"Content-Type": "application/x-ndjson"}
    events = {"Content-Type": "application/cloudevents-batch+json"}
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}

    async def scenario():
        base = f"http://127.0.0.1:{agent.port('http')}"
        async with aiohttp.ClientSession(base, timeout=LIMIT) as http:
            check = Checked(http, await document_of(http))
            await check("GET", "/v1/openapi.json", 200)
            await check("GET", "/v1/queues", 200)
            await check("GET", QUEUE, 200)
            await check("GET", "/orders", 204)
            full = {
                "Pannier-Group": "g",
                "Pannier-Priority": "3",
                "Pannier-Reply-To": "r",
                "Pannier-Delay": "1ms",
                "Pannier-TTL": "1h",
                "Content-Encoding": "identity",
                "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                "tracestate": "a=b",
            }
            await check("POST", "/orders", 201, data=b"\xff", headers=full)
            assert await check("GET", "/orders?wait=20s", 200) == b"\xff"
            full["Pannier-Delay"] = "0"
            await check("POST", "/orders", 201, data=b"\xff", headers=full)
            await check("GET", f"{QUEUE}/peek?max=5", 200)
            await check("GET", "/v1/queues", 200)
            assert await check("GET", "/orders", 200) == b"\xff"
            await check("POST", "/orders", 201, data=b"x" * 400_000, headers=full)
            await check("GET", f"{QUEUE}/peek", 200)  # by its size only
            await lease(check)
            await check("POST", f"{QUEUE}/messages", 201, json={"just": "JSON"})
            await check("POST", f"{QUEUE}/messages", 201, data='{"body":1}\n', headers=ndjson)
            await check(
                "POST", f"{QUEUE}/messages", 201, data=json.dumps([event]), headers=events
            )
            first, second, third = await lease(check, 3)
            await check("POST", f"{QUEUE}/extend", 200, json={"receipts": [first], "timeout": "1m"})
            await check("POST", f"{QUEUE}/ack", 200, json={"receipts": [first]})
            later = {"receipts": [second], "reason": "no", "delay": "1h"}
            await check("POST", f"{QUEUE}/nack", 200, json=later)
            for call in ("ack", "nack"):
                await check("POST", f"{QUEUE}/{call}", 409, json={"receipts": [first]})
            late = {"receipts": [first], "timeout": "1s"}
            await check("POST", f"{QUEUE}/extend", 409, json=late)
            await check("DELETE", f"{QUEUE}/messages", 200)
            async with http.get(f"{QUEUE}/stream") as stream:
                assert stream.content_type == "text/event-stream"
                check.seen.add((f"/v1/queues/{{queue}}/stream", "get", 200))
            upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
            await check("GET", f"{QUEUE}/stream", 426, headers=upgrade)
            async with http.ws_connect(f"{QUEUE}/stream") as ws:
                assert not ws.closed
            await refusals(check)
            operations = {
                (path, method)
                for path, item in check.document["paths"].items()
                for method in METHODS
                if method in item
            }
            good = {(path, method) for path, method, status in check.seen if status < 300}
            assert good == operations, operations - good

    run(scenario())


async def refusals(check):
    other = "/v1/queues/unknown"
    for target in ("/orders", "/v1/queues", QUEUE, f"{QUEUE}/messages", "/v1/openapi.json"):
        await check("PATCH", target, 405)
    for call in ("receive", "ack", "nack", "extend"):
        await check("GET", f"{QUEUE}/{call}", 405)
        await check("POST", f"{QUEUE}/{call}", 400, json={"what": 1})
        known = {"receipts": ["0" * 40]} if call != "receive" else {}
        known |= {"timeout": "1s"} if call == "extend" else {}
        await check("POST", f"{other}/{call}", 404, json=known)
        await check("POST", f"{QUEUE}/{call}", 413, data=b" " * 300_000)
    for call in ("peek", "stream"):
        await check("GET", f"{QUEUE}/{call}?what=1", 400)
        await check("GET", f"{other}/{call}", 404)
        await check("POST", f"{QUEUE}/{call}", 405)
    for target in ("/unknown", other):
        await check("GET", target, 404)
    await check("DELETE", f"{other}/messages", 404)
    await check("GET", "/orders?wait=1y", 400)
    for target in ("/orders", f"{QUEUE}/messages"):
        await check("POST", target, 400, data=b"x", headers={"Pannier-TTL": "-5s"})
        await check("POST", target, 409, data=b"x", headers={"Idempotency-Key": "k"})
        await check("POST", target, 400, data=b"x", headers={"ce-specversion": "1.0"})
    await check("POST", "/orders", 413, data=b"x" * (17 << 20))
    nack = {"receipts": ["0" * 40], "delay": "50000h"}
    await check("POST", f"{QUEUE}/nack", 400, json=nack)
    foreign = {"Origin": "http://evil.example"}
    for target in ("/orders", f"{QUEUE}/stream", f"{QUEUE}/peek", QUEUE):
        await check("GET", target, 403, headers=foreign)


def test_a_repeat_is_answered_as_the_document_says(tmp_path):
    async def scenario(agent):
        auth = aiohttp.BasicAuth("app", agent.of_app("password"))
        connector = aiohttp.TCPConnector(ssl=agent.tls())
        base = agent.of_app("http-url")
        async with aiohttp.ClientSession(base, connector=connector, auth=auth) as http:
            check = Checked(http, await document_of(http))
            headers = {"Idempotency-Key": '"once"'}
            for target in ("/orders", f"{QUEUE}/messages"):
                again = await check("POST", target, 201, data=b"x", headers=headers)
            assert again["duplicate"]

    agent = ConfiguredAgent(tmp_path / "once")
    agent.policy["queues"][0]["delivery"] = {"dedup": {"by": "MessageId"}}
    with agent:
        agent.wait_for("listening", listener="https")
        run(scenario(agent))


def test_who_is_not_known_is_told_as_the_document_says(secured):
    async def scenario():
        connector = aiohttp.TCPConnector(ssl=secured.tls())
        async with aiohttp.ClientSession(
            secured.of_app("http-url"), connector=connector, timeout=LIMIT
        ) as http:
            check = Checked(http, await document_of(http))
            for method, target in (
                ("GET", "/orders"),
                ("POST", "/orders"),
                ("GET", "/v1/queues"),
                ("GET", QUEUE),
                ("GET", f"{QUEUE}/stream"),
                ("GET", f"{QUEUE}/peek"),
                ("POST", f"{QUEUE}/receive"),
                ("POST", f"{QUEUE}/ack"),
                ("DELETE", f"{QUEUE}/messages"),
            ):
                await check(method, target, 401)

    run(scenario())
