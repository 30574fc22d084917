"""Consumers, deliveries and how they are settled."""

from scenarios_queue import filled
from world import scenario


def ready(w, p, short="q", channel=1):
    p.call(channel, "queue.declare", queue=w.name(short), passive=True)


@scenario("get on empty, with counts, and without acks")
def get(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"))
    p.call(1, "basic.get", queue=w.name("q"))
    filled(w, p)
    p.call(1, "basic.get", queue=w.name("q"))
    p.call(1, "basic.get", queue=w.name("q"), no_ack=True)
    p.call(1, "basic.get", queue=w.name("q"))
    p.call(1, "basic.get", queue=w.name("q"))


@scenario("get from a missing queue")
def get_missing(w):
    w.open().call(1, "basic.get", queue=w.name("q"))


@scenario("consume from a missing queue")
def consume_missing(w):
    w.open().call(1, "basic.consume", queue=w.name("q"))


@scenario("consume: tags of the server and of the client, in order of delivery")
def consume(w):
    p = w.open()
    filled(w, p)
    p.call(1, "basic.consume", queue=w.name("q"), consumer_tag="mine")
    p.gets_many(3)
    p.call(1, "basic.consume", queue=w.name("q"))


@scenario("consumer tag that is in use on the channel")
def consume_tag_twice(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"))
    p.call(1, "basic.consume", queue=w.name("q"), consumer_tag="c")
    p.call(1, "basic.consume", queue=w.name("q"), consumer_tag="c")
    p.gets(0)


@scenario("consumer tag that another channel uses, and one that was cancelled")
def consume_tag_again(w):
    p = w.open(2)
    p.do(1, "queue.declare", queue=w.name("q"))
    p.call(1, "basic.consume", queue=w.name("q"), consumer_tag="c")
    p.call(2, "basic.consume", queue=w.name("q"), consumer_tag="c")
    p.do(1, "basic.cancel", consumer_tag="c")
    p.call(1, "basic.consume", queue=w.name("q"), consumer_tag="c")


@scenario("consume without acks: nothing is left")
def consume_no_ack(w):
    p = w.open()
    filled(w, p)
    p.do(1, "basic.consume", queue=w.name("q"), consumer_tag="c", no_ack=True)
    p.gets_many(3)
    p.close()
    ready(w, w.open())


@scenario("ack of a delivery without acks")
def ack_of_no_ack(w):
    p = w.open()
    filled(w, p, count=1)
    p.call(1, "basic.get", queue=w.name("q"), no_ack=True)
    p.call(1, "basic.ack", delivery_tag=1)


@scenario("no-local is accepted and means nothing")
def consume_no_local(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"))
    p.do(1, "basic.consume", queue=w.name("q"), consumer_tag="c", no_local=True)
    p.publish(1, "", w.name("q"), "my own")
    p.gets()


@scenario("exclusive consumer: others are refused, and it if there are others")
def consume_exclusive(w):
    p = w.open(4)
    p.do(1, "queue.declare", queue=w.name("q"))
    p.call(1, "basic.consume", queue=w.name("q"), consumer_tag="c", exclusive=True)
    p.call(2, "basic.consume", queue=w.name("q"))
    p.call(3, "basic.get", queue=w.name("q"))
    p.do(1, "basic.cancel", consumer_tag="c")
    p.do(1, "basic.consume", queue=w.name("q"), consumer_tag="d")
    p.call(4, "basic.consume", queue=w.name("q"), exclusive=True)


@scenario("cancel of a tag that is not there")
def cancel_unknown(w):
    w.open().call(1, "basic.cancel", consumer_tag="nobody")


@scenario("cancel: what was delivered stays unacknowledged, nothing more comes")
def cancel(w):
    p = w.open()
    filled(w, p, count=2)
    p.do(1, "basic.consume", queue=w.name("q"), consumer_tag="c")
    p.gets_many(2)
    p.call(1, "basic.cancel", consumer_tag="c")
    p.publish(1, "", w.name("q"), "later")
    p.settles()
    ready(w, p)
    p.send(1, "basic.ack", delivery_tag=1)
    p.send(1, "basic.nack", delivery_tag=2, requeue=True)
    p.settles()
    ready(w, p)


@scenario("queue is deleted: consumers that can be told are told")
def cancel_notify(w):
    p = w.open(2)
    p.do(1, "queue.declare", queue=w.name("q"))
    p.do(1, "basic.consume", queue=w.name("q"), consumer_tag="c")
    p.call(2, "queue.delete", queue=w.name("q"))
    p.gets()


@scenario("queue is deleted: consumers that cannot be told are not")
def cancel_not_notified(w):
    p = w.open(2, capabilities={})
    p.do(1, "queue.declare", queue=w.name("q"))
    p.do(1, "basic.consume", queue=w.name("q"), consumer_tag="c")
    p.call(2, "queue.delete", queue=w.name("q"))
    p.gets_nothing()


@scenario("queue is deleted: an ack of what it had delivered")
def ack_after_delete(w):
    p = w.open()
    filled(w, p, count=1)
    p.call(1, "basic.get", queue=w.name("q"))
    p.do(1, "queue.delete", queue=w.name("q"))
    p.send(1, "basic.ack", delivery_tag=1)
    p.call(1, "basic.qos")


@scenario("prefetch per consumer")
def prefetch(w):
    p = w.open()
    filled(w, p, count=5)
    p.call(1, "basic.qos", prefetch_count=2)
    p.do(1, "basic.consume", queue=w.name("q"), consumer_tag="c")
    p.gets_many(2)
    ready(w, p)
    p.send(1, "basic.ack", delivery_tag=1)
    p.gets()
    p.send(1, "basic.ack", delivery_tag=3, multiple=True)
    p.gets_many(2)
    ready(w, p)


@scenario("prefetch per consumer holds for each, and for later ones only")
def prefetch_each(w):
    p = w.open()
    filled(w, p, "a", 3)
    filled(w, p, "b", 3)
    p.do(1, "basic.qos", prefetch_count=1)
    p.do(1, "basic.consume", queue=w.name("a"), consumer_tag="a")
    p.gets()
    p.do(1, "basic.qos", prefetch_count=2)
    p.do(1, "basic.consume", queue=w.name("b"), consumer_tag="b")
    p.gets_many(2)
    ready(w, p, "a")
    ready(w, p, "b")


@scenario("prefetch of the channel, over two consumers")
def prefetch_global(w):
    p = w.open()
    filled(w, p, "a", 3)
    filled(w, p, "b", 3)
    p.call(1, "basic.qos", prefetch_count=3, **{"global": True})
    p.do(1, "basic.consume", queue=w.name("a"), consumer_tag="a")
    p.gets_many(3)
    p.do(1, "basic.consume", queue=w.name("b"), consumer_tag="b")
    ready(w, p, "b")
    p.send(1, "basic.ack", delivery_tag=1)
    p.gets()
    ready(w, p, "b")


@scenario("prefetch of the channel and of its consumers, both hold")
def prefetch_both(w):
    p = w.open()
    filled(w, p, "a", 5)
    filled(w, p, "b", 5)
    p.do(1, "basic.qos", prefetch_count=2)
    p.do(1, "basic.qos", prefetch_count=3, **{"global": True})
    p.do(1, "basic.consume", queue=w.name("a"), consumer_tag="a")
    p.gets_many(2)
    p.do(1, "basic.consume", queue=w.name("b"), consumer_tag="b")
    p.gets()
    ready(w, p, "a")
    ready(w, p, "b")


@scenario("prefetch of the channel is taken away: the rest comes")
def prefetch_global_lifted(w):
    p = w.open()
    filled(w, p, count=4)
    p.do(1, "basic.qos", prefetch_count=1, **{"global": True})
    p.do(1, "basic.consume", queue=w.name("q"), consumer_tag="c")
    p.gets()
    p.call(1, "basic.qos", prefetch_count=0, **{"global": True})
    p.gets_many(3)


@scenario("prefetch does not count basic.get, and no-ack consumers")
def prefetch_not_counted(w):
    p = w.open()
    filled(w, p, count=5)
    p.do(1, "basic.qos", prefetch_count=1)
    p.call(1, "basic.get", queue=w.name("q"))
    p.call(1, "basic.get", queue=w.name("q"))
    p.do(1, "basic.consume", queue=w.name("q"), consumer_tag="c", no_ack=True)
    p.gets_many(3)


@scenario("prefetch of the channel counts what basic.get took")
def prefetch_global_get(w):
    p = w.open()
    filled(w, p, count=3)
    p.do(1, "basic.qos", prefetch_count=1, **{"global": True})
    p.call(1, "basic.get", queue=w.name("q"))
    p.do(1, "basic.consume", queue=w.name("q"), consumer_tag="c")
    p.gets(1)
    ready(w, p)


@scenario("prefetch-size is not built")
def prefetch_size(w):
    w.open().call(1, "basic.qos", prefetch_size=1)


@scenario("ack of an unknown tag, twice of the same, of tag 0")
def ack_unknown(w):
    for tags in ([99], [1, 1], [0], [2, 1, 2]):
        p = w.open()
        filled(w, p, count=3)
        p.do(1, "queue.purge", queue=w.name("q"))
        filled(w, p, count=2)
        for _ in range(2):
            p.take(w.name("q"))
        for tag in tags:
            p.send(1, "basic.ack", delivery_tag=tag)
        w.note(f"ack {tags}")
        p.call(1, "basic.qos")


@scenario("nack and reject of an unknown tag")
def nack_unknown(w):
    for name in ("basic.nack", "basic.reject"):
        w.open().call(1, name, delivery_tag=5, requeue=True)


@scenario("ack of everything: multiple with tag 0, also when there is nothing")
def ack_all(w):
    p = w.open()
    filled(w, p)
    for _ in range(3):
        p.call(1, "basic.get", queue=w.name("q"))
    p.send(1, "basic.ack", delivery_tag=0, multiple=True)
    p.call(1, "basic.qos")
    p.send(1, "basic.ack", delivery_tag=0, multiple=True)
    p.send(1, "basic.nack", delivery_tag=0, multiple=True)
    p.call(1, "basic.qos")
    p.close()
    ready(w, w.open())


@scenario("ack multiple up to a tag that is settled already, or is beyond the last")
def ack_multiple_odd(w):
    for tags in ([(1, False), (1, True)], [(5, True)], [(2, False), (3, True)], [(2, True), (1, True)]):
        p = w.open()
        filled(w, p)
        for _ in range(3):
            p.take(w.name("q"))
        for tag, multiple in tags:
            p.send(1, "basic.ack", delivery_tag=tag, multiple=multiple)
        w.note(f"ack {tags}")
        p.call(1, "basic.qos")
        p.close()
        other = w.open()
        ready(w, other)
        other.do(1, "queue.delete", queue=w.name("q"))


@scenario("ack on another channel than the delivery's")
def ack_wrong_channel(w):
    p = w.open(2)
    filled(w, p, count=1)
    p.call(1, "basic.get", queue=w.name("q"))
    p.call(2, "basic.ack", delivery_tag=1)
    p.send(1, "basic.ack", delivery_tag=1)
    p.call(1, "basic.qos")


@scenario("nack and reject: requeued or gone")
def nack(w):
    p = w.open()
    filled(w, p, count=4)
    for _ in range(4):
        p.take(w.name("q"))
    p.send(1, "basic.reject", delivery_tag=1, requeue=True)
    p.send(1, "basic.reject", delivery_tag=2, requeue=False)
    p.send(1, "basic.nack", delivery_tag=4, multiple=True, requeue=True)
    p.settles()
    for _ in range(4):
        p.call(1, "basic.get", queue=w.name("q"))


@scenario("what is requeued keeps its place")
def requeue_order(w):
    p = w.open()
    filled(w, p, count=5)
    for _ in range(3):
        p.take(w.name("q"))
    p.send(1, "basic.nack", delivery_tag=2, requeue=True)
    p.settles()
    p.call(1, "basic.get", queue=w.name("q"))
    p.send(1, "basic.nack", delivery_tag=0, multiple=True, requeue=True)
    p.settles()
    for _ in range(5):
        p.call(1, "basic.get", queue=w.name("q"))


@scenario("what is requeued goes to the consumer again")
def requeue_to_consumer(w):
    p = w.open()
    filled(w, p, count=2)
    p.do(1, "basic.qos", prefetch_count=1)
    p.do(1, "basic.consume", queue=w.name("q"), consumer_tag="c")
    p.gets()
    p.send(1, "basic.nack", delivery_tag=1, requeue=True)
    p.gets()
    p.send(1, "basic.ack", delivery_tag=2)
    p.gets()


@scenario("channel is closed: what was unacknowledged comes back as redelivered")
def close_requeues(w):
    p = w.open(2)
    filled(w, p, count=2)
    p.do(1, "basic.consume", queue=w.name("q"), consumer_tag="c")
    p.gets_many(2)
    p.send(1, "basic.ack", delivery_tag=1)
    p.do(1, "channel.close", reply_code=200)
    p.call(2, "basic.get", queue=w.name("q"))
    p.call(2, "basic.get", queue=w.name("q"))


@scenario("recover with requeue: the consumer gets it again")
def recover(w):
    p = w.open()
    filled(w, p, count=2)
    p.do(1, "basic.consume", queue=w.name("q"), consumer_tag="c")
    p.gets_many(2)
    p.call(1, "basic.recover", requeue=True)
    p.gets_many(2)


@scenario("recover without requeue")
def recover_no_requeue(w):
    w.open().call(1, "basic.recover", requeue=False)


@scenario("recover-async with and without requeue")
def recover_async(w):
    p = w.open()
    filled(w, p, count=1)
    p.call(1, "basic.get", queue=w.name("q"))
    p.send(1, "basic.recover-async", requeue=True)
    p.settles()
    p.call(1, "basic.get", queue=w.name("q"))
    p.call(1, "basic.recover-async", requeue=False)


@scenario("recover when there is nothing")
def recover_nothing(w):
    w.open().call(1, "basic.recover", requeue=True)


@scenario("two consumers take turns")
def round_robin(w):
    p = w.open(3)
    p.do(1, "queue.declare", queue=w.name("q"))
    p.do(2, "basic.consume", queue=w.name("q"), consumer_tag="a")
    p.do(3, "basic.consume", queue=w.name("q"), consumer_tag="b")
    for number in range(4):
        p.publish(1, "", w.name("q"), f"m{number}")
    p.settles()
    p.gets_many(2, 2)
    p.gets_many(2, 3)


@scenario("basic.cancel-ok and channel.flow-ok that nobody has asked for")
def answers_of_client(w):
    for name in ("basic.cancel-ok", "channel.flow-ok"):
        p = w.open()
        p.send(1, name)
        p.call(1, "basic.qos")
