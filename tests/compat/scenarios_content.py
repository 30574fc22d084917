"""Contents: headers, bodies, properties, and frames that come in the wrong order."""

import amqp_wire as wire
from world import scenario

LATIN = wire.Typed("S", b"caf\xe9")


def begun(w, **fields):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"))
    p.send(1, "basic.publish", routing_key=w.name("q"), **fields)
    return p


def got(w, p):
    p.settles()
    return p.call(1, "basic.get", queue=w.name("q"), no_ack=True)


@scenario("content header without a publish")
def header_without_publish(w):
    p = w.open()
    p.header(1, 5)
    p.gets()


@scenario("body without a publish")
def body_without_publish(w):
    p = w.open()
    p.frame(wire.BODY, 1, b"hello")
    p.gets()


@scenario("body before its header")
def body_before_header(w):
    p = begun(w)
    p.frame(wire.BODY, 1, b"hello")
    p.gets()


@scenario("method in the midst of a content")
def method_in_content(w):
    p = begun(w)
    p.header(1, 5)
    p.call(1, "basic.qos")


@scenario("method between publish and header")
def method_before_header(w):
    begun(w).call(1, "basic.qos")


@scenario("second header in the midst of a content")
def second_header(w):
    p = begun(w)
    p.header(1, 5)
    p.header(1, 5)
    p.gets()


@scenario("channel.close in the midst of a content")
def close_in_content(w):
    p = begun(w)
    p.header(1, 5)
    p.call(1, "channel.close", reply_code=200)


@scenario("content header of another class")
def header_of_another_class(w):
    p = begun(w)
    p.header(1, 5, class_id=50)
    p.gets()


@scenario("content header with a weight")
def header_with_weight(w):
    p = begun(w)
    payload = wire.content_header(2)
    p.frame(wire.CONTENT_HEADER, 1, payload[:2] + b"\x00\x07" + payload[4:])
    p.gets()


@scenario("body larger than announced")
def body_larger(w):
    p = begun(w)
    p.header(1, 3)
    p.frame(wire.BODY, 1, b"hello")
    p.gets()


@scenario("body frames after a message without a body")
def body_after_empty(w):
    p = begun(w)
    p.header(1, 0)
    p.frame(wire.BODY, 1, b"")
    p.gets()


@scenario("message without a body")
def body_empty(w):
    p = begun(w)
    p.header(1, 0)
    got(w, p)


@scenario("body frames that are empty, between others")
def body_frames_empty(w):
    p = begun(w)
    p.header(1, 4)
    for piece in (b"", b"ab", b"", b"cd"):
        p.frame(wire.BODY, 1, piece)
    got(w, p)


@scenario("body of 5 MB in many frames, there and back")
def body_large(w):
    p = begun(w)
    octets = bytes(range(251)) * 20_000
    p.header(1, len(octets))
    p.body(1, octets)
    got(w, p)


@scenario("body of the largest size that is allowed", slow=True)
def body_largest(w):
    p = begun(w)
    octets = bytes(1 << 20) * 16
    p.header(1, len(octets))
    p.body(1, octets)
    got(w, p)


@scenario("body of one byte more than is allowed")
def body_too_large(w):
    p = begun(w)
    p.header(1, (16 << 20) + 1)
    p.body(1, bytes((16 << 20) + 1))
    p.gets()


@scenario("body of 2^63 bytes is announced")
def body_absurd(w):
    p = begun(w)
    p.header(1, 1 << 63)
    p.gets()


@scenario("contents of two channels at the same time")
def contents_interleaved(w):
    p = w.open(2)
    for channel, short in ((1, "a"), (2, "b")):
        p.do(channel, "queue.declare", queue=w.name(short))
        p.send(channel, "basic.publish", routing_key=w.name(short))
        p.header(channel, 6)
    for channel, piece in ((1, b"one"), (2, b"two"), (2, b"TWO"), (1, b"ONE")):
        p.frame(wire.BODY, channel, piece)
    for channel, short in ((1, "a"), (2, "b")):
        p.settles(channel)
        p.call(channel, "basic.get", queue=w.name(short))


@scenario("every property, unchanged")
def all_properties(w):
    p = begun(w)
    p.header(1, 0, {
        "content_type": "text/plain", "content_encoding": "utf-8", "headers": {"a": 1},
        "delivery_mode": 2, "priority": 7, "correlation_id": "c", "reply_to": "somewhere",
        "expiration": "60000", "message_id": "m", "timestamp": 1_700_000_000, "type": "t",
        "user_id": "guest", "app_id": "app", "cluster_id": "cluster",
    })  # fmt: skip
    got(w, p)


@scenario("properties that are empty strings")
def empty_properties(w):
    p = begun(w)
    p.header(1, 0, {"content_type": "", "correlation_id": "", "headers": {}, "message_id": ""})
    got(w, p)


@scenario("priority 255, timestamp 2^64-1")
def odd_properties(w):
    p = begun(w)
    p.header(1, 0, {"priority": 255, "timestamp": 2**64 - 1})
    got(w, p)


@scenario("delivery mode that nobody knows")
def delivery_modes(w):
    for mode in (0, 1, 2, 3):
        p = begun(w)
        p.header(1, 0, {"delivery_mode": mode})
        w.note(f"delivery mode {mode}")
        p.call(1, "basic.qos")


@scenario("every type of value in headers, unchanged")
def all_types(w):
    p = begun(w)
    p.header(1, 0, {"headers": {
        "t": True, "b": wire.Typed("b", -5), "B": wire.Typed("B", 250), "s": wire.Typed("s", -300),
        "u": wire.Typed("u", 60_000), "I": -70_000, "i": wire.Typed("i", 4_000_000_000),
        "l": wire.Typed("l", -(2**60)), "f": wire.Typed("f", 0.5), "d": 1e300,
        "D": wire.Typed("D", (2, 314)), "S": "text", "x": b"\x00\xff", "T": wire.Typed("T", 1),
        "V": None, "A": [1, "two", [3], {"four": 4}], "F": {"inner": {"deeper": None}},
        "": "an empty key", "ä": "ö",
    }})  # fmt: skip
    got(w, p)


@scenario("headers nested 40 deep, and 1,000 fields")
def big_headers(w):
    nested = {}
    for _ in range(40):
        nested = {"n": nested}
    p = begun(w)
    p.header(1, 0, {"headers": {"deep": nested, **{f"k{at}": at for at in range(1_000)}}})
    p.settles()
    item = p.take(w.name("q"), no_ack=True)
    shown = item.properties["headers"]
    w.note(f"{item.name} {len(shown)} {shown.count('n=')} {shown.endswith('k999=I:999}')}")


@scenario("a key of headers that comes twice")
def repeated_key(w):
    p = begun(w)
    twice = wire.string("k") + wire.value(1) + wire.string("k") + wire.value(2)
    p.header(1, 0, {"headers": wire.Raw(wire.long_string(twice))})
    got(w, p)


@scenario("property flags that nobody knows")
def unknown_property_flags(w):
    for flags in (1, 2, 3):
        p = begun(w)
        p.header(1, 0, wire.Raw(flags.to_bytes(2, "big")))
        w.note(f"flags {flags}")
        got_or_closed(w, p)


def got_or_closed(w, p):
    p.send(1, "basic.get", queue=w.name("q"), no_ack=True)
    p.gets()


@scenario("properties that are cut short, or have bytes left over")
def properties_damaged(w):
    for octets in (b"", b"\x80", b"\x80\x00", b"\x80\x00\x05ab", b"\x00\x00more"):
        p = begun(w)
        p.header(1, 0, wire.Raw(octets))
        w.note(octets.hex())
        got_or_closed(w, p)


@scenario("headers with a type that nobody knows, or a length that is wrong")
def headers_damaged(w):
    for octets in (b"\x01kZ", b"\x01kS\x00\x00\xff\xff", b"\x05k", b"\x01k"):
        p = begun(w)
        p.header(1, 0, {"headers": wire.Raw(wire.long_string(octets))})
        w.note(octets.hex())
        got_or_closed(w, p)


@scenario("arguments of a declare with a type that nobody knows")
def arguments_damaged(w):
    p = w.open()
    p.call(1, "queue.declare", queue=w.name("q"), arguments=wire.Raw(wire.long_string(b"\x01kZ")))


@scenario("routing key of 255 bytes, and one that is no UTF-8")
def routing_keys(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"))
    p.do(1, "queue.bind", queue=w.name("q"), exchange="amq.direct", routing_key="k" * 255)
    p.publish(1, "amq.direct", "k" * 255, "m")
    got(w, p)
    p.publish(1, "amq.direct", b"\xff\xfe", "m")
    p.call(1, "basic.qos")


@scenario("strings of properties that are no UTF-8")
def properties_not_utf8(w):
    p = begun(w)
    p.header(1, 0, {"correlation_id": b"\xff", "headers": {b"\xfe": LATIN}})
    got(w, p)
