"""Billing: takes orders from the queue beside it, in batches, and prints the id of each.

All that it knows of Pannier is the folder $PANNIER_DIR.
"""

import argparse
import asyncio
import json
import os
import pathlib
import ssl

import aiohttp

FOLDER = pathlib.Path(os.environ["PANNIER_DIR"])
BATCH = 50


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def session():
    trusted = ssl.create_default_context(cafile=FOLDER / "ca.crt")
    user, password = ((FOLDER / name).read_text() for name in ("username", "password"))
    return aiohttp.ClientSession(
        (FOLDER / "http-url").read_text(),
        auth=aiohttp.BasicAuth(user, password),
        connector=aiohttp.TCPConnector(ssl=trusted),
        raise_for_status=True,
    )


async def work(client):
    async with client.post(
        "/v1/queues/orders/receive", json={"max": BATCH, "wait": "10s"}
    ) as answer:
        messages = (await answer.json())["messages"]
    for message in messages:
        say("received", id=message["id"], redelivered=message["redelivered"])
    if messages:
        receipts = [message["receipt"] for message in messages]
        async with client.post("/v1/queues/orders/ack", json={"receipts": receipts}) as answer:
            say("acked", **await answer.json())
    return len(messages)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--per-second", type=int, required=True, help="how fast it works")
    arguments = parser.parse_args()
    async with session() as client:
        say("connected")
        while True:
            try:
                count = await work(client)
                await asyncio.sleep(count / arguments.per_second)
            except aiohttp.ClientError as error:
                # 409: what it held has been given to somebody else, or will come again.
                say("failed", error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(0.1)


asyncio.run(main())
