"""Queues: declares and what they refuse, exclusive ones, deletes, binds, counts."""

from world import scenario


def filled(w, p, short="q", count=3, **flags):
    """A queue with so many messages, all of them there."""
    p.do(1, "queue.declare", queue=w.name(short), **flags)
    for number in range(1, count + 1):
        p.publish(1, "", w.name(short), f"m{number}")
    p.settles()
    return w.name(short)


@scenario("passive declare of one that is there, with other flags, and with counts")
def queue_passive_found(w):
    p = w.open()
    filled(w, p, count=2)
    p.call(1, "queue.declare", queue=w.name("q"), passive=True, durable=True, auto_delete=True,
           arguments={"x-max-length": 1})  # fmt: skip


@scenario("passive declare of one that is missing")
def queue_passive_missing(w):
    w.open().call(1, "queue.declare", queue=w.name("q"), passive=True)


@scenario("passive declare that wants no answer")
def queue_passive_no_wait(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"))
    p.send(1, "queue.declare", queue=w.name("q"), passive=True, no_wait=True)
    p.call(1, "basic.qos")
    p.send(1, "queue.declare", queue=w.name("missing"), passive=True, no_wait=True)
    p.gets()


@scenario("declare again: the same, and with another flag")
def queue_redeclare(w):
    p = w.open()
    same = {"queue": w.name("q"), "durable": True, "arguments": {"x-max-length": 5}}
    p.do(1, "queue.declare", **same)
    p.call(1, "queue.declare", **same)
    changes = [{"durable": False}, {"auto_delete": True}, {"exclusive": True}]
    for channel, change in enumerate(changes, 2):
        p.do(channel, "channel.open")
        w.note(f"with {change}")
        p.call(channel, "queue.declare", **{**same, **change})


@scenario("declare again with other arguments: known ones count, others do not")
def queue_redeclare_arguments(w):
    p = w.open()
    held = {"x-max-length": 5, "x-overflow": "reject-publish", "mine": 1}
    p.do(1, "queue.declare", queue=w.name("q"), arguments=held)
    changes = [
        {"x-max-length": 6},
        {"x-max-length-bytes": 100},
        {"x-overflow": "drop-head"},
        {"mine": 2},
        {"other": 1},
        {"x-queue-type": "classic"},
    ]
    for channel, change in enumerate(changes, 2):
        p.do(channel, "channel.open")
        w.note(f"with {change}")
        p.call(channel, "queue.declare", queue=w.name("q"), arguments={**held, **change})
    for channel, gone in enumerate(held, 20):
        p.do(channel, "channel.open")
        w.note(f"without {gone}")
        fewer = {key: value for key, value in held.items() if key != gone}
        p.call(channel, "queue.declare", queue=w.name("q"), arguments=fewer)


@scenario("arguments that make no sense")
def queue_bad_arguments(w):
    for arguments in (
        {"x-max-length": -1},
        {"x-max-length": "five"},
        {"x-max-length-bytes": -5},
        {"x-overflow": "explode"},
        {"x-overflow": 5},
        {"x-queue-type": "odd"},
        {"x-queue-type": 5},
        {"x-queue-mode": "lazy"},
        {"x-queue-mode": "odd"},
        {"x-made-up": True},
        {"x-max-length": 2**40},
    ):
        p = w.open()
        w.note(str(arguments))
        p.call(1, "queue.declare", queue=w.name(f"q{arguments}"), arguments=arguments)


@scenario("x-consumer-timeout that is negative")
def queue_bad_timeout(w):
    p = w.open()
    p.call(1, "queue.declare", queue=w.name("q"), arguments={"x-consumer-timeout": -1})


@scenario("names that the server makes")
def queue_server_named(w):
    p = w.open()
    item = p.call(1, "queue.declare", exclusive=True)
    w.note(f"reserved prefix: {item.queue.startswith('amq.gen-')}")
    other = p.call(1, "queue.declare", exclusive=True)
    w.note(f"two names: {item.queue != other.queue}")
    p.call(1, "queue.declare", queue=item.queue, exclusive=True)


@scenario("name with the prefix amq.")
def queue_reserved_name(w):
    p = w.open()
    p.call(1, "queue.declare", queue="amq.mine")
    p.do(1, "channel.open")
    p.call(1, "queue.declare", queue="amq.gen-mine")


@scenario("passive declare of a missing name with the prefix amq.")
def queue_reserved_passive(w):
    w.open().call(1, "queue.declare", queue="amq.mine", passive=True)


@scenario("empty name: the last queue that this channel declared")
def queue_empty_name(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"))
    p.call(1, "queue.bind", exchange="amq.direct", routing_key="")
    p.publish(1, "amq.direct", w.name("q"), "by the queue's name")
    p.settles()
    p.call(1, "basic.get", no_ack=True)
    p.call(1, "queue.purge")
    p.call(1, "queue.unbind", exchange="amq.direct", routing_key="")
    p.call(1, "basic.consume", consumer_tag="c")
    p.call(1, "queue.declare", passive=True)


@scenario("empty name when nothing was declared")
def queue_empty_name_unknown(w):
    for name, fields in (
        ("queue.bind", {"exchange": "amq.direct"}),
        ("queue.unbind", {"exchange": "amq.direct"}),
        ("queue.purge", {}),
        ("queue.delete", {}),
        ("basic.get", {}),
        ("basic.consume", {}),
        ("queue.declare", {"passive": True}),
    ):
        w.note(name)
        w.open().call(1, name, **fields)


@scenario("empty name after that queue was deleted")
def queue_empty_name_deleted(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"))
    p.do(1, "queue.delete", queue=w.name("q"))
    p.call(1, "basic.get")


@scenario("names: unicode, 255 bytes, blanks, no UTF-8")
def queue_names(w):
    p = w.open()
    for short in ("ä", "\U0001f600 x", " ", "a/b?c", "n" * (255 - len(w.prefix))):
        name = w.name(short)
        p.send(1, "queue.declare", queue=name)
        item = p.next()
        w.note(f"{item.name} {item.fields.get('queue') == name}")
    p.call(1, "queue.declare", queue=w.name("odd").encode() + b"\xff")


@scenario("name with a line break: RabbitMQ takes it out")
def queue_name_line_break(w):
    p = w.open()
    w.name("ab")
    p.call(1, "queue.declare", queue=w.name("a\r\nb"))
    p.call(1, "queue.declare", queue=w.name("ab"), passive=True)


@scenario("exclusive: every operation of another connection")
def queue_exclusive_locked(w):
    owner = w.open()
    owner.do(1, "queue.declare", queue=w.name("q"), exclusive=True)
    owner.do(1, "queue.bind", queue=w.name("q"), exchange="amq.direct", routing_key="bound")
    for name, fields in (
        ("queue.unbind", {"exchange": "amq.direct", "routing_key": "bound"}),
        ("queue.declare", {}),
        ("queue.declare", {"exclusive": True}),
        ("queue.declare", {"passive": True}),
        ("queue.bind", {"exchange": "amq.direct"}),
        ("queue.unbind", {"exchange": "amq.direct"}),
        ("queue.purge", {}),
        ("queue.delete", {}),
        ("basic.get", {}),
        ("basic.consume", {}),
    ):
        w.note(f"{name} {fields}")
        w.open().call(1, name, queue=w.name("q"), **fields)


@scenario("exclusive: another connection publishes to it")
def queue_exclusive_publish(w):
    owner = w.open()
    owner.do(1, "queue.declare", queue=w.name("q"), exclusive=True)
    other = w.open()
    other.do(1, "confirm.select")
    other.publish(1, "", w.name("q"), "welcome", mandatory=True)
    other.confirms(1)
    owner.call(1, "basic.get", queue=w.name("q"))


@scenario("exclusive: another channel of the connection may use it")
def queue_exclusive_own(w):
    p = w.open(2)
    p.do(1, "queue.declare", queue=w.name("q"), exclusive=True)
    p.call(2, "queue.declare", queue=w.name("q"), exclusive=True)
    p.call(2, "queue.declare", queue=w.name("q"), exclusive=False)


@scenario("exclusive: gone with its connection, not with its channel")
def queue_exclusive_gone(w):
    p = w.open(2)
    p.do(1, "queue.declare", queue=w.name("q"), exclusive=True, durable=True)
    p.do(1, "channel.close", reply_code=200)
    p.call(2, "queue.declare", queue=w.name("q"), passive=True)
    p.close()
    w.open().call(1, "queue.declare", queue=w.name("q"), passive=True)


@scenario("auto-delete: gone with its last consumer, not before its first")
def queue_auto_delete(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"), auto_delete=True)
    p.call(1, "basic.get", queue=w.name("q"))
    for tag in "ab":
        p.do(1, "basic.consume", queue=w.name("q"), consumer_tag=tag)
    for tag in "ab":
        p.call(1, "basic.cancel", consumer_tag=tag)
        p.call(1, "queue.declare", queue=w.name("q"), passive=True)


@scenario("auto-delete: gone when the channel of its consumer is closed")
def queue_auto_delete_channel(w):
    p = w.open(2)
    p.do(1, "queue.declare", queue=w.name("q"), auto_delete=True)
    p.do(1, "basic.consume", queue=w.name("q"))
    p.do(1, "channel.close", reply_code=200)
    p.call(2, "queue.declare", queue=w.name("q"), passive=True)


@scenario("delete: counts what was ready; of a missing one")
def queue_delete(w):
    p = w.open()
    filled(w, p)
    p.call(1, "basic.get", queue=w.name("q"))
    p.call(1, "queue.delete", queue=w.name("q"))
    p.call(1, "queue.delete", queue=w.name("q"))


@scenario("delete if-unused and if-empty")
def queue_delete_conditions(w):
    p = w.open(3)
    filled(w, p)
    p.do(1, "basic.qos", prefetch_count=1)
    p.do(1, "basic.consume", queue=w.name("q"), consumer_tag="c")
    p.gets()
    p.call(2, "queue.delete", queue=w.name("q"), if_unused=True)
    p.call(3, "queue.delete", queue=w.name("q"), if_empty=True)
    p.do(1, "basic.cancel", consumer_tag="c")
    p.call(1, "queue.delete", queue=w.name("q"), if_unused=True)


@scenario("delete if-empty while all that is left is unacknowledged")
def queue_delete_unacked(w):
    p = w.open()
    filled(w, p, count=1)
    p.call(1, "basic.get", queue=w.name("q"))
    p.call(1, "queue.delete", queue=w.name("q"), if_empty=True)


@scenario("purge: counts what is ready, leaves what is unacknowledged; of a missing one")
def queue_purge(w):
    p = w.open()
    filled(w, p)
    p.call(1, "basic.get", queue=w.name("q"))
    p.call(1, "queue.purge", queue=w.name("q"))
    p.call(1, "queue.purge", queue=w.name("q"))
    p.send(1, "basic.nack", delivery_tag=1, requeue=True)
    p.settles()
    p.call(1, "queue.declare", queue=w.name("q"), passive=True)
    p.call(1, "queue.purge", queue=w.name("missing"))


@scenario("bind twice, unbind twice, unbind with other arguments")
def queue_bind_twice(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"))
    ends = {"queue": w.name("q"), "exchange": "amq.direct", "routing_key": w.name("k")}
    for _ in range(2):
        p.call(1, "queue.bind", **ends)
    p.call(1, "queue.unbind", **ends, arguments={"other": 1})
    p.publish(1, "amq.direct", w.name("k"), "bound")
    p.settles()
    p.call(1, "basic.get", queue=w.name("q"))
    for _ in range(2):
        p.call(1, "queue.unbind", **ends)


@scenario("bind to what is missing, and to the default exchange")
def queue_bind_missing(w):
    for queue, exchange in (("missing", "amq.direct"), ("q", "missing"), ("q", "")):
        p = w.open()
        p.do(1, "queue.declare", queue=w.name("q"))
        p.call(1, "queue.bind", queue=w.name(queue), exchange=w.name("x") if exchange == "missing"
               else exchange, routing_key="k")  # fmt: skip


@scenario("unbind from what is missing, and from the default exchange")
def queue_unbind_missing(w):
    for queue, exchange in (("missing", "amq.direct"), ("q", "missing"), ("q", "")):
        p = w.open()
        p.do(1, "queue.declare", queue=w.name("q"))
        p.call(1, "queue.unbind", queue=w.name(queue), exchange=w.name("x") if exchange ==
               "missing" else exchange, routing_key="k")  # fmt: skip


@scenario("methods that want no answer get none")
def queue_no_wait(w):
    p = w.open()
    q = w.name("q")
    p.send(1, "exchange.declare", exchange=w.name("x"), type="fanout", no_wait=True)
    p.send(1, "queue.declare", queue=q, no_wait=True)
    p.send(1, "queue.bind", queue=q, exchange=w.name("x"), no_wait=True)
    p.send(1, "exchange.bind", source=w.name("x"), destination="amq.fanout", no_wait=True)
    p.send(1, "exchange.unbind", source=w.name("x"), destination="amq.fanout", no_wait=True)
    p.send(1, "confirm.select", no_wait=True)
    p.send(1, "basic.consume", queue=q, consumer_tag="c", no_wait=True)
    p.send(1, "basic.cancel", consumer_tag="c", no_wait=True)
    p.send(1, "queue.purge", queue=q, no_wait=True)
    p.send(1, "queue.delete", queue=q, no_wait=True)
    p.send(1, "exchange.delete", exchange=w.name("x"), no_wait=True)
    p.call(1, "queue.declare", queue=q, passive=True)


@scenario("x-max-length with drop-head keeps the last ones")
def queue_max_length_drop(w):
    p = w.open()
    filled(w, p, count=5, arguments={"x-max-length": 2})
    p.call(1, "queue.declare", queue=w.name("q"), passive=True)
    p.call(1, "basic.get", queue=w.name("q"))


@scenario("x-max-length with reject-publish nacks")
def queue_max_length_reject(w):
    p = w.open()
    arguments = {"x-max-length": 2, "x-overflow": "reject-publish"}
    p.do(1, "queue.declare", queue=w.name("q"), arguments=arguments)
    p.do(1, "confirm.select")
    for number in range(4):
        p.publish(1, "", w.name("q"), f"m{number}")
        p.confirms(1)
    p.call(1, "queue.declare", queue=w.name("q"), passive=True)


@scenario("reject-publish in one of two queues: nacked, and the other has it")
def queue_reject_one_of_two(w):
    p = w.open()
    full = {"x-max-length": 1, "x-overflow": "reject-publish"}
    p.do(1, "exchange.declare", exchange=w.name("x"), type="fanout")
    for short, arguments in (("full", full), ("free", {})):
        p.do(1, "queue.declare", queue=w.name(short), arguments=arguments)
        p.do(1, "queue.bind", queue=w.name(short), exchange=w.name("x"))
    p.publish(1, "", w.name("full"), "the first")
    p.do(1, "confirm.select")
    p.publish(1, w.name("x"), "", "m")
    p.confirms(1)
    p.call(1, "queue.declare", queue=w.name("free"), passive=True)


@scenario("x-max-length of 0", waits_for="limits")
def queue_max_zero(w):
    for overflow in ("drop-head", "reject-publish"):
        p = w.open()
        q = w.name(overflow)
        arguments = {"x-max-length": 0, "x-overflow": overflow}
        p.do(1, "queue.declare", queue=q, arguments=arguments)
        p.do(1, "confirm.select")
        p.publish(1, "", q, "m")
        p.confirms(1)
        p.call(1, "queue.declare", queue=q, passive=True)


@scenario("x-max-length-bytes counts bodies", waits_for="limits")
def queue_max_bytes(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"), arguments={"x-max-length-bytes": 100})
    for number in range(5):
        p.publish(1, "", w.name("q"), "x" * 40, message_id=f"id{number}")
    p.settles()
    p.call(1, "queue.declare", queue=w.name("q"), passive=True)
