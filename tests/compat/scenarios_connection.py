"""How a connection begins, ends, and what it does not forgive."""

import struct

import amqp_wire as wire
from world import scenario


def greeted_with(w, octets):
    """The first eight bytes of the answer."""
    p = w.peer()
    p.raw(octets)
    answer = b""
    while len(answer) < 8:
        answer += p.socket.recv(8 - len(answer))
    w.note(f"{octets} {answer[:4] if answer.startswith(b'AMQP') else 'a frame'} {answer[4:].hex() if answer.startswith(b'AMQP') else ''}")
    p.has_ended = True


@scenario("protocol header of AMQP 1.0, and something else altogether")
def header_of_another_protocol(w):
    greeted_with(w, b"AMQP\x00\x01\x00\x00")
    greeted_with(w, b"GET / HT")


@scenario("protocol header of AMQP 0-9 and 0-8")
def header_of_old_versions(w):
    for octets in (b"AMQP\x01\x01\x00\x09", b"AMQP\x01\x01\x08\x00"):
        p = w.peer()
        p.raw(octets)
        w.note("refused" if p.socket.recv(8).startswith(b"AMQP") else "welcome")
        p.has_ended = True


@scenario("what the server offers in connection.start")
def start(w):
    item = w.peer().hello()
    offered = item.fields["mechanisms"].split()
    w.note(f"{item.version_major}.{item.version_minor}", *sorted(offered), item.locales)


@scenario("capabilities that the server announces")
def server_capabilities(w):
    properties = w.peer().hello().fields["server_properties"]
    inner = properties[properties.index("capabilities={") + 14 :].partition("}")[0]
    w.note(*sorted(inner.split()))


@scenario("connection.tune")
def tune(w):
    p = w.peer()
    p.hello()
    w.note(p.show(p.log_in()))


@scenario("wrong password, client announces authentication_failure_close")
def wrong_password_told(w):
    p = w.peer()
    p.hello()
    w.note(p.show(p.log_in(response="\0guest\0wrong")))
    p.gets(0)


@scenario("wrong password, client announces nothing")
def wrong_password_untold(w):
    p = w.peer()
    p.hello()
    w.note(p.show(p.log_in(response="\0guest\0wrong", capabilities={})))


@scenario("user that nobody knows")
def unknown_user(w):
    p = w.peer()
    p.hello()
    w.note(p.show(p.log_in(response="\0nobody\0guest")))


@scenario("malformed PLAIN response")
def malformed_plain(w):
    p = w.peer()
    p.hello()
    w.note(p.show(p.log_in(response="guest")))


@scenario("mechanism that the server does not offer")
def unknown_mechanism(w):
    p = w.peer()
    p.hello()
    w.note(p.show(p.log_in(mechanism="X-ODD")))


@scenario("login with AMQPLAIN")
def amqplain(w):
    p = w.peer()
    p.hello()
    response = wire.table({"LOGIN": "guest", "PASSWORD": "guest"})[4:]
    w.note(p.show(p.log_in(mechanism="AMQPLAIN", response=response)))


@scenario("login with AMQPLAIN and a wrong password")
def amqplain_wrong(w):
    p = w.peer()
    p.hello()
    response = wire.table({"LOGIN": "guest", "PASSWORD": "wrong"})[4:]
    w.note(p.show(p.log_in(mechanism="AMQPLAIN", response=response)))


@scenario("locale that the server does not offer")
def unknown_locale(w):
    p = w.peer()
    p.hello()
    w.note(p.show(p.log_in(locale="xx_YY")))


@scenario("vhost that is not there")
def unknown_vhost(w):
    p = w.peer()
    p.hello()
    p.log_in()
    p.send(0, "connection.tune-ok", channel_max=10, frame_max=131_072)
    p.call(0, "connection.open", virtual_host="nowhere")
    p.gets(0)


def tuned(w, **fields):
    p = w.peer()
    p.hello()
    p.log_in()
    p.send(0, "connection.tune-ok", **fields)
    p.call(0, "connection.open", virtual_host="/")


@scenario("tune-ok: frame-max below 4096")
def frame_max_too_small(w):
    tuned(w, frame_max=100, channel_max=10)


@scenario("tune-ok: frame-max above the server's")
def frame_max_too_large(w):
    tuned(w, frame_max=200_000, channel_max=10)


@scenario("tune-ok: frame-max 0 of a server with a limit")
def frame_max_none(w):
    tuned(w, frame_max=0, channel_max=10)


@scenario("tune-ok: channel-max above the server's")
def channel_max_too_large(w):
    tuned(w, frame_max=4_096, channel_max=65_535)


@scenario("tune-ok: channel-max 0 of a server with a limit")
def channel_max_none(w):
    tuned(w, frame_max=4_096, channel_max=0)


@scenario("tune-ok: frame-max 4096 holds for what the server sends")
def small_frames(w):
    p = w.open(frame_max=4_096)
    p.do(1, "queue.declare", queue=w.name("q"))
    p.publish(1, "", w.name("q"), "x" * 20_000)
    p.do(1, "basic.consume", queue=w.name("q"), no_ack=True)
    p.gets()


@scenario("channel above channel-max")
def channel_above_max(w):
    p = w.open(channel_max=5)
    p.call(6, "channel.open")


@scenario("more channels than channel-max")
def channels_too_many(w):
    w.open(3, channel_max=3).call(4, "channel.open")


@scenario("channel number is channel-max")
def channel_at_max(w):
    p = w.open(channel_max=5)
    p.call(5, "channel.open")


@scenario("channel is opened twice")
def channel_opened_twice(w):
    w.open().call(1, "channel.open")


@scenario("method on a channel that is not open")
def channel_not_open(w):
    w.open().call(7, "queue.declare", queue=w.name("q"))


@scenario("channel number is used again after close")
def channel_reused(w):
    p = w.open()
    p.call(1, "channel.close", reply_code=200)
    p.call(1, "channel.open")
    p.call(1, "queue.declare", queue=w.name("q"))


@scenario("channel is opened again after an error, at once")
def channel_reused_after_error(w):
    p = w.open()
    p.call(1, "queue.declare", queue=w.name("q"), passive=True)
    p.call(1, "channel.open")
    p.call(1, "queue.declare", queue=w.name("q"))


@scenario("methods after a channel error are ignored until close-ok")
def ignored_after_error(w):
    p = w.open()
    p.send(1, "queue.declare", queue=w.name("missing"), passive=True)
    p.send(1, "queue.declare", queue=w.name("q"))
    p.gets()
    p.do(1, "channel.open")
    p.call(1, "queue.declare", queue=w.name("q"), passive=True)


@scenario("an error of one channel leaves the others and the connection")
def other_channels_stay(w):
    p = w.open(2)
    p.call(1, "queue.declare", queue=w.name("q"), passive=True)
    p.call(2, "queue.declare", queue=w.name("q"))


@scenario("channel.close of a channel that is not open")
def close_unopened_channel(w):
    p = w.open()
    p.call(9, "channel.close", reply_code=200)
    p.call(1, "queue.declare", queue=w.name("q"))


@scenario("connection.close by the client")
def close_connection(w):
    p = w.open()
    p.call(0, "connection.close", reply_code=200)


@scenario("method of a channel on channel 0")
def channel_method_on_zero(w):
    p = w.open()
    p.call(0, "queue.declare", queue=w.name("q"))
    p.gets(0)


@scenario("channel.open on channel 0")
def open_channel_zero(w):
    w.open().call(0, "channel.open")


@scenario("method of a connection on channel 1")
def connection_method_on_channel(w):
    p = w.open()
    p.call(1, "connection.close", reply_code=200)
    p.gets(0)


@scenario("second connection.open")
def second_open(w):
    w.open().call(0, "connection.open", virtual_host="/")


@scenario("method of a server")
def method_of_a_server(w):
    w.open().call(1, "queue.declare-ok", queue="q")


@scenario("class that nobody knows")
def unknown_class(w):
    p = w.open()
    p.frame(wire.METHOD, 1, struct.pack(">HH", 333, 10))
    p.gets()


@scenario("method that nobody knows")
def unknown_method(w):
    p = w.open()
    p.frame(wire.METHOD, 1, struct.pack(">HH", 50, 99))
    p.gets()


@scenario("access.request of AMQP 0-8")
def access_request(w):
    w.open().call(1, "access.request", realm="/data", active=True)


@scenario("method frame that is cut short")
def method_cut_short(w):
    p = w.open()
    p.frame(wire.METHOD, 1, wire.method("queue.declare", queue=w.name("q"))[:-6])
    p.gets()


@scenario("method frame without a method")
def method_frame_empty(w):
    p = w.open()
    p.frame(wire.METHOD, 1, b"\x00")
    p.gets()


@scenario("method frame with bytes left over")
def method_left_over(w):
    p = w.open()
    p.frame(wire.METHOD, 1, wire.method("queue.declare", queue=w.name("q")) + b"more")
    p.gets()


@scenario("frame with a wrong end")
def wrong_frame_end(w):
    p = w.open()
    p.frame(wire.METHOD, 1, wire.method("queue.declare", queue=w.name("q")), end=0xCD)
    p.gets()


@scenario("frame of a type that nobody knows")
def unknown_frame_type(w):
    p = w.open()
    p.frame(5, 1, b"")
    p.gets()


@scenario("frame larger than frame-max")
def frame_too_large(w):
    p = w.open(frame_max=4_096)
    p.raw(wire.frame(wire.METHOD, 1, b"x" * 5_000))
    p.gets()


@scenario("heartbeat on channel 1")
def heartbeat_on_channel(w):
    p = w.open()
    p.frame(wire.HEARTBEAT, 1, b"")
    p.gets()


@scenario("heartbeat with a payload")
def heartbeat_with_payload(w):
    p = w.open()
    p.frame(wire.HEARTBEAT, 0, b"x")
    p.call(1, "queue.declare", queue=w.name("q"))


@scenario("heartbeats from the server, every half of the interval", slow=True)
def heartbeats_from_server(w):
    p = w.open(heartbeat=2)
    p.socket.settimeout(10)
    octets = p.socket.recv(8)
    w.note(octets.hex())


@scenario("a client without heartbeats is cut off", slow=True)
def heartbeats_missing(w):
    p = w.open(heartbeat=1)
    p.gets(1)


@scenario("connection.update-secret")
def update_secret(w):
    w.open().call(0, "connection.update-secret", new_secret="guest", reason="rotated")


@scenario("channel.flow: going on")
def flow(w):
    p = w.open()
    p.call(1, "channel.flow", active=True)


@scenario("channel.flow: stopped")
def flow_stopped(w):
    w.open().call(1, "channel.flow", active=False)


@scenario("connection.blocked from a client")
def blocked_from_client(w):
    w.open().call(0, "connection.blocked", reason="no")


@scenario("method before the connection is open")
def method_before_open(w):
    p = w.peer()
    p.hello()
    p.call(1, "channel.open")


@scenario("start-ok is sent twice")
def start_ok_twice(w):
    p = w.peer()
    p.hello()
    p.log_in()
    w.note(p.show(p.log_in()))
