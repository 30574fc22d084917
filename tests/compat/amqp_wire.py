"""AMQP 0-9-1 as bytes: frames, methods, field tables and properties, exact and without opinions.

Clients for applications hide what a test of compatibility wants to say and see: wrong frames, types
of values, flags. Strings go out as they are given, text or bytes; what comes in is shown as it is.
"""

import re
import struct

HEADER = b"AMQP\x00\x00\x09\x01"
METHOD, CONTENT_HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
FRAME_END = 0xCE
BASIC = 60

# name class.method field:type ...
METHODS_TEXT = """
connection.start 10.10 version_major:octet version_minor:octet server_properties:table
  mechanisms:long_string locales:long_string
connection.start-ok 10.11 client_properties:table mechanism:string response:long_string locale:string
connection.secure 10.20 challenge:long_string
connection.secure-ok 10.21 response:long_string
connection.tune 10.30 channel_max:short frame_max:long heartbeat:short
connection.tune-ok 10.31 channel_max:short frame_max:long heartbeat:short
connection.open 10.40 virtual_host:string reserved_1:string reserved_2:bit
connection.open-ok 10.41 reserved_1:string
connection.close 10.50 reply_code:short reply_text:string class_id:short method_id:short
connection.close-ok 10.51
connection.blocked 10.60 reason:string
connection.unblocked 10.61
connection.update-secret 10.70 new_secret:long_string reason:string
connection.update-secret-ok 10.71
channel.open 20.10 reserved_1:string
channel.open-ok 20.11 reserved_1:long_string
channel.flow 20.20 active:bit
channel.flow-ok 20.21 active:bit
channel.close 20.40 reply_code:short reply_text:string class_id:short method_id:short
channel.close-ok 20.41
access.request 30.10 realm:string exclusive:bit passive:bit active:bit write:bit read:bit
access.request-ok 30.11 ticket:short
exchange.declare 40.10 ticket:short exchange:string type:string passive:bit durable:bit
  auto_delete:bit internal:bit no_wait:bit arguments:table
exchange.declare-ok 40.11
exchange.delete 40.20 ticket:short exchange:string if_unused:bit no_wait:bit
exchange.delete-ok 40.21
exchange.bind 40.30 ticket:short destination:string source:string routing_key:string no_wait:bit
  arguments:table
exchange.bind-ok 40.31
exchange.unbind 40.40 ticket:short destination:string source:string routing_key:string no_wait:bit
  arguments:table
exchange.unbind-ok 40.51
queue.declare 50.10 ticket:short queue:string passive:bit durable:bit exclusive:bit auto_delete:bit
  no_wait:bit arguments:table
queue.declare-ok 50.11 queue:string messages:long consumers:long
queue.bind 50.20 ticket:short queue:string exchange:string routing_key:string no_wait:bit
  arguments:table
queue.bind-ok 50.21
queue.purge 50.30 ticket:short queue:string no_wait:bit
queue.purge-ok 50.31 messages:long
queue.delete 50.40 ticket:short queue:string if_unused:bit if_empty:bit no_wait:bit
queue.delete-ok 50.41 messages:long
queue.unbind 50.50 ticket:short queue:string exchange:string routing_key:string arguments:table
queue.unbind-ok 50.51
basic.qos 60.10 prefetch_size:long prefetch_count:short global:bit
basic.qos-ok 60.11
basic.consume 60.20 ticket:short queue:string consumer_tag:string no_local:bit no_ack:bit
  exclusive:bit no_wait:bit arguments:table
basic.consume-ok 60.21 consumer_tag:string
basic.cancel 60.30 consumer_tag:string no_wait:bit
basic.cancel-ok 60.31 consumer_tag:string
basic.publish 60.40 ticket:short exchange:string routing_key:string mandatory:bit immediate:bit
basic.return 60.50 reply_code:short reply_text:string exchange:string routing_key:string
basic.deliver 60.60 consumer_tag:string delivery_tag:longlong redelivered:bit exchange:string
  routing_key:string
basic.get 60.70 ticket:short queue:string no_ack:bit
basic.get-ok 60.71 delivery_tag:longlong redelivered:bit exchange:string routing_key:string
  messages:long
basic.get-empty 60.72 reserved_1:string
basic.ack 60.80 delivery_tag:longlong multiple:bit
basic.reject 60.90 delivery_tag:longlong requeue:bit
basic.recover-async 60.100 requeue:bit
basic.recover 60.110 requeue:bit
basic.recover-ok 60.111
basic.nack 60.120 delivery_tag:longlong multiple:bit requeue:bit
tx.select 90.10
tx.select-ok 90.11
tx.commit 90.20
tx.commit-ok 90.21
tx.rollback 90.30
tx.rollback-ok 90.31
confirm.select 85.10 no_wait:bit
confirm.select-ok 85.11
"""
CONTENT_METHODS = {"basic.return", "basic.deliver", "basic.get-ok"}
PROPERTIES = (
    ("content_type", "string"),
    ("content_encoding", "string"),
    ("headers", "table"),
    ("delivery_mode", "octet"),
    ("priority", "octet"),
    ("correlation_id", "string"),
    ("reply_to", "string"),
    ("expiration", "string"),
    ("message_id", "string"),
    ("timestamp", "longlong"),
    ("type", "string"),
    ("user_id", "string"),
    ("app_id", "string"),
    ("cluster_id", "string"),
)
NUMBERS = {"octet": ">B", "short": ">H", "long": ">I", "longlong": ">Q"}
# The letters of RabbitMQ's field tables, with what they hold.
LETTERS = {
    "t": ">?", "b": ">b", "B": ">B", "s": ">h", "u": ">H", "I": ">i", "i": ">I", "l": ">q",
    "f": ">f", "d": ">d", "T": ">Q",
}  # fmt: skip


def _methods():
    by_name, by_id = {}, {}
    for line in METHODS_TEXT.replace("\n  ", " ").strip().splitlines():
        name, number, *fields = line.split()
        ids = tuple(int(part) for part in number.split("."))
        by_name[name] = (ids, [tuple(field.split(":")) for field in fields])
        by_id[ids] = name
    return by_name, by_id


METHODS, NAMES = _methods()


class Raw(bytes):
    """Bytes that stand for a whole field, its length included."""


class Typed:
    """A value of a field table with its letter: Typed("u", 7)."""

    def __init__(self, letter, value):
        self.letter, self.value = letter, value


def to_bytes(text):
    return text.encode() if isinstance(text, str) else bytes(text)


def to_text(octets):
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return "bytes " + octets.hex()


def string(text):
    octets = to_bytes(text)
    return struct.pack(">B", len(octets)) + octets


def long_string(text):
    octets = to_bytes(text)
    return struct.pack(">I", len(octets)) + octets


def value(given):
    """One value of a table, letter first."""
    if isinstance(given, Raw):
        return bytes(given)
    if isinstance(given, Typed):
        letter, held = given.letter, given.value
        if letter in LETTERS:
            return letter.encode() + struct.pack(LETTERS[letter], held)
        if letter == "D":
            return b"D" + struct.pack(">Bi", *held)
        return letter.encode() + long_string(held)
    if given is None:
        return b"V"
    if isinstance(given, bool):
        return b"t" + struct.pack(">?", given)
    if isinstance(given, int):
        is_small = -(2**31) <= given < 2**31
        return struct.pack(">ci", b"I", given) if is_small else struct.pack(">cq", b"l", given)
    if isinstance(given, float):
        return struct.pack(">cd", b"d", given)
    if isinstance(given, str):
        return b"S" + long_string(given)
    if isinstance(given, bytes):
        return b"x" + long_string(given)
    if isinstance(given, dict):
        return b"F" + table(given)
    return b"A" + long_string(b"".join(value(each) for each in given))


def table(given):
    if isinstance(given, Raw):
        return bytes(given)
    return long_string(b"".join(string(key) + value(held) for key, held in given.items()))


WRITERS = {"string": string, "long_string": long_string, "table": table}
EMPTY = {"string": "", "long_string": "", "table": {}}


def field(kind, given):
    if isinstance(given, Raw):
        return bytes(given)
    return struct.pack(NUMBERS[kind], given) if kind in NUMBERS else WRITERS[kind](given)


def method(name, **given):
    """The payload of a method frame; fields that are not given are empty, 0 or false."""
    ids, fields = METHODS[name]
    unknown = set(given) - {field_name for field_name, _ in fields}
    assert not unknown, f"{name} has no {unknown}"
    payload, bits = struct.pack(">HH", *ids), []
    for field_name, kind in fields:
        if kind == "bit":
            bits.append(bool(given.get(field_name)))
            continue
        payload += _packed(bits)
        payload += field(kind, given.get(field_name, EMPTY.get(kind, 0)))
    return payload + _packed(bits)


def _packed(bits):
    octets = bytes([sum(bit << at for at, bit in enumerate(bits))]) if bits else b""
    bits.clear()
    return octets


def frame(kind, channel, payload, end=FRAME_END):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + bytes([end])


def properties(given):
    if isinstance(given, Raw):
        return bytes(given)
    flags, octets = 0, b""
    for bit, (name, kind) in enumerate(PROPERTIES):
        if given.get(name) is not None:
            flags |= 1 << (15 - bit)
            octets += field(kind, given[name])
    return struct.pack(">H", flags) + octets


def content_header(size, given=None, class_id=BASIC):
    return struct.pack(">HHQ", class_id, 0, size) + properties({} if given is None else given)


class Reader:
    """Takes fields off a payload; tables as text that shows every type."""

    def __init__(self, octets):
        self.octets, self.at = octets, 0

    def take(self, size):
        self.at += size
        return self.octets[self.at - size : self.at]

    def number(self, layout):
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def string(self):
        return to_text(self.take(self.number(">B")))

    def long_string(self):
        return to_text(self.take(self.number(">I")))

    def table(self):
        inner, shown = Reader(self.take(self.number(">I"))), []
        while inner.at < len(inner.octets):
            shown.append(f"{inner.string()}={inner.value()}")
        return "{" + " ".join(shown) + "}"

    def value(self):
        letter = self.take(1).decode()
        if letter in LETTERS:
            return f"{letter}:{self.number(LETTERS[letter])}"
        if letter == "D":
            return f"D:{self.number('>B')}/{self.number('>i')}"
        if letter == "F":
            return self.table()
        if letter == "V":
            return "V"
        inner = Reader(self.take(self.number(">I")))
        if letter != "A":
            return f"{letter}:{to_text(inner.octets)}"
        shown = []
        while inner.at < len(inner.octets):
            shown.append(inner.value())
        return "[" + " ".join(shown) + "]"

    def field(self, kind):
        return self.number(NUMBERS[kind]) if kind in NUMBERS else getattr(self, kind)()


def parse_method(payload):
    """Its name and fields."""
    reader, bits, bit = Reader(payload), 0, 0
    ids = (reader.number(">H"), reader.number(">H"))
    name = NAMES[ids]
    fields = {}
    for field_name, kind in METHODS[name][1]:
        if kind == "bit":
            bits = reader.number(">B") if bit % 8 == 0 else bits
            fields[field_name] = bool(bits >> bit % 8 & 1)
            bit += 1
        else:
            bit = 0
            fields[field_name] = reader.field(kind)
    return name, fields


def parse_properties(octets):
    reader = Reader(octets)
    flags = reader.number(">H")
    return {
        name: reader.field(kind)
        for bit, (name, kind) in enumerate(PROPERTIES)
        if flags >> (15 - bit) & 1
    }


def without_generated(text):
    """Names that a server makes up are no outcome, nor is the time of a death."""
    text = re.sub(r"\btime=T:\d+", "time=T:...", text)
    text = re.sub(r"amq\.(gen|ctag)-[\w\-]+", r"amq.\1-...", text)
    return re.sub(r"(amq\.rabbitmq\.reply-to\.)[\w\-./+=]+", r"\1...", text)
