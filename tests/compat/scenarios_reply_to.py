"""Direct reply-to: requests and their answers without a queue."""

from world import scenario

PSEUDO = "amq.rabbitmq.reply-to"


def asking(w, label=""):
    """A client that waits for answers."""
    p = w.open(label=label)
    p.do(1, "basic.consume", queue=PSEUDO, consumer_tag="answers", no_ack=True)
    return p


@scenario("a request and its answer")
def reply_to(w):
    server = w.open(label="server")
    server.do(1, "queue.declare", queue=w.name("q"))
    server.do(1, "basic.consume", queue=w.name("q"), consumer_tag="s", no_ack=True)
    client = w.open(label="client")
    client.call(1, "basic.consume", queue=PSEUDO, consumer_tag="answers", no_ack=True)
    client.publish(1, "", w.name("q"), "ask", reply_to=PSEUDO, correlation_id="1")
    request = server.gets()
    name = request.properties["reply_to"]
    w.note(f"the name is one of its own: {name != PSEUDO}")
    server.publish(1, "", name, "answer", correlation_id="1")
    client.gets()
    server.do(1, "confirm.select")
    server.publish(1, "", name, "another", mandatory=True)
    server.gets()
    client.gets()


@scenario("two requests, two clients: each gets its own")
def reply_to_two(w):
    server = w.open(label="server")
    server.do(1, "queue.declare", queue=w.name("q"))
    names = []
    for label in "ab":
        p = asking(w, label)
        p.publish(1, "", w.name("q"), label, reply_to=PSEUDO)
        p.settles()
        item = server.take(w.name("q"), no_ack=True)
        names.append((p, item.properties["reply_to"]))
    for number, (p, name) in enumerate(reversed(names)):
        server.publish(1, "", name, f"answer {number}")
        p.gets()


@scenario("consume with acks")
def reply_to_acks(w):
    w.open().call(1, "basic.consume", queue=PSEUDO, consumer_tag="c")


@scenario("consume twice")
def reply_to_twice(w):
    p = w.open()
    for tag in "ab":
        p.call(1, "basic.consume", queue=PSEUDO, consumer_tag=tag, no_ack=True)


@scenario("consume twice with one tag")
def reply_to_same_tag(w):
    p = w.open()
    for _ in range(2):
        p.call(1, "basic.consume", queue=PSEUDO, consumer_tag="c", no_ack=True)


@scenario("consume again after a cancel")
def reply_to_cancelled(w):
    p = w.open()
    p.call(1, "basic.consume", queue=PSEUDO, consumer_tag="c", no_ack=True)
    p.call(1, "basic.cancel", consumer_tag="c")
    p.call(1, "basic.consume", queue=PSEUDO, consumer_tag="c", no_ack=True)


@scenario("consume with a tag of the server")
def reply_to_server_tag(w):
    w.open().call(1, "basic.consume", queue=PSEUDO, no_ack=True)


@scenario("consume exclusively")
def reply_to_exclusive(w):
    w.open().call(1, "basic.consume", queue=PSEUDO, no_ack=True, exclusive=True, consumer_tag="c")


@scenario("a request without a consumer")
def reply_to_no_consumer(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"))
    p.publish(1, "", w.name("q"), "ask", reply_to=PSEUDO)
    p.call(1, "basic.qos")


@scenario("a request after the consumer was cancelled")
def reply_to_after_cancel(w):
    p = asking(w)
    p.do(1, "queue.declare", queue=w.name("q"))
    p.do(1, "basic.cancel", consumer_tag="answers")
    p.publish(1, "", w.name("q"), "ask", reply_to=PSEUDO)
    p.call(1, "basic.qos")


def name_of(w, p):
    """The name that others would answer to."""
    p.do(1, "queue.declare", queue=w.name("requests"))
    p.publish(1, "", w.name("requests"), "ask", reply_to=PSEUDO)
    p.settles()
    p.send(1, "basic.get", queue=w.name("requests"), no_ack=True)
    return p.next().properties["reply_to"]


@scenario("an answer when the client has gone: dropped, mandatory comes back")
def reply_to_gone(w):
    client = asking(w)
    name = name_of(w, client)
    client.close()
    server = w.open()
    server.do(1, "confirm.select")
    server.publish(1, "", name, "late")
    server.confirms(1)
    server.publish(1, "", name, "late", mandatory=True)
    server.gets_many(2)


@scenario("an answer after the cancel")
def reply_to_answer_cancelled(w):
    client = asking(w)
    name = name_of(w, client)
    client.do(1, "basic.cancel", consumer_tag="answers")
    server = w.open()
    server.publish(1, "", name, "late", mandatory=True)
    server.gets()


@scenario("an answer to a name that somebody made up")
def reply_to_made_up(w):
    p = w.open()
    for name in (PSEUDO + ".made-up", PSEUDO + ".", PSEUDO):
        p.publish(1, "", name, "m", mandatory=True)
        p.gets()


@scenario("is the client still there: a declare of its name")
def reply_to_declare(w):
    client = asking(w)
    name = name_of(w, client)
    server = w.open()
    server.call(1, "queue.declare", queue=name, passive=True)
    server.call(1, "queue.declare", queue=name)
    client.close()
    server.call(1, "queue.declare", queue=name, passive=True)


@scenario("declare, purge, bind and delete of the pseudo queue itself")
def reply_to_as_queue(w):
    for name, fields in (
        ("queue.declare", {}),
        ("queue.declare", {"passive": True}),
        ("queue.bind", {"exchange": "amq.direct"}),
        ("queue.purge", {}),
        ("queue.delete", {}),
        ("basic.get", {}),
    ):
        w.note(f"{name} {fields}")
        w.open().call(1, name, queue=PSEUDO, **fields)


@scenario("answers count as deliveries: their tags, and what an ack of one does")
def reply_to_tags(w):
    client = asking(w)
    name = name_of(w, client)
    server = w.open()
    for number in range(2):
        server.publish(1, "", name, f"answer {number}")
        client.gets()
    client.call(1, "basic.ack", delivery_tag=1)


@scenario("answers are not held back by a prefetch")
def reply_to_prefetch(w):
    client = w.open()
    client.do(1, "basic.qos", prefetch_count=1)
    client.do(1, "basic.consume", queue=PSEUDO, consumer_tag="c", no_ack=True)
    name = name_of(w, client)
    server = w.open()
    for number in range(3):
        server.publish(1, "", name, f"answer {number}")
    client.gets_many(3)


@scenario("an answer with CC, through another exchange, and within a transaction")
def reply_to_other_ways(w):
    client = asking(w)
    name = name_of(w, client)
    server = w.open()
    server.publish(1, "amq.direct", name, "not by this exchange", mandatory=True)
    server.gets()
    server.publish(1, "", w.name("nobody"), "by CC", headers={"CC": [name]})
    client.gets()
    server.do(1, "tx.select")
    server.publish(1, "", name, "in a transaction")
    server.call(1, "tx.commit")
    client.gets()


@scenario("a large answer")
def reply_to_large(w):
    client = asking(w)
    name = name_of(w, client)
    server = w.open()
    server.publish(1, "", name, "x" * 600_000)
    client.gets()


@scenario("the request's name in another message's reply-to stays")
def reply_to_other_text(w):
    p = asking(w)
    p.do(1, "queue.declare", queue=w.name("q"))
    p.publish(1, "", w.name("q"), "m", reply_to=PSEUDO + "2")
    p.settles()
    p.call(1, "basic.get", queue=w.name("q"))


@scenario("a mandatory request that nobody takes comes back with the name")
def reply_to_returned(w):
    p = asking(w)
    p.publish(1, "", w.name("nobody"), "ask", mandatory=True, reply_to=PSEUDO)
    p.gets()
