"""Publishes: returns, confirms, transactions."""

from scenarios_queue import filled
from world import scenario


@scenario("immediate")
def immediate(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"))
    p.publish(1, "", w.name("q"), "now", immediate=True)
    p.gets()
    p.gets(0)


@scenario("to a queue that nobody knows, over the default exchange: dropped")
def publish_unknown_queue(w):
    p = w.open()
    p.publish(1, "", w.name("nobody"), "lost")
    p.call(1, "basic.qos")


@scenario("mandatory: returned with its properties and body")
def mandatory(w):
    p = w.open()
    p.publish(1, "amq.direct", w.name("nowhere"), "back", mandatory=True, message_id="7",
              headers={"k": "v"})  # fmt: skip
    p.gets()
    p.publish(1, "", w.name("nobody"), "", mandatory=True)
    p.gets()


@scenario("mandatory: routed to one queue is enough")
def mandatory_routed(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"))
    p.publish(1, "", w.name("q"), "there", mandatory=True)
    p.call(1, "basic.qos")


@scenario("mandatory with confirms: the return comes before the ack")
def mandatory_confirmed(w):
    p = w.open()
    p.do(1, "confirm.select")
    p.publish(1, "", w.name("nobody"), "back", mandatory=True)
    p.gets_many(2)


@scenario("confirms: every tag once, also of what nobody wants")
def confirms(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"))
    p.call(1, "confirm.select")
    for number in range(5):
        p.publish(1, "", w.name("q") if number % 2 else w.name("nobody"), f"m{number}")
    p.confirms(5)


@scenario("confirms: durable queue, persistent messages")
def confirms_durable(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"), durable=True)
    p.do(1, "confirm.select")
    for number in range(20):
        p.publish(1, "", w.name("q"), f"m{number}", delivery_mode=2)
    p.confirms(20)
    p.call(1, "queue.declare", queue=w.name("q"), passive=True)


@scenario("confirms: tags count from confirm.select on")
def confirms_from_select(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"))
    p.publish(1, "", w.name("q"), "before")
    p.do(1, "confirm.select")
    p.publish(1, "", w.name("q"), "after")
    p.gets()


@scenario("confirm.select twice, the tags go on")
def confirm_select_twice(w):
    p = w.open()
    p.call(1, "confirm.select")
    p.publish(1, "", w.name("nobody"), "one")
    p.confirms(1)
    p.call(1, "confirm.select")
    p.publish(1, "", w.name("nobody"), "two")
    p.confirms(1)


@scenario("confirms: each channel counts its own")
def confirms_each_channel(w):
    p = w.open(2)
    p.do(1, "confirm.select")
    p.do(2, "confirm.select")
    for channel in (1, 2, 2):
        p.publish(channel, "", w.name("nobody"), "m")
    p.confirms(1, 1)
    p.confirms(2, 2)


@scenario("confirms: fan-out is confirmed once")
def confirms_fan_out(w):
    p = w.open()
    p.do(1, "exchange.declare", exchange=w.name("x"), type="fanout")
    for short in "abc":
        p.do(1, "queue.declare", queue=w.name(short))
        p.do(1, "queue.bind", queue=w.name(short), exchange=w.name("x"))
    p.do(1, "confirm.select")
    p.publish(1, w.name("x"), "", "m")
    p.confirms(1)


@scenario("confirm.select on a channel with a transaction, and the other way round")
def confirm_and_tx(w):
    p = w.open(2)
    p.do(1, "tx.select")
    p.call(1, "confirm.select")
    p.do(2, "confirm.select")
    p.call(2, "tx.select")


@scenario("user-id: one's own, somebody else's")
def user_id(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"))
    p.publish(1, "", w.name("q"), "mine", user_id="guest")
    p.settles()
    p.call(1, "basic.get", queue=w.name("q"))
    p.publish(1, "", w.name("q"), "not mine", user_id="somebody")
    p.gets()


@scenario("expiration that is no number")
def expiration_bad(w):
    for expiration in ("soon", "-1", "", "1.5"):
        p = w.open()
        p.do(1, "queue.declare", queue=w.name("q"))
        p.publish(1, "", w.name("q"), "m", expiration=expiration)
        w.note(f"expiration {expiration!r}")
        p.call(1, "basic.qos")


@scenario("tx: publishes are there after the commit, not before")
def tx_publish(w):
    p = w.open(2)
    p.do(2, "queue.declare", queue=w.name("q"))
    p.call(1, "tx.select")
    for number in range(3):
        p.publish(1, "", w.name("q"), f"m{number}")
    p.settles()
    p.call(2, "queue.declare", queue=w.name("q"), passive=True)
    p.call(1, "tx.commit")
    p.call(2, "queue.declare", queue=w.name("q"), passive=True)
    for _ in range(3):
        p.call(2, "basic.get", queue=w.name("q"), no_ack=True)


@scenario("tx: the next transaction begins with the commit")
def tx_again(w):
    p = w.open(2)
    p.do(2, "queue.declare", queue=w.name("q"))
    p.do(1, "tx.select")
    p.publish(1, "", w.name("q"), "one")
    p.call(1, "tx.commit")
    p.publish(1, "", w.name("q"), "two")
    p.call(1, "tx.rollback")
    p.publish(1, "", w.name("q"), "three")
    p.call(1, "tx.commit")
    p.call(2, "basic.get", queue=w.name("q"), no_ack=True)
    p.call(2, "basic.get", queue=w.name("q"), no_ack=True)
    p.call(2, "basic.get", queue=w.name("q"), no_ack=True)


@scenario("tx: rollback takes back publishes; empty commit and rollback")
def tx_rollback(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"))
    p.do(1, "tx.select")
    p.call(1, "tx.commit")
    p.call(1, "tx.rollback")
    p.publish(1, "", w.name("q"), "never")
    p.call(1, "tx.rollback")
    p.call(1, "tx.commit")
    p.call(1, "queue.declare", queue=w.name("q"), passive=True)


@scenario("tx.select twice keeps what was begun")
def tx_select_twice(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"))
    p.do(1, "tx.select")
    p.publish(1, "", w.name("q"), "m")
    p.call(1, "tx.select")
    p.call(1, "tx.commit")
    p.call(1, "queue.declare", queue=w.name("q"), passive=True)


@scenario("tx.commit and tx.rollback without tx.select")
def tx_without_select(w):
    w.open().call(1, "tx.commit")
    w.open().call(1, "tx.rollback")


@scenario("tx: acks count with the commit")
def tx_acks(w):
    p = w.open(2)
    filled(w, p, count=3)
    p.do(1, "tx.select")
    for _ in range(3):
        p.take(w.name("q"))
    p.send(1, "basic.ack", delivery_tag=1)
    p.send(1, "basic.nack", delivery_tag=2, requeue=True)
    p.settles()
    p.call(2, "queue.declare", queue=w.name("q"), passive=True)
    p.call(1, "tx.commit")
    p.call(2, "queue.declare", queue=w.name("q"), passive=True)
    p.do(1, "channel.close", reply_code=200)
    p.call(2, "basic.get", queue=w.name("q"))
    p.call(2, "basic.get", queue=w.name("q"))
    p.call(2, "basic.get", queue=w.name("q"))


@scenario("tx: acks of a rolled back transaction can be given again")
def tx_acks_rolled_back(w):
    p = w.open(2)
    filled(w, p, count=2)
    p.do(1, "tx.select")
    for _ in range(2):
        p.take(w.name("q"))
    p.send(1, "basic.ack", delivery_tag=2, multiple=True)
    p.call(1, "tx.rollback")
    p.send(1, "basic.ack", delivery_tag=1)
    p.send(1, "basic.nack", delivery_tag=2, requeue=True)
    p.call(1, "tx.commit")
    p.call(2, "basic.get", queue=w.name("q"))
    p.call(2, "basic.get", queue=w.name("q"))


@scenario("tx: an ack twice in one transaction, and an unknown tag")
def tx_ack_twice(w):
    for tags in ([1, 1], [9]):
        p = w.open()
        filled(w, p, count=1)
        p.do(1, "tx.select")
        p.take(w.name("q"))
        for tag in tags:
            p.send(1, "basic.ack", delivery_tag=tag)
        p.call(1, "tx.commit")
        p.close()
        other = w.open()
        other.call(1, "basic.get", queue=w.name("q"))
        other.close()


@scenario("tx: acks of deliveries of a consumer free its credit, at once or later")
def tx_ack_credit(w):
    p = w.open()
    filled(w, p, count=3)
    p.do(1, "tx.select")
    p.do(1, "basic.qos", prefetch_count=1)
    p.do(1, "basic.consume", queue=w.name("q"), consumer_tag="c")
    p.gets()
    p.send(1, "basic.ack", delivery_tag=1)
    p.gets_nothing()
    p.send(1, "tx.commit")
    w.note(*sorted(p.show(p.next()) for _ in range(2)))  # either may be first


@scenario("tx: the channel is closed before the commit")
def tx_closed(w):
    p = w.open(2)
    filled(w, p, count=1)
    p.do(1, "tx.select")
    p.take(w.name("q"))
    p.send(1, "basic.ack", delivery_tag=1)
    p.publish(1, "", w.name("q"), "never")
    p.do(1, "channel.close", reply_code=200)
    p.call(2, "queue.declare", queue=w.name("q"), passive=True)
    p.call(2, "basic.get", queue=w.name("q"))


@scenario("tx: an error takes everything with it")
def tx_error(w):
    p = w.open(2)
    p.do(2, "queue.declare", queue=w.name("q"))
    p.do(1, "tx.select")
    p.publish(1, "", w.name("q"), "never")
    p.publish(1, w.name("missing"), "", "no such exchange")
    p.gets()
    p.call(2, "queue.declare", queue=w.name("q"), passive=True)


@scenario("tx: mandatory comes back, before or after the commit")
def tx_mandatory(w):
    p = w.open()
    p.do(1, "tx.select")
    p.publish(1, "", w.name("nobody"), "back", mandatory=True)
    p.publish(1, "", w.name("nobody"), "silent")
    p.send(1, "tx.commit")
    p.gets_many(2)


@scenario("tx: mandatory of a rolled back transaction")
def tx_mandatory_rolled_back(w):
    p = w.open()
    p.do(1, "tx.select")
    p.publish(1, "", w.name("nobody"), "back", mandatory=True)
    p.call(1, "tx.rollback")
    p.call(1, "basic.qos")


@scenario("tx: what is routed is decided at the publish")
def tx_routed_when(w):
    p = w.open(2)
    p.do(1, "tx.select")
    p.do(2, "exchange.declare", exchange=w.name("x"), type="fanout")
    p.do(2, "queue.declare", queue=w.name("late"))
    p.publish(1, w.name("x"), "", "m")
    p.settles()
    p.do(2, "queue.bind", queue=w.name("late"), exchange=w.name("x"))
    p.call(1, "tx.commit")
    p.call(2, "queue.declare", queue=w.name("late"), passive=True)


@scenario("tx: the queue is deleted before the commit")
def tx_queue_deleted(w):
    p = w.open(2)
    p.do(2, "queue.declare", queue=w.name("q"))
    p.do(1, "tx.select")
    p.publish(1, "", w.name("q"), "m", mandatory=True)
    p.settles()
    p.do(2, "queue.delete", queue=w.name("q"))
    p.send(1, "tx.commit")
    p.gets_many(2)


@scenario("tx: a queue that refuses closes the channel, the others have theirs")
def tx_refused(w):
    p = w.open()
    full = {"x-max-length": 1, "x-overflow": "reject-publish"}
    p.do(1, "queue.declare", queue=w.name("q"), arguments=full)
    p.do(1, "tx.select")
    for number in range(3):
        p.publish(1, "", w.name("q"), f"m{number}")
    p.call(1, "tx.commit")
    p.do(1, "channel.open")
    p.call(1, "queue.declare", queue=w.name("q"), passive=True)


@scenario("tx: publishes, acks and requeues of several queues in one commit")
def tx_several(w):
    p = w.open(2)
    filled(w, p, "a", 2)
    p.do(1, "queue.declare", queue=w.name("b"), durable=True)
    p.do(1, "tx.select")
    for _ in range(2):
        p.take(w.name("a"))
    p.publish(1, "", w.name("b"), "first", delivery_mode=2)
    p.send(1, "basic.ack", delivery_tag=1)
    p.publish(1, "", w.name("a"), "second")
    p.send(1, "basic.reject", delivery_tag=2, requeue=True)
    p.publish(1, "", w.name("b"), "third", delivery_mode=2)
    p.call(1, "tx.commit")
    for short in "aaabbb":
        p.call(2, "basic.get", queue=w.name(short), no_ack=True)


@scenario("tx: recover in a transaction")
def tx_recover(w):
    p = w.open()
    filled(w, p, count=2)
    p.do(1, "tx.select")
    for _ in range(2):
        p.take(w.name("q"))
    p.send(1, "basic.ack", delivery_tag=1)
    p.call(1, "basic.recover", requeue=True)
    p.call(1, "tx.commit")
    p.settles()
    p.call(1, "basic.get", queue=w.name("q"))
    p.call(1, "basic.get", queue=w.name("q"))
