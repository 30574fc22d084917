"""One connection of a scenario: it says what it is told, and notes what comes back."""

import contextlib
import socket
import struct
import time

import amqp_wire as wire

LIMIT_S = 10  # for what is expected; a server that is well answers at once
QUIET_S = 0.3  # for what should not come
CAPABILITIES = {
    "publisher_confirms": True,
    "exchange_exchange_bindings": True,
    "basic.nack": True,
    "consumer_cancel_notify": True,
    "connection.blocked": True,
    "authentication_failure_close": True,
}
SHOWN_BODY = 40


class Item:
    """A method that came, with its content if it has one."""

    def __init__(self, channel, name, fields):
        self.channel, self.name, self.fields = channel, name, fields
        self.properties, self.body, self.size = None, b"", None

    def __getattr__(self, name):
        if name == "fields" or name not in self.fields:
            raise AttributeError(name)
        return self.fields[name]

    def is_whole(self):
        return self.name not in wire.CONTENT_METHODS or self.size == len(self.body)


class Peer:
    """A connection of its own. What is read goes to the scenario's log, unless it is quiet."""

    def __init__(self, world, label=""):
        self.world, self.label = world, label
        self.socket = socket.create_connection(("127.0.0.1", world.port), LIMIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = b""
        self.items = []  # whole ones that nobody has read yet
        self.parts = {}  # by channel: one whose content is on its way
        self.frame_max = 131_072
        self.has_ended = False
        world.peers.append(self)

    # Out.

    def raw(self, octets):
        with contextlib.suppress(OSError):  # the server has hung up: that is read as its end
            self.socket.sendall(octets)

    def frame(self, kind, channel, payload, end=wire.FRAME_END):
        self.raw(wire.frame(kind, channel, payload, end))

    def send(self, channel, name, **fields):
        self.frame(wire.METHOD, channel, wire.method(name, **fields))

    def header(self, channel, size, properties=None, class_id=wire.BASIC):
        payload = wire.content_header(size, properties, class_id)
        self.frame(wire.CONTENT_HEADER, channel, payload)

    def body(self, channel, octets):
        most = self.frame_max - 8
        for at in range(0, len(octets), most):
            self.frame(wire.BODY, channel, octets[at : at + most])

    def publish(self, channel, exchange, key, body="", mandatory=False, immediate=False, **props):
        self.send(
            channel,
            "basic.publish",
            exchange=exchange,
            routing_key=key,
            mandatory=mandatory,
            immediate=immediate,
        )
        octets = wire.to_bytes(body)
        self.header(channel, len(octets), props)
        self.body(channel, octets)

    # In.

    def _frame(self, limit):
        self.socket.settimeout(limit)
        while len(self.input) < 7 or len(self.input) < self._size() + 8:
            octets = self.socket.recv(1 << 16)
            if not octets:
                raise EOFError
            self.input += octets
        kind, channel, size = struct.unpack(">BHI", self.input[:7])
        assert self.input[size + 7] == wire.FRAME_END, "a frame does not end where it says"
        payload, self.input = self.input[7 : size + 7], self.input[size + 8 :]
        return kind, channel, payload

    def _size(self):
        return struct.unpack(">I", self.input[3:7])[0]

    def _take(self, limit):
        """One frame into the items. Heartbeats count as nothing."""
        kind, channel, payload = self._frame(limit)
        if kind == wire.HEARTBEAT:
            return
        if kind == wire.METHOD:
            assert channel not in self.parts, "a method in the midst of a content"
            item = Item(channel, *wire.parse_method(payload))
            if item.name == "channel.close":
                self.send(channel, "channel.close-ok")
            if item.name == "connection.close":
                self.send(0, "connection.close-ok")
            self.parts[channel] = item
        else:
            item = self.parts[channel]
            if kind == wire.CONTENT_HEADER:
                item.size = struct.unpack(">Q", payload[4:12])[0]
                item.properties = wire.parse_properties(payload[12:])
            else:
                item.body += payload
        if item.is_whole():
            self.items.append(self.parts.pop(channel))

    def next(self, channel=1, limit=LIMIT_S):
        """The next item of that channel or of the connection, not logged; or how it ended."""
        while True:
            for at, item in enumerate(self.items):
                if item.channel in (channel, 0):
                    return self.items.pop(at)
            if self.has_ended:
                return Item(0, "end", {})
            try:
                self._take(limit)
            except TimeoutError:
                return Item(0, "silence", {})
            except (EOFError, ConnectionError):
                self.has_ended = True

    def gets(self, channel=1, limit=LIMIT_S):
        item = self.next(channel, limit)
        self.note(self.show(item))
        return item

    def gets_many(self, count, channel=1):
        return [self.gets(channel) for _ in range(count)]

    def gets_nothing(self, channel=1):
        self.gets(channel, QUIET_S)

    def call(self, channel, name, **fields):
        if name == "queue.declare" and fields.get("passive"):
            return self.counts(channel, **fields)
        self.send(channel, name, **fields)
        return self.gets(channel)

    def counts(self, channel, **fields):
        """A passive declare, until it says the same twice: RabbitMQ counts before messages that
        are on their way between its processes."""
        before = None
        while True:
            self.send(channel, "queue.declare", **fields)
            item = self.next(channel)
            if item.name != "queue.declare-ok" or self.show(item) == before:
                self.note(self.show(item))
                return item
            before = self.show(item)
            time.sleep(QUIET_S / 5)

    def do(self, channel, name, **fields):
        """A step on the way that is not looked at, but has to work."""
        self.send(channel, name, **fields)
        item = self.next(channel)
        assert item.name.endswith("-ok"), f"{name}: {self.show(item)}"
        return item

    def take(self, queue, channel=1, **fields):
        """One message by basic.get that is not looked at."""
        self.send(channel, "basic.get", queue=queue, **fields)
        return self.next(channel)

    def settles(self, channel=1):
        """Everything that was sent before has been worked off by the channel."""
        self.do(channel, "basic.qos", prefetch_count=0, **{"global": False})

    def confirms(self, count, channel=1):
        """So many confirms, one by one in the order of their tags, and what comes among them."""
        found, before = {}, 0
        while len(found) < count:
            item = self.next(channel)
            if item.name not in ("basic.ack", "basic.nack"):
                self.note(self.show(item))
                if item.name in ("silence", "end", "connection.close", "channel.close"):
                    break
                continue
            tags = range(1, item.delivery_tag + 1) if item.multiple else [item.delivery_tag]
            new = [tag for tag in tags if tag not in self.world.confirmed(self, channel)]
            found.update({tag: item.name for tag in new})
            self.world.confirmed(self, channel).update(new)
            before += 1
        self.note(*(f"{found[tag]} {tag}" for tag in sorted(found)))

    # The way to a channel.

    def hello(self):
        self.raw(wire.HEADER)
        return self.next(0)

    def log_in(self, mechanism="PLAIN", response="\0guest\0guest", capabilities=None, locale="en_US"):
        wanted = CAPABILITIES if capabilities is None else capabilities
        self.send(
            0,
            "connection.start-ok",
            client_properties={"capabilities": wanted},
            mechanism=mechanism,
            response=response,
            locale=locale,
        )
        return self.next(0)

    def open(self, channels=1, heartbeat=0, frame_max=131_072, channel_max=2_047, **login):
        self.hello()
        tune = self.log_in(**login)
        assert tune.name == "connection.tune", self.show(tune)
        self.frame_max = frame_max
        self.send(
            0,
            "connection.tune-ok",
            channel_max=channel_max,
            frame_max=frame_max,
            heartbeat=heartbeat,
        )
        self.do(0, "connection.open", virtual_host="/")
        for channel in range(1, channels + 1):
            self.do(channel, "channel.open")
        return self

    def close(self):
        """Quietly; the server has let go of it when this returns."""
        if not self.has_ended:
            self.send(0, "connection.close", reply_code=200)
            while self.next(0, 2).name not in ("connection.close-ok", "end", "silence"):
                pass
        self.has_ended = True
        self.socket.close()

    # What is shown.

    def note(self, *lines):
        prefix = f"{self.label}: " if self.label else ""
        self.world.log += [prefix + line for line in lines]

    def show(self, item):
        fields = dict(item.fields)
        if item.name.endswith(".close"):
            # Of a connection that is closed the class and the method are for people only.
            cause = (fields["class_id"], fields["method_id"])
            is_said = item.name == "channel.close" and cause != (0, 0)
            after = f" for {wire.NAMES.get(cause, cause)}" if is_said else ""
            return f"{item.name} {fields['reply_code']}{after}"
        fields.pop("reply_text", None)
        fields.pop("reserved_1", None)
        shown = [item.name.removeprefix("basic.")]
        for name, value in fields.items():
            if value is True:
                shown.append(name)
            elif value is not False:
                shown.append(f"{name}={self.world.plain(str(value))}")
        if item.properties is not None:
            for name, value in item.properties.items():
                shown.append(f"{name}={self.world.plain(str(value))}")
            shown.append(self.show_body(item.body))
        return " ".join(shown)

    @staticmethod
    def show_body(body):
        if len(body) > SHOWN_BODY:
            return f"{len(body)} bytes, sum {sum(body)}"
        return repr(wire.to_text(body))
