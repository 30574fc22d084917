"""Checkout: publishes orders to the queue beside it, and prints each id once it is confirmed.

All that it knows of Pannier is the folder $PANNIER_DIR. When its connection breaks it connects again
with the same files, and publishes again what was not confirmed.
"""

import argparse
import json
import os
import pathlib
import ssl
import time

import pika
import pika.exceptions

FOLDER = pathlib.Path(os.environ["PANNIER_DIR"])
PERSISTENT = 2


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def connect():
    parameters = pika.URLParameters((FOLDER / "amqp-url").read_text())
    trusted = ssl.create_default_context(cafile=FOLDER / "ca.crt")
    parameters.ssl_options = pika.SSLOptions(trusted, parameters.host)
    channel = pika.BlockingConnection(parameters).channel()
    channel.confirm_delivery()
    return channel


class Publisher:
    def __init__(self):
        self.channel = connect()
        say("connected")

    def publish(self, order_id):
        """Returns when the agent has confirmed it: from then on it is on disk."""
        properties = pika.BasicProperties(
            message_id=order_id, content_type="application/json", delivery_mode=PERSISTENT
        )
        body = json.dumps({"order": order_id, "items": 3})
        while True:
            try:
                self.channel.basic_publish("", "orders", body, properties, mandatory=True)
                return
            except (pika.exceptions.AMQPError, OSError) as error:
                say("disconnected", order=order_id, error=type(error).__name__)
                self.reconnect()

    def stay(self):
        """Connected, as an app is that has nothing to say."""
        while True:
            try:
                self.channel.connection.process_data_events(time_limit=1)
            except (pika.exceptions.AMQPError, OSError):
                self.reconnect()

    def reconnect(self):
        while True:
            try:
                self.channel = connect()
                say("connected again")
                return
            except (pika.exceptions.AMQPError, OSError):
                time.sleep(0.05)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, required=True)
    parser.add_argument("--per-second", type=int, required=True, help="at most")
    arguments = parser.parse_args()
    publisher = Publisher()
    opened = time.monotonic()
    for number in range(1, arguments.orders + 1):
        time.sleep(max(0, opened + number / arguments.per_second - time.monotonic()))
        order_id = f"order-{number:06}"
        began = time.perf_counter()
        publisher.publish(order_id)
        say("confirmed", id=order_id, ms=round((time.perf_counter() - began) * 1000, 3))
    say("done")
    publisher.stay()


main()
