"""What runs in the pods of kill_operator.py: publishes and receives, and notes each id in a file that
outlives its pod. All that it knows of Pannier is the folder $PANNIER_DIR.

torture_app.py POD NOTES publish|receive|both
"""

import os
import pathlib
import ssl
import sys
import threading
import time

import pika
import pika.exceptions

FOLDER = pathlib.Path(os.environ["PANNIER_DIR"])
POD, NOTES, WORK = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
QUEUE = "orders"
PER_SECOND = 150
PERSISTENT = 2
# What pika raises when its peer dies in the middle of anything.
GONE = (pika.exceptions.AMQPError, OSError, AssertionError, IndexError, AttributeError)


class Notes:
    """Lines that are in the file, whole, once add() has returned, whatever happens to this process."""

    def __init__(self, name):
        self.file = os.open(NOTES / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def add(self, line):
        os.write(self.file, line.encode() + b"\n")


def channel():
    parameters = pika.URLParameters((FOLDER / "amqp-url").read_text())
    trusted = ssl.create_default_context(cafile=FOLDER / "ca.crt")
    parameters.ssl_options = pika.SSLOptions(trusted, parameters.host)
    return pika.BlockingConnection(parameters).channel()


def publish(ids, confirmed):
    to = channel()
    to.confirm_delivery()
    while True:
        time.sleep(1 / PER_SECOND)
        if (NOTES / "stop").exists():
            to.connection.process_data_events()
            continue
        message_id = next(ids)
        properties = pika.BasicProperties(message_id=message_id, delivery_mode=PERSISTENT)
        to.basic_publish("", QUEUE, message_id + " " + "x" * 500, properties, mandatory=True)
        confirmed.add(message_id)


def receive(received):
    of = channel()
    of.basic_qos(prefetch_count=20)
    for method, properties, _ in of.consume(QUEUE):
        received.add(f"{properties.message_id} {int(method.redelivered)}")
        of.basic_ack(method.delivery_tag)


def forever(work, *arguments):
    # How long nobody could be reached is what the live rotation is measured by.
    trouble = Notes("trouble")
    while True:
        try:
            work(*arguments)
        except GONE as error:
            trouble.add(f"{time.time():.3f} {POD} {work.__name__} {type(error).__name__} {error}")
            time.sleep(0.05)


def ids():
    run = f"{POD}.{os.getpid()}.{time.time_ns()}"
    number = 0
    while True:
        number += 1
        yield f"{run}.{number}"


def main():
    work = []
    if WORK in ("publish", "both"):
        work.append((publish, ids(), Notes("confirmed")))
    if WORK in ("receive", "both"):
        work.append((receive, Notes("received")))
    for each in work:
        threading.Thread(target=forever, args=each).start()


main()
