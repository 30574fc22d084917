"""aio-pika: a shop that runs in one event loop, over TLS."""

import asyncio
import collections
import functools

import aio_pika
import pytest
import yarl
from aio_pika.exceptions import (
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    DeliveryError,
    MessageProcessError,
    ProbableAuthenticationError,
)
from aio_pika.patterns import RPC, Master, RejectMessage
from aiormq.exceptions import ChannelLockedResource

from program import LIMIT_S

PERSISTENT = aio_pika.DeliveryMode.PERSISTENT


def in_a_loop(test):
    """The test is a coroutine, which ends within the limit."""

    @functools.wraps(test)
    def run(**fixtures):
        asyncio.run(asyncio.wait_for(test(**fixtures), LIMIT_S))

    return run


def url_of(broker, **query):
    url = yarl.URL(broker.of_app("amqp-url"))
    return url.update_query(cafile=str(broker.folder / "app" / "ca.crt"), **query)


def message(text, **properties):
    return aio_pika.Message(text.encode(), delivery_mode=PERSISTENT, **properties)


async def connect(broker, **query):
    return await aio_pika.connect(url_of(broker, **query))


async def take(queue, count):
    """That many, acknowledged, in the order in which they came."""
    found = []
    async with queue.iterator() as messages:
        async for each in messages:
            await each.ack()
            found.append(each)
            if len(found) == count:
                return found


def texts(messages):
    return [each.body.decode() for each in messages]


@in_a_loop
async def test_orders_published_at_once_are_confirmed_and_consumed_within_the_prefetch(broker):
    async with await connect(broker) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=10)
        queue = await channel.declare_queue("orders-of-many", durable=True)
        exchange = channel.default_exchange
        await asyncio.gather(
            *(exchange.publish(message(str(number)), queue.name) for number in range(300))
        )
        held, most, done = [], 0, asyncio.Event()
        seen = []

        async def on_order(order):
            nonlocal most
            held.append(order)
            seen.append(order.body.decode())
            most = max(most, len(held))
            if len(held) == 10 or len(seen) == 300:
                await held[-1].ack(multiple=True)
                held.clear()
            if len(seen) == 300:
                done.set()

        await queue.consume(on_order)
        await done.wait()
        assert sorted(map(int, seen)) == list(range(300))
        assert most == 10


@in_a_loop
async def test_an_order_that_nobody_takes_comes_back(broker):
    async with await connect(broker) as connection:
        silent = await connection.channel()
        returned = []
        silent.return_callbacks.add(lambda _, back: returned.append(back))
        await silent.default_exchange.publish(message("to nobody"), "nobody-is-here")
        assert texts(returned) == ["to nobody"]
        loud = await connection.channel(on_return_raises=True)
        with pytest.raises(DeliveryError) as error:
            await loud.default_exchange.publish(message("again"), "nobody-is-here")
        assert error.value.message.delivery.reply_code == 312


@in_a_loop
async def test_an_order_whose_handler_fails_is_given_again_then_refused_to_the_dead_letters(broker):
    async with await connect(broker) as connection:
        channel = await connection.channel()
        dead = await channel.declare_queue("failed", durable=True)
        await channel.declare_exchange("failures", aio_pika.ExchangeType.FANOUT)
        await dead.bind("failures")
        queue = await channel.declare_queue(
            "handled", durable=True, arguments={"x-dead-letter-exchange": "failures"}
        )
        tries = []

        async def handle(order):
            async with order.process(requeue=not order.redelivered):
                tries.append(order.redelivered)
                raise ValueError("broken")

        await queue.consume(handle)
        await channel.default_exchange.publish(message("order", headers={"shop": 7}), "handled")
        (letter,) = await take(dead, 1)
        assert tries == [False, True]
        assert letter.headers["shop"] == 7
        (death,) = letter.headers["x-death"]
        assert (death["reason"], death["queue"], death["count"]) == ("rejected", "handled", 1)
        assert letter.headers["x-first-death-queue"] == "handled"


@in_a_loop
async def test_remote_calls(broker):
    """Answers, errors, and a call that ends as a dead letter because it waited for too long."""

    async def double(*, number):
        return 2 * number

    async def fail():
        raise KeyError("no such order")

    async with await connect(broker) as serving, await connect(broker) as calling:
        channel = await serving.channel()
        await channel.set_qos(prefetch_count=1)
        server = await RPC.create(channel)
        caller = await RPC.create(await calling.channel())
        goes_on, is_in = asyncio.Event(), asyncio.Event()

        async def slow():
            is_in.set()
            await goes_on.wait()
            return "late"

        for name, function in (("double", double), ("fail", fail), ("slow", slow)):
            await server.register(name, function, auto_delete=True)
        calls = [caller.proxy.double(number=number) for number in range(50)]
        assert await asyncio.gather(*calls) == [2 * number for number in range(50)]
        with pytest.raises(KeyError, match="no such order"):
            await caller.proxy.fail()
        first = asyncio.ensure_future(caller.call("slow"))
        await is_in.wait()
        with pytest.raises(asyncio.TimeoutError):
            await caller.call("slow", expiration=0.05)
        goes_on.set()
        assert await first == "late"
        with pytest.raises(MessageProcessError, match="returned"):
            await caller.call("nothing of that name")


@in_a_loop
async def test_a_master_and_its_workers(broker):
    async with await connect(broker) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=5)
        master = Master(channel)
        done, finished = collections.Counter(), asyncio.Event()

        async def work(*, task_id):
            done[task_id] += 1
            if len(done) == 100:
                finished.set()
            if task_id == 13 and done[13] == 1:
                raise RejectMessage(requeue=True)

        workers = [
            await master.create_worker("work", work, auto_delete=True) for _ in range(3)
        ]
        for number in range(100):
            await master.proxy.work(task_id=number)
        await finished.wait()
        for worker in workers:
            await worker.close()
    assert done[13] == 2 and sum(done.values()) == 101


@in_a_loop
async def test_large_messages(broker):
    body = bytes(range(256)) * 32_768
    async with await connect(broker) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("large", durable=True)
        for _ in range(3):
            await channel.default_exchange.publish(
                aio_pika.Message(body, delivery_mode=PERSISTENT), "large"
            )
        assert all(each.body == body for each in await take(queue, 3))


@in_a_loop
async def test_queues_of_one_connection_and_names_of_the_server(broker):
    async with await connect(broker) as mine, await connect(broker) as other:
        channel = await mine.channel()
        queue = await channel.declare_queue(exclusive=True)
        assert queue.name.startswith("amq.gen-")
        with pytest.raises(ChannelLockedResource):
            await (await other.channel()).declare_queue(queue.name, passive=True)
        with pytest.raises(ChannelNotFoundEntity):
            await (await other.channel()).declare_queue("not-there", passive=True)
        await channel.declare_queue("fixed", durable=True)
        with pytest.raises(ChannelPreconditionFailed):
            await (await other.channel()).declare_queue("fixed", durable=False)
        await (await other.channel()).default_exchange.publish(message("still open"), queue.name)
        assert texts(await take(queue, 1)) == ["still open"]


@in_a_loop
async def test_a_queue_goes_with_its_last_consumer(broker):
    async with await connect(broker) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("short-lived", auto_delete=True)
        tag = await queue.consume(print)
        await queue.cancel(tag)
        with pytest.raises(ChannelNotFoundEntity):
            await (await connection.channel()).declare_queue("short-lived", passive=True)


@in_a_loop
async def test_priorities(broker):
    async with await connect(broker) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(
            "by-priority", durable=True, arguments={"x-max-priority": 5}
        )
        for number in range(12):
            order = message(str(number), priority=number % 6)
            await channel.default_exchange.publish(order, queue.name)
        await channel.set_qos(prefetch_count=1)
        found = list(map(int, texts(await take(queue, 12))))
        assert found == sorted(range(12), key=lambda number: (-(number % 6), number))


@in_a_loop
async def test_what_expires_goes_to_the_dead_letters_in_time(broker):
    async with await connect(broker) as connection:
        channel = await connection.channel()
        late = await channel.declare_queue("too-late", durable=True)
        queue = await channel.declare_queue(
            "expiring",
            durable=True,
            arguments={
                "x-message-ttl": 60_000,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": "too-late",
            },
        )
        await channel.default_exchange.publish(message("soon", expiration=0.05), queue.name)
        await channel.default_exchange.publish(message("later"), queue.name)
        (letter,) = await take(late, 1)
        assert letter.body == b"soon" and letter.expiration is None
        (death,) = letter.headers["x-death"]
        assert (death["reason"], death["original-expiration"]) == ("expired", "50")
        assert texts(await take(queue, 1)) == ["later"]


@in_a_loop
async def test_transactions(broker):
    async with await connect(broker) as connection:
        channel = await connection.channel(publisher_confirms=False)
        queue = await channel.declare_queue("booked", durable=True)
        with pytest.raises(ValueError):
            async with channel.transaction():
                await channel.default_exchange.publish(message("undone"), queue.name)
                raise ValueError("no stock")
        async with channel.transaction():
            for text in ("one", "two"):
                await channel.default_exchange.publish(message(text), queue.name)
        assert texts(await take(queue, 2)) == ["one", "two"]


@in_a_loop
async def test_topics_through_an_exchange_of_exchanges(broker):
    async with await connect(broker) as connection:
        channel = await connection.channel()
        source = await channel.declare_exchange("all-orders", aio_pika.ExchangeType.TOPIC)
        europe = await channel.declare_exchange("eu-orders", aio_pika.ExchangeType.FANOUT)
        await europe.bind(source, "order.eu.*")
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(europe)
        for key in ("order.eu.de", "order.us.ny", "order.eu.fr"):
            await source.publish(message(key), key, mandatory=False)
        assert texts(await take(queue, 2)) == ["order.eu.de", "order.eu.fr"]


@in_a_loop
async def test_a_wrong_password_is_told(broker):
    with pytest.raises(ProbableAuthenticationError):
        await aio_pika.connect(url_of(broker).with_password("wrong"))


@in_a_loop
async def test_a_robust_connection_goes_on_after_the_broker_was_killed(broker):
    """What was confirmed arrives; a publish that failed is published again."""
    robust = await aio_pika.connect_robust(url_of(broker, reconnect_interval="0.1"))
    async with robust:
        channel = await robust.channel()
        await channel.set_qos(prefetch_count=20)
        queue = await channel.declare_queue("robust", durable=True)
        bound = await channel.declare_queue("robust-bound", auto_delete=True)
        await channel.declare_exchange("robust-exchange", aio_pika.ExchangeType.TOPIC)
        await bound.bind("robust-exchange", "order.#")
        seen, all_seen, news = set(), asyncio.Event(), asyncio.Event()

        async def on_order(order):
            async with order.process(ignore_processed=True):
                seen.add(int(order.body))
            if len(seen) == 200:
                all_seen.set()

        async def on_news(order):
            news.set()

        await queue.consume(on_order)
        await bound.consume(on_news, no_ack=True)

        async def publish(exchange_name, key, text):
            while True:
                try:
                    exchange = channel.default_exchange
                    if exchange_name:
                        exchange = await channel.get_exchange(exchange_name, ensure=False)
                    return await exchange.publish(message(text), key)
                except (ConnectionError, RuntimeError, *aio_pika.exceptions.CONNECTION_EXCEPTIONS):
                    await robust.ready()

        for number in range(100):
            await publish("", "robust", str(number))
        lost = asyncio.Event()
        robust.close_callbacks.add(lambda *_: lost.set())
        back = asyncio.Event()
        robust.reconnect_callbacks.add(lambda *_: back.set())
        await asyncio.to_thread(broker.restart_after_kill)
        await lost.wait()
        await back.wait()
        for number in range(100, 200):
            await publish("", "robust", str(number))
        await all_seen.wait()
        await publish("robust-exchange", "order.new", "bound again")
        await news.wait()
    assert seen == set(range(200))
