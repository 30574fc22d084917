"""Who is given what: priorities of messages and of consumers, single active consumers."""

from world import scenario


def published(w, p, queue, priorities):
    """One message for each; None is a message without a priority."""
    for number, priority in enumerate(priorities):
        properties = {} if priority is None else {"priority": priority}
        p.publish(1, "", w.name(queue), f"m{number} of {priority}", **properties)
    p.settles()


def taken(w, p, queue, **fields):
    """The bodies of what is there, in its order."""
    while (item := p.take(w.name(queue), no_ack=True, **fields)).name == "basic.get-ok":
        w.note(p.show_body(item.body))


@scenario("priorities: the highest first, each in the order of its publishes")
def priority_order(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"), arguments={"x-max-priority": 5})
    published(w, p, "q", [1, 3, None, 5, 3, 0, 1])
    taken(w, p, "q")


@scenario("priorities over the maximum count as the maximum")
def priority_above(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"), arguments={"x-max-priority": 2})
    published(w, p, "q", [1, 2, 9, 2, 255, 0])
    taken(w, p, "q")


@scenario("priorities in a queue without a maximum mean nothing, and are kept as properties")
def priority_without_maximum(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"))
    published(w, p, "q", [1, 9, 5])
    p.call(1, "basic.get", queue=w.name("q"), no_ack=True)
    taken(w, p, "q")


@scenario("priorities: what comes back has its place again")
def priority_requeue(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"), arguments={"x-max-priority": 3})
    published(w, p, "q", [1, 3, 3, 2])
    for _ in range(2):
        p.take(w.name("q"))
    p.send(1, "basic.nack", delivery_tag=0, multiple=True, requeue=True)
    published(w, p, "q", [3])
    taken(w, p, "q")


@scenario("priorities: a consumer is given the highest of what waits")
def priority_consume(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"), arguments={"x-max-priority": 3})
    published(w, p, "q", [1, 2, 3])
    p.do(1, "basic.qos", prefetch_count=1)
    p.do(1, "basic.consume", queue=w.name("q"), consumer_tag="c")
    for _ in range(3):
        item = p.gets()
        p.send(1, "basic.ack", delivery_tag=item.delivery_tag)


@scenario("x-max-priority that makes no sense")
def priority_bad_arguments(w):
    for value in (-1, 0, 255, 256, "five", True, 2.5):
        p = w.open()
        w.note(str(value))
        p.call(1, "queue.declare", queue=w.name(f"q{value}"), arguments={"x-max-priority": value})


@scenario("x-max-length with priorities drops the head, which is the highest")
def priority_max_length(w):
    p = w.open()
    arguments = {"x-max-priority": 3, "x-max-length": 3}
    p.do(1, "queue.declare", queue=w.name("q"), arguments=arguments)
    published(w, p, "q", [3, 1, 1, 2, 3])
    taken(w, p, "q")


def consuming(w, p, priorities, prefetch=0):
    """A consumer on the first channel for each, named by it."""
    p.do(1, "basic.qos", prefetch_count=prefetch, **{"global": False})
    for priority in priorities:
        arguments = {} if priority is None else {"x-priority": priority}
        tag = f"of {priority}"
        p.do(1, "basic.consume", queue=w.name("q"), consumer_tag=tag, arguments=arguments)


@scenario("consumer priorities: the higher one has everything that it can take")
def consumer_priority(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"))
    consuming(w, p, [0, 10, -1], prefetch=2)
    publisher = w.open()
    for number in range(6):
        publisher.publish(1, "", w.name("q"), f"m{number}")
        p.gets()
    publisher.publish(1, "", w.name("q"), "waits")
    p.gets_nothing()
    p.send(1, "basic.ack", delivery_tag=1)
    p.gets()


@scenario("consumer priorities: without one it is 0")
def consumer_priority_default(w):
    p = w.open()
    p.do(1, "queue.declare", queue=w.name("q"))
    consuming(w, p, [-1, None])
    publisher = w.open()
    for number in range(3):
        publisher.publish(1, "", w.name("q"), f"m{number}")
        p.gets()
    p.do(1, "basic.cancel", consumer_tag="of None")
    publisher.publish(1, "", w.name("q"), "m3")
    p.gets()


@scenario("x-priority that is no number")
def consumer_priority_bad(w):
    for value in ("high", True, 2.5):
        p = w.open()
        p.do(1, "queue.declare", queue=w.name("q"))
        w.note(str(value))
        p.call(
            1,
            "basic.consume",
            queue=w.name("q"),
            consumer_tag="c",
            arguments={"x-priority": value},
        )


@scenario("single active consumer: the next one when it goes, by cancel, channel and connection")
def single_active(w):
    watcher = w.open()
    q = w.name("q")
    watcher.do(1, "queue.declare", queue=q, arguments={"x-single-active-consumer": True})
    first, second = w.open(channels=2, label="first"), w.open(label="second")
    first.do(1, "basic.consume", queue=q, consumer_tag="a", no_ack=True)
    first.do(2, "basic.consume", queue=q, consumer_tag="b", no_ack=True)
    second.do(1, "basic.consume", queue=q, consumer_tag="c", no_ack=True)
    for number in range(2):
        watcher.publish(1, "", q, f"m{number}")
        first.gets(1)
    first.do(1, "basic.cancel", consumer_tag="a")
    watcher.publish(1, "", q, "after the cancel")
    first.gets(2)
    first.close()
    watcher.publish(1, "", q, "after the connection")
    second.gets()
    watcher.call(1, "queue.declare", queue=q, passive=True)


@scenario("single active consumer: what the first one held goes to the next one")
def single_active_held(w):
    p, q = w.open(), w.name("q")
    p.do(1, "queue.declare", queue=q, arguments={"x-single-active-consumer": True})
    first, second = w.open(label="first"), w.open(label="second")
    first.do(1, "basic.consume", queue=q, consumer_tag="a")
    second.do(1, "basic.consume", queue=q, consumer_tag="b")
    p.publish(1, "", q, "held")
    first.gets()
    second.gets_nothing()
    first.close()
    second.gets()


@scenario("single active consumer and an exclusive one")
def single_active_exclusive(w):
    p, q = w.open(), w.name("q")
    p.do(1, "queue.declare", queue=q, arguments={"x-single-active-consumer": True})
    p.call(1, "basic.consume", queue=q, consumer_tag="a", exclusive=True)


@scenario("x-single-active-consumer that is no boolean")
def single_active_bad(w):
    for value in ("yes", 1):
        p = w.open()
        arguments = {"x-single-active-consumer": value}
        p.call(1, "queue.declare", queue=w.name("q"), arguments=arguments)
