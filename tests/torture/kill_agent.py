#!/usr/bin/python3
"""Kills an agent with SIGKILL at random moments under load, again and again, and compares what was
confirmed with what arrives.

Each message has a number of its own and is published once, so that a number that comes twice was
delivered twice. At the end the queue is drained. The claims:
- no number that was confirmed is missing;
- a number that comes again is flagged as redelivered;
- of what comes for the first time, at most 4,096 a restart are flagged.
Exit code 0 only if all of them held.
"""

import argparse
import pathlib
import random
import sys
import tempfile
import threading
import time

import pika

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
from agents import DevAgent  # noqa: E402

QUEUE = "orders"
PRODUCERS = 3
FLAGGED_FIRST_MAX = 4_096
PERSISTENT = pika.BasicProperties(delivery_mode=2)
# What pika raises when its peer dies in the middle of anything.
GONE = (pika.exceptions.AMQPError, OSError, AssertionError, IndexError, AttributeError)


class Load:
    """Producers and a consumer that go on whatever happens to the agent."""

    def __init__(self, agent):
        self.agent = agent
        self.port = None  # while the agent is up
        self.stopping = False
        self.draining = False
        self.lock = threading.Lock()
        self.next = 0
        self.confirmed = set()
        self.seen = set()
        self.flagged_first = 0
        self.redelivered = 0
        self.unflagged_again = []

    def number(self):
        with self.lock:
            self.next += 1
            return self.next

    def connect(self):
        port = self.port
        if port is None:
            raise OSError("it is down")
        return pika.BlockingConnection(
            pika.ConnectionParameters("127.0.0.1", port, socket_timeout=5, heartbeat=0)
        )

    def forever(self, work):
        while not self.stopping:
            try:
                work()
            except GONE:
                time.sleep(0.01)  # it is being started again

    def produce(self):
        channel = self.connect().channel()
        channel.queue_declare(QUEUE, durable=True)
        channel.confirm_delivery()
        while not (self.stopping or self.draining):
            number = self.number()
            body = b"%d %s" % (number, b"x" * (number * 37 % 3_000))
            channel.basic_publish("", QUEUE, body, PERSISTENT)
            self.confirmed.add(number)
        while not self.stopping:
            time.sleep(0.05)

    def consume(self):
        channel = self.connect().channel()
        channel.queue_declare(QUEUE, durable=True)
        channel.basic_qos(prefetch_count=50)
        for method, _, body in channel.consume(QUEUE, inactivity_timeout=0.2):
            if self.stopping:
                return
            if method is None:
                continue
            self.note(int(body.split()[0]), method.redelivered)
            if random.random() < 0.95:
                channel.basic_ack(method.delivery_tag)
            else:
                channel.basic_nack(method.delivery_tag)

    def note(self, number, flagged):
        if number not in self.seen:
            self.seen.add(number)
            self.flagged_first += flagged
        elif flagged:
            self.redelivered += 1
        else:
            self.unflagged_again.append(number)


def run(kills, seed, folder):
    random.seed(seed)
    agent = DevAgent(folder)
    load = Load(agent)
    worst_flagged = 0
    threads = [
        threading.Thread(target=load.forever, args=[work], daemon=True)
        for work in [load.produce] * PRODUCERS + [load.consume]
    ]
    for thread in threads:
        thread.start()
    for kill in range(kills + 1):
        flagged_before = load.flagged_first
        agent.start()
        load.port = agent.port("amqp")
        if kill < kills:
            time.sleep(random.uniform(0.02, 0.6))  # the moment of the kill, not a wait for anything
            load.port = None
            agent.kill()
            worst_flagged = max(worst_flagged, load.flagged_first - flagged_before)
            if kill % 20 == 19:
                print(
                    f"{kill + 1:4} kills: {len(load.confirmed):7} confirmed, "
                    f"{len(load.seen):7} received, {load.redelivered:6} redelivered",
                    flush=True,
                )
    load.draining = True
    end = time.monotonic() + 120
    while not load.confirmed <= load.seen and time.monotonic() < end:
        time.sleep(0.1)
    load.stopping = True
    lost = sorted(load.confirmed - load.seen)
    agent.kill()
    for thread in threads:
        thread.join(10)
    print(
        f"{kills} kills, seed {seed}: confirmed {len(load.confirmed)}, lost {len(lost)}, "
        f"redelivered {load.redelivered}, again without a flag {len(load.unflagged_again)}, "
        f"flagged at first {load.flagged_first} (at most {worst_flagged} a restart)"
    )
    return not lost and not load.unflagged_again and worst_flagged <= FLAGGED_FIRST_MAX


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pannier-torture-") as folder:
        sys.exit(0 if run(options.kills, options.seed, folder) else 1)


if __name__ == "__main__":
    main()
