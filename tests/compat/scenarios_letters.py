"""What expires, and where a message goes that its queue gives up, with which headers."""

import re
import time

from peer import LIMIT_S, QUIET_S
from world import scenario


def dying(w, p, queue="q", to="dead", **arguments):
    """A queue whose dead letters go to another, both declared."""
    p.do(1, "queue.declare", queue=w.name(to))
    arguments = {each.replace("_", "-"): value for each, value in arguments.items()}
    arguments |= {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": w.name(to)}
    p.do(1, "queue.declare", queue=w.name(queue), arguments=arguments)


def in_order(text):
    """Headers have none that means anything; those that 3.10 does not have are looked at once."""
    text = re.sub(r" x-last-death-\w+=S:[^ }]*", "", text)
    firsts = sorted(re.findall(r" x-first-death-\w+=S:[^ }]*", text))
    text = re.sub(r" x-first-death-\w+=S:[^ }]*", "", text)
    text = re.sub(r"(x-death=\[.*?\}\])", lambda found: found[1] + "".join(firsts), text)
    return re.sub(r"\{(count=.*?)\}", sorted_fields, text)


def sorted_fields(found):
    fields = re.findall(r"[\w-]+=(?:\[[^\]]*\]|[^ ]*)", found[1])
    return "{" + " ".join(sorted(fields)) + "}"


def letter(w, p, queue="dead", hides_newer=True):
    """The next message of a queue, which may be on its way: RabbitMQ sends it on when it can."""
    end = time.monotonic() + LIMIT_S
    while (item := p.take(w.name(queue), no_ack=True)).name == "basic.get-empty":
        assert time.monotonic() < end, "nothing comes"
        time.sleep(QUIET_S / 10)
    item.fields.pop("messages", None)
    w.note(in_order(p.show(item)) if hides_newer else p.show(item))


def sent(w, p, queue, body, **properties):
    """Published and in its queue: RabbitMQ counts it from the confirm on."""
    p.do(1, "confirm.select")
    p.publish(1, "", w.name(queue), body, **properties)
    item = p.next()
    assert item.name == "basic.ack", p.show(item)


def empties(w, p, queue):
    """Waits until nothing of a queue is left."""
    end = time.monotonic() + LIMIT_S
    while p.do(1, "queue.declare", queue=w.name(queue), passive=True).messages:
        assert time.monotonic() < end, "it stays"
        time.sleep(QUIET_S / 10)


@scenario("x-message-ttl: gone when its time is over, without a consumer")
def ttl_of_queue(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"), arguments={"x-message-ttl": 100})
    sent(w, p, "q", "m")
    empties(w, p, "q")
    p.call(1, "basic.get", queue=w.name("q"))


@scenario("expiration of a message, and the shorter of the two times")
def ttl_of_message(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("a"))
    p.do(1, "queue.declare", queue=w.name("b"), arguments={"x-message-ttl": 100})
    p.do(1, "queue.declare", queue=w.name("c"), arguments={"x-message-ttl": 600_000})
    for short, expiration in (("a", "100"), ("b", "600000"), ("c", "100")):
        sent(w, p, short, "m", expiration=expiration)
        empties(w, p, short)
    sent(w, p, "c", "stays")
    p.call(1, "basic.get", queue=w.name("c"))


@scenario("a TTL of 0: delivered to who waits, and else gone")
def ttl_zero(w):
    p, consumer = w.open(), w.open()
    p.do(1, "queue.declare", queue=w.name("q"), arguments={"x-message-ttl": 0})
    sent(w, p, "q", "to nobody")
    empties(w, p, "q")
    consumer.do(1, "basic.consume", queue=w.name("q"), consumer_tag="c", no_ack=True)
    sent(w, p, "q", "to somebody")
    consumer.gets()
    p.do(1, "queue.declare", queue=w.name("r"))
    sent(w, p, "r", "to nobody", expiration="0")
    empties(w, p, "r")


@scenario("what is unacknowledged does not expire before it comes back")
def ttl_unacknowledged(w):
    p, consumer = w.open(), w.open()
    dying(w, p, x_message_ttl=150)
    consumer.do(1, "basic.consume", queue=w.name("q"), consumer_tag="c")
    p.publish(1, "", w.name("q"), "held")
    consumer.gets()
    sent(w, p, "dead", "probe", expiration="400")
    empties(w, p, "dead")
    consumer.close()
    letter(w, p)


@scenario("times that make no sense")
def ttl_bad(w):
    for name in ("x-message-ttl", "x-expires"):
        for value in (-1, 0, "soon", 2.5, 4_294_967_295):
            p = w.open()
            w.note(f"{name} {value}")
            q = w.name(f"{name}{value}")
            p.call(1, "queue.declare", queue=q, arguments={name: value})


@scenario("x-expires: a queue that nobody uses goes, with what it holds, and no dead letters")
def expires(w):
    p, consumer = w.open(), w.open()
    dying(w, p, x_expires=200)
    sent(w, p, "q", "m")
    dying(w, p, queue="used", x_expires=200)
    consumer.do(1, "basic.consume", queue=w.name("used"), consumer_tag="c")
    sent(w, p, "dead", "probe", expiration="1000")
    empties(w, p, "dead")
    p.call(1, "queue.declare", queue=w.name("used"), passive=True)
    p.call(1, "basic.get", queue=w.name("dead"))
    p.call(1, "queue.delete", queue=w.name("q"))


@scenario("dead letters: rejected, by reject and by nack")
def dead_rejected(w):
    p = w.open()
    dying(w, p)
    for method, fields in (("basic.reject", {}), ("basic.nack", {"multiple": True})):
        p.publish(1, "", w.name("q"), method, message_id="7", delivery_mode=2)
        tag = p.take(w.name("q")).delivery_tag
        p.send(1, method, delivery_tag=tag, requeue=False, **fields)
        letter(w, p)


@scenario("dead letters: all headers of one")
def dead_headers(w):
    p = w.open()
    dying(w, p)
    p.publish(1, "", w.name("q"), "m")
    p.send(1, "basic.reject", delivery_tag=p.take(w.name("q")).delivery_tag, requeue=False)
    letter(w, p, hides_newer=False)


@scenario("dead letters: expired, and the expiration is taken off")
def dead_expired(w):
    p = w.open()
    dying(w, p)
    p.publish(1, "", w.name("q"), "m", expiration="50", headers={"mine": "S:x"})
    letter(w, p)
    dying(w, p, queue="timed", x_message_ttl=50)
    p.publish(1, "", w.name("timed"), "m")
    letter(w, p)


@scenario("dead letters: over the limit of length")
def dead_length(w):
    p = w.open()
    dying(w, p, x_max_length=1)
    for number in range(3):
        p.publish(1, "", w.name("q"), f"m{number}")
    for _ in range(2):
        letter(w, p)
    letter(w, p, "q")


@scenario("dead letters: reject-publish-dlx refuses and sends it on")
def dead_refused(w):
    p = w.open()
    dying(w, p, x_max_length=1, x_overflow="reject-publish-dlx")
    p.do(1, "confirm.select")
    for number in range(2):
        p.publish(1, "", w.name("q"), f"m{number}")
        p.confirms(1)
    letter(w, p)
    letter(w, p, "q")


@scenario("dead letters: by an exchange, with the key it had and with another")
def dead_exchange(w):
    p = w.open()
    p.do(1, "exchange.declare", exchange=w.name("x"), type="direct")
    p.do(1, "queue.declare", queue=w.name("dead"))
    for key in ("first", "second", w.name("same")):
        p.do(1, "queue.bind", queue=w.name("dead"), exchange=w.name("x"), routing_key=key)
    for short, key in (("same", {}), ("other", {"x-dead-letter-routing-key": "second"})):
        arguments = {"x-dead-letter-exchange": w.name("x"), **key}
        p.do(1, "queue.declare", queue=w.name(short), arguments=arguments)
        p.publish(1, "", w.name(short), short)
        p.send(1, "basic.reject", delivery_tag=p.take(w.name(short)).delivery_tag, requeue=False)
        letter(w, p)


@scenario("dead letters: from one queue to the next and round again")
def dead_twice(w):
    p = w.open()
    for short, to in (("a", "b"), ("b", "a")):
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": w.name(to)}
        p.do(1, "queue.declare", queue=w.name(short), arguments=arguments)
    p.publish(1, "", w.name("a"), "m")
    for short in ("a", "b", "a"):
        end = time.monotonic() + LIMIT_S
        while (item := p.take(w.name(short))).name == "basic.get-empty":
            assert time.monotonic() < end, "nothing comes"
        p.send(1, "basic.reject", delivery_tag=item.delivery_tag, requeue=False)
    letter(w, p, "b")


@scenario("dead letters: a circle without a reject ends")
def dead_circle(w):
    p = w.open()
    for short, to in (("a", "b"), ("b", "a")):
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": w.name(to)}
        arguments["x-message-ttl"] = 20
        p.do(1, "queue.declare", queue=w.name(short), arguments=arguments)
    sent(w, p, "a", "m")
    for _ in range(20):  # between two queues it may be in neither
        for short in "aba":
            empties(w, p, short)
    p.call(1, "queue.declare", queue=w.name("a"), passive=True)


@scenario("dead letters: an exchange that is missing, and none: gone")
def dead_nowhere(w):
    p = w.open()
    arguments = {"x-dead-letter-exchange": w.name("missing")}
    p.call(1, "queue.declare", queue=w.name("q"), arguments=arguments)
    p.do(1, "queue.declare", queue=w.name("plain"))
    for short in ("q", "plain"):
        p.publish(1, "", w.name(short), "m")
        p.send(1, "basic.reject", delivery_tag=p.take(w.name(short)).delivery_tag, requeue=False)
        p.call(1, "queue.declare", queue=w.name(short), passive=True)


@scenario("dead letters: CC is taken off when there is another key")
def dead_cc(w):
    p = w.open()
    dying(w, p)
    p.do(1, "queue.declare", queue=w.name("copy"))
    headers = {"CC": [w.name("copy")]}
    p.publish(1, "", w.name("q"), "m", headers=headers)
    p.send(1, "basic.reject", delivery_tag=p.take(w.name("q")).delivery_tag, requeue=False)
    letter(w, p)
    letter(w, p, "copy")
    p.call(1, "basic.get", queue=w.name("copy"))


@scenario("dead letters: a purge and a delete make none")
def dead_purged(w):
    p = w.open()
    dying(w, p)
    for method in ("queue.purge", "queue.delete"):
        p.publish(1, "", w.name("q"), "m")
        p.do(1, method, queue=w.name("q"))
    p.settles()
    p.call(1, "queue.declare", queue=w.name("dead"), passive=True)


@scenario("dead letter arguments that make no sense")
def dead_bad_arguments(w):
    for arguments in (
        {"x-dead-letter-routing-key": "k"},
        {"x-dead-letter-exchange": 5},
        {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": 5},
    ):
        p = w.open()
        w.note(str(arguments))
        p.call(1, "queue.declare", queue=w.name("q"), arguments=arguments)
