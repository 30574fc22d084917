"""Exchanges: declares, deletes, bindings between them, and how each type routes."""

import amqp_wire as wire
from world import scenario


def declare(p, name, kind="fanout", **flags):
    return p.do(1, "exchange.declare", exchange=name, type=kind, **flags)


def bound(w, p, queue, exchange, key="", **arguments):
    p.do(1, "queue.declare", queue=w.name(queue))
    p.do(1, "queue.bind", queue=w.name(queue), exchange=exchange, routing_key=key,
         arguments=arguments)  # fmt: skip


def counts(w, p, *queues):
    """How many messages each has, when everything has arrived."""
    p.settles()
    for queue in queues:
        p.call(1, "queue.declare", queue=w.name(queue), passive=True)


@scenario("passive declare of one that is there, of another type")
def exchange_passive_found(w):
    p = w.open()
    declare(p, w.name("x"))
    p.call(1, "exchange.declare", exchange=w.name("x"), type="topic", passive=True, durable=True)


@scenario("passive declare of one that is missing")
def exchange_passive_missing(w):
    p = w.open()
    p.call(1, "exchange.declare", exchange=w.name("x"), type="fanout", passive=True)


@scenario("passive declare with a type that nobody knows")
def exchange_passive_odd_type(w):
    p = w.open()
    p.call(1, "exchange.declare", exchange=w.name("x"), type="odd", passive=True)


@scenario("passive declare of amq.direct and of the default exchange")
def exchange_passive_predefined(w):
    p = w.open()
    p.call(1, "exchange.declare", exchange="amq.direct", passive=True)
    p.call(1, "exchange.declare", exchange="", passive=True)


@scenario("type that nobody knows")
def exchange_unknown_type(w):
    w.open().call(1, "exchange.declare", exchange=w.name("x"), type="x-odd")


@scenario("declare again: the same, and with another type, flag or argument")
def exchange_redeclare(w):
    p = w.open()
    declare(p, w.name("x"), durable=True, arguments={"k": 1})
    same = {"exchange": w.name("x"), "type": "fanout", "durable": True, "arguments": {"k": 1}}
    p.call(1, "exchange.declare", **same)
    changes = [
        {"type": "direct"},
        {"durable": False},
        {"auto_delete": True},
        {"internal": True},
        {"arguments": {"k": 2}},
        {"arguments": {}},
        {"arguments": {"alternate-exchange": "y"}},
    ]
    for channel, change in enumerate(changes, 2):
        p.do(channel, "channel.open")
        w.note(f"with {change}")
        p.call(channel, "exchange.declare", **{**same, **change})


@scenario("declare of amq.something new, and of amq.direct as it is")
def exchange_reserved_names(w):
    p = w.open()
    p.call(1, "exchange.declare", exchange="amq.direct", type="direct", durable=True)
    p.call(1, "exchange.declare", exchange="amq.new", type="direct")


@scenario("declare of amq.direct with another type")
def exchange_reserved_other_type(w):
    w.open().call(1, "exchange.declare", exchange="amq.direct", type="fanout", durable=True)


@scenario("declare and delete of the default exchange")
def exchange_default(w):
    p = w.open()
    p.call(1, "exchange.declare", exchange="", type="direct", durable=True)
    p.do(1, "channel.open")
    p.call(1, "exchange.delete", exchange="")


@scenario("delete of amq.direct")
def exchange_delete_predefined(w):
    w.open().call(1, "exchange.delete", exchange="amq.direct")


@scenario("delete of one that is missing")
def exchange_delete_missing(w):
    w.open().call(1, "exchange.delete", exchange=w.name("x"))


@scenario("delete if-unused while it has bindings, and afterwards")
def exchange_delete_if_unused(w):
    p = w.open()
    declare(p, w.name("x"))
    bound(w, p, "q", w.name("x"))
    p.call(1, "exchange.delete", exchange=w.name("x"), if_unused=True)
    p.do(1, "channel.open")
    p.do(1, "queue.unbind", queue=w.name("q"), exchange=w.name("x"))
    p.call(1, "exchange.delete", exchange=w.name("x"), if_unused=True)


@scenario("delete if-unused while it is only a destination")
def exchange_delete_destination(w):
    p = w.open()
    declare(p, w.name("x"))
    declare(p, w.name("y"))
    p.do(1, "exchange.bind", source=w.name("x"), destination=w.name("y"))
    p.call(1, "exchange.delete", exchange=w.name("y"), if_unused=True)


@scenario("name of 255 bytes")
def exchange_long_name(w):
    p = w.open()
    name = w.name("n") + "n" * (255 - len(w.name("n")))
    p.call(1, "exchange.declare", exchange=name, type="fanout")
    p.call(1, "exchange.delete", exchange=name)


@scenario("name that is no UTF-8")
def exchange_name_not_utf8(w):
    p = w.open()
    p.call(1, "exchange.declare", exchange=b"odd\xff\xfe", type="fanout")


@scenario("name with a line break: RabbitMQ takes it out")
def exchange_name_line_break(w):
    p = w.open()
    w.name("ab")
    p.call(1, "exchange.declare", exchange=w.name("a\r\nb"), type="fanout")
    p.call(1, "exchange.declare", exchange=w.name("ab"), passive=True)


@scenario("auto-delete goes with its last binding, by unbind")
def exchange_auto_delete_unbind(w):
    p = w.open()
    declare(p, w.name("x"), auto_delete=True)
    bound(w, p, "q", w.name("x"), "a")
    bound(w, p, "q", w.name("x"), "b")
    for key in ("a", "b"):
        p.do(1, "queue.unbind", queue=w.name("q"), exchange=w.name("x"), routing_key=key)
        p.call(1, "exchange.declare", exchange=w.name("x"), passive=True)


@scenario("auto-delete goes when its last queue is deleted")
def exchange_auto_delete_queue(w):
    p = w.open()
    declare(p, w.name("x"), auto_delete=True)
    bound(w, p, "q", w.name("x"))
    p.do(1, "queue.delete", queue=w.name("q"))
    p.call(1, "exchange.declare", exchange=w.name("x"), passive=True)


@scenario("auto-delete goes by exchange.unbind, and not as a destination")
def exchange_auto_delete_exchange(w):
    p = w.open()
    declare(p, w.name("x"), auto_delete=True)
    declare(p, w.name("y"), auto_delete=True)
    ends = {"source": w.name("x"), "destination": w.name("y")}
    p.do(1, "exchange.bind", **ends)
    p.do(1, "exchange.unbind", **ends)
    p.call(1, "exchange.declare", exchange=w.name("y"), passive=True)
    p.call(1, "exchange.declare", exchange=w.name("x"), passive=True)


@scenario("auto-delete goes in a chain when the last queue goes")
def exchange_auto_delete_chain(w):
    p = w.open()
    declare(p, w.name("x"), auto_delete=True)
    declare(p, w.name("y"), auto_delete=True)
    p.do(1, "exchange.bind", source=w.name("x"), destination=w.name("y"))
    bound(w, p, "q", w.name("y"))
    p.do(1, "queue.delete", queue=w.name("q"))
    p.call(1, "exchange.declare", exchange=w.name("y"), passive=True)
    p.do(1, "channel.open")
    p.call(1, "exchange.declare", exchange=w.name("x"), passive=True)


@scenario("auto-delete that was never bound stays")
def exchange_auto_delete_unused(w):
    p = w.open()
    declare(p, w.name("x"), auto_delete=True)
    p.do(1, "queue.declare", queue=w.name("q"))
    p.do(1, "queue.unbind", queue=w.name("q"), exchange=w.name("x"))
    p.call(1, "exchange.declare", exchange=w.name("x"), passive=True)


@scenario("exchange to exchange, keys and types on the way")
def exchange_to_exchange(w):
    p = w.open()
    declare(p, w.name("t"), "topic")
    declare(p, w.name("d"), "direct")
    p.call(1, "exchange.bind", source=w.name("t"), destination=w.name("d"), routing_key="a.#")
    bound(w, p, "q", w.name("d"), "a.b")
    for key in ("a.b", "a.c", "b"):
        p.publish(1, w.name("t"), key, key)
    counts(w, p, "q")
    p.call(1, "basic.get", queue=w.name("q"))
    p.call(1, "exchange.unbind", source=w.name("t"), destination=w.name("d"), routing_key="a.#")
    p.publish(1, w.name("t"), "a.b", "again")
    counts(w, p, "q")


@scenario("exchange to exchange in a circle, also with itself: each queue once")
def exchange_circle(w):
    p = w.open()
    for source, destination in ("xy", "yx", "xx"):
        for name in (source, destination):
            declare(p, w.name(name))
        p.call(1, "exchange.bind", source=w.name(source), destination=w.name(destination))
    bound(w, p, "q", w.name("x"))
    bound(w, p, "q", w.name("y"))
    p.publish(1, w.name("x"), "", "once")
    counts(w, p, "q")


@scenario("exchange.bind with a missing source, destination, or the default exchange")
def exchange_bind_missing(w):
    for source, destination in (("x", "missing"), ("missing", "x"), ("", "x"), ("x", "")):
        p = w.open()
        declare(p, w.name("x"))
        p.call(
            1,
            "exchange.bind",
            source=w.name(source) if source else "",
            destination=w.name(destination) if destination else "",
        )


@scenario("exchange.unbind of nothing, and with missing ends")
def exchange_unbind_missing(w):
    for source, destination in (("x", "y"), ("x", "missing"), ("missing", "x"), ("", "x")):
        p = w.open()
        declare(p, w.name("x"))
        declare(p, w.name("y"))
        p.call(
            1,
            "exchange.unbind",
            source=w.name(source) if source else "",
            destination=w.name(destination),
        )


@scenario("internal: a publish is refused, a binding is followed")
def exchange_internal(w):
    p = w.open()
    declare(p, w.name("outer"))
    declare(p, w.name("inner"), internal=True)
    p.do(1, "exchange.bind", source=w.name("outer"), destination=w.name("inner"))
    bound(w, p, "q", w.name("inner"))
    p.publish(1, w.name("outer"), "", "by its binding")
    counts(w, p, "q")
    p.publish(1, w.name("inner"), "", "directly")
    p.gets()


@scenario("publish to one that is missing")
def publish_missing_exchange(w):
    p = w.open()
    p.publish(1, w.name("x"), "k", "lost")
    p.gets()
    p.do(1, "channel.open")


@scenario("alternate exchange takes what nobody wants, by name and in a chain")
def alternate(w):
    p = w.open()
    declare(p, w.name("last"))
    declare(p, w.name("middle"), "direct", arguments={"alternate-exchange": w.name("last")})
    declare(p, w.name("first"), "direct", arguments={"alternate-exchange": w.name("middle")})
    bound(w, p, "wanted", w.name("first"), "a")
    bound(w, p, "second", w.name("middle"), "b")
    bound(w, p, "rest", w.name("last"))
    for key in ("a", "b", "c"):
        p.publish(1, w.name("first"), key, key)
    counts(w, p, "wanted", "second", "rest")
    p.call(1, "basic.get", queue=w.name("rest"))


@scenario("alternate exchange and mandatory: no return if it takes it")
def alternate_mandatory(w):
    p = w.open()
    declare(p, w.name("a"))
    declare(p, w.name("x"), "direct", arguments={"alternate-exchange": w.name("a")})
    p.do(1, "confirm.select")
    p.publish(1, w.name("x"), "k", "to nobody", mandatory=True)
    p.confirms(1)
    bound(w, p, "q", w.name("a"))
    p.publish(1, w.name("x"), "k", "to the alternate", mandatory=True)
    p.confirms(1)
    counts(w, p, "q")


@scenario("alternate exchange that is missing, declared later, deleted")
def alternate_missing(w):
    p = w.open()
    declare(p, w.name("x"), arguments={"alternate-exchange": w.name("a")})
    p.publish(1, w.name("x"), "", "nowhere", mandatory=True)
    p.gets()
    declare(p, w.name("a"))
    bound(w, p, "q", w.name("a"))
    p.publish(1, w.name("x"), "", "there", mandatory=True)
    counts(w, p, "q")
    p.do(1, "exchange.delete", exchange=w.name("a"))
    p.publish(1, w.name("x"), "", "gone", mandatory=True)
    p.gets()


@scenario("alternate exchange that is its own, and two in a circle")
def alternate_circle(w):
    p = w.open()
    declare(p, w.name("x"), arguments={"alternate-exchange": w.name("y")})
    declare(p, w.name("y"), arguments={"alternate-exchange": w.name("x")})
    declare(p, w.name("z"), arguments={"alternate-exchange": w.name("z")})
    for name in ("x", "z"):
        p.publish(1, w.name(name), "", "round", mandatory=True)
        p.gets()


@scenario("alternate exchange that is internal, or reached by a binding")
def alternate_inner(w):
    p = w.open()
    declare(p, w.name("a"), internal=True)
    declare(p, w.name("inner"), "direct", arguments={"alternate-exchange": w.name("a")})
    declare(p, w.name("outer"))
    p.do(1, "exchange.bind", source=w.name("outer"), destination=w.name("inner"))
    bound(w, p, "q", w.name("a"))
    bound(w, p, "other", w.name("outer"))
    p.publish(1, w.name("outer"), "k", "the inner one has no queue for it")
    counts(w, p, "q", "other")


@scenario("alternate exchange's own bindings also when only some match")
def alternate_not_if_routed(w):
    p = w.open()
    declare(p, w.name("a"))
    declare(p, w.name("x"), "topic", arguments={"alternate-exchange": w.name("a")})
    bound(w, p, "q", w.name("x"), "a.*")
    bound(w, p, "rest", w.name("a"))
    p.publish(1, w.name("x"), "a.b", "wanted")
    p.publish(1, w.name("x"), "b.b", "not wanted")
    counts(w, p, "q", "rest")


@scenario("argument alternate-exchange that is no string, or no name")
def alternate_bad_argument(w):
    for argument in (5, "amq.fanout", ""):
        p = w.open()
        p.call(
            1,
            "exchange.declare",
            exchange=w.name(f"x{argument}"),
            type="fanout",
            arguments={"alternate-exchange": argument},
        )


def matching(w, p, exchange, patterns, keys, queue=None):
    """For each key the patterns that it matches; each pattern has a queue of its own."""
    for at, pattern in enumerate(patterns):
        bound(w, p, f"q{at}", exchange, pattern)
    for key in keys:
        p.publish(1, exchange, key, key)
        p.settles()
        hit = []
        for at, pattern in enumerate(patterns):
            p.send(1, "basic.get", queue=w.name(f"q{at}"), no_ack=True)
            if p.next().name == "basic.get-ok":
                hit.append(wire.to_text(wire.to_bytes(pattern)))
        w.note(f"{key!r} matches {hit}")


@scenario("topic: words, stars and hashes, odd ones included")
def topic_patterns(w):
    p = w.open()
    declare(p, w.name("x"), "topic")
    patterns = ["", "#", "*", "a", "a.b", "a.*", "a.#", "#.b", "*.b", "#.#", "*.*", "a..b", "a.*.b",
                "a.#.b", ".", "*.", "#.*", "*.#", "a#", "**", "#.a.#", "*.a.*"]  # fmt: skip
    keys = ["", "a", "b", "a.b", "a..b", ".", "a.", ".b", "a.c.b", "a.c.d.b", "a#", "#", "*",
            "**", "A", "a.b.a.b", "...", "x.a.y"]  # fmt: skip
    matching(w, p, w.name("x"), patterns, keys)


@scenario("direct: keys that are empty, odd or long")
def direct_keys(w):
    p = w.open()
    declare(p, w.name("x"), "direct")
    keys = ["", "a", "A", "a.b", "*", "#", "ä", "\U0001f600", " ", "k" * 255]
    matching(w, p, w.name("x"), keys, keys)


@scenario("direct: the same queue by several keys, twice by one")
def direct_duplicates(w):
    p = w.open()
    declare(p, w.name("x"), "direct")
    for key in ("a", "b", "a"):
        bound(w, p, "q", w.name("x"), key)
    bound(w, p, "q", w.name("x"), "a", argument="other")
    p.publish(1, w.name("x"), "a", "once")
    counts(w, p, "q")
    p.do(1, "queue.unbind", queue=w.name("q"), exchange=w.name("x"), routing_key="a")
    p.publish(1, w.name("x"), "a", "by the argument's binding")
    counts(w, p, "q")


@scenario("fanout: the key does not matter")
def fanout(w):
    p = w.open()
    declare(p, w.name("x"))
    bound(w, p, "a", w.name("x"), "some")
    bound(w, p, "b", w.name("x"), "other")
    p.publish(1, w.name("x"), "third", "for both")
    counts(w, p, "a", "b")


@scenario("headers: all, any, all-with-x, any-with-x and none given")
def headers_modes(w):
    p = w.open()
    declare(p, w.name("x"), "headers")
    modes = {
        "all": {"x-match": "all", "a": 1, "b": "two", "x-c": 3},
        "any": {"x-match": "any", "a": 1, "b": "two", "x-c": 3},
        "all-with-x": {"x-match": "all-with-x", "a": 1, "x-c": 3},
        "any-with-x": {"x-match": "any-with-x", "a": 1, "x-c": 3},
        "default": {"a": 1, "b": "two"},
        "empty all": {"x-match": "all"},
        "empty any": {"x-match": "any"},
        "no arguments": {},
    }
    for mode, arguments in modes.items():
        bound(w, p, mode, w.name("x"), **arguments)
    for headers in (
        {"a": 1, "b": "two"},
        {"a": 1},
        {"a": 1, "x-c": 3},
        {"x-c": 3},
        {"a": 2, "b": "two", "x-c": 3},
        {"z": 1},
        {},
        None,
    ):
        p.publish(1, w.name("x"), "k", "m", headers=headers)
        p.settles()
        hit = []
        for mode in modes:
            p.send(1, "basic.get", queue=w.name(mode), no_ack=True)
            if p.next().name == "basic.get-ok":
                hit.append(mode)
        w.note(f"{headers} matches {hit}")


@scenario("headers: values of other types, and a void argument")
def headers_types(w):
    p = w.open()
    declare(p, w.name("x"), "headers")
    values = {
        "int": 5,
        "long": wire.Typed("l", 5),
        "short": wire.Typed("s", 5),
        "octet": wire.Typed("B", 5),
        "text": "5",
        "bytes": b"5",
        "true": True,
        "double": 5.0,
        "float": wire.Typed("f", 5.0),
        "decimal": wire.Typed("D", (0, 5)),
        "time": wire.Typed("T", 5),
        "void": None,
        "list": [5],
        "table": {"five": 5},
    }
    for name, value in values.items():
        bound(w, p, name, w.name("x"), h=value)
    for name, value in values.items():
        p.publish(1, w.name("x"), "", "m", headers={"h": value})
        p.settles()
        hit = []
        for other in values:
            p.send(1, "basic.get", queue=w.name(other), no_ack=True)
            if p.next().name == "basic.get-ok":
                hit.append(other)
        w.note(f"{name} matches {hit}")


@scenario("headers: an x-match that nobody knows, or no string")
def headers_bad_match(w):
    for match in ("some", 5):
        p = w.open()
        declare(p, w.name("x"), "headers")
        p.do(1, "queue.declare", queue=w.name("q"))
        p.call(1, "queue.bind", queue=w.name("q"), exchange=w.name("x"),
               arguments={"x-match": match, "a": 1})  # fmt: skip


@scenario("CC and BCC: further keys, each queue once, BCC is taken off")
def cc_and_bcc(w):
    p = w.open()
    for queue in "abcd":
        p.do(1, "queue.declare", queue=w.name(queue))
    p.publish(
        1,
        "",
        w.name("a"),
        "to all",
        headers={"CC": [w.name("b"), w.name("a")], "k": 1, "BCC": [w.name("c")]},
    )
    counts(w, p, *"abcd")
    for queue in "abc":
        p.call(1, "basic.get", queue=w.name(queue))


@scenario("CC through a topic exchange, and to nobody")
def cc_topic(w):
    p = w.open()
    bound(w, p, "a", "amq.topic", w.name("a.*"))
    bound(w, p, "b", "amq.topic", w.name("b.*"))
    p.publish(1, "amq.topic", w.name("a.1"), "both", headers={"CC": [w.name("b.1"), "none"]})
    counts(w, p, "a", "b")
    p.publish(1, "", w.name("nobody"), "b only", mandatory=True, headers={"BCC": [w.name("b")]})
    counts(w, p, "a", "b")


@scenario("CC or BCC that is no list of strings")
def cc_bad(w):
    for headers in (
        {"CC": "text"},
        {"BCC": 5},
        {"CC": {"a": 1}},
        {"CC": [5]},
        {"BCC": ["ok", None]},
        {"cc": "small letters mean nothing"},
        {"CC": []},
    ):
        p = w.open()
        p.do(1, "queue.declare", queue=w.name("q"))
        p.do(1, "queue.purge", queue=w.name("q"))
        p.publish(1, "", w.name("q"), "m", headers=headers)
        w.note(str(headers))
        p.call(1, "queue.declare", queue=w.name("q"), passive=True)


@scenario("mandatory with BCC comes back as it was sent")
def bcc_returned(w):
    p = w.open()
    p.publish(1, "", w.name("nobody"), "m", mandatory=True,
              headers={"BCC": [w.name("none")], "k": 1})  # fmt: skip
    p.gets()
