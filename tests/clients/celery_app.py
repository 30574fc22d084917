"""A shop's background work: the Celery app that the workers of test_celery.py run.

    python3 -m celery -A celery_app worker -Q ...

It knows nothing but PANNIER_DIR. SHOP_RESULTS names another place for results than the caller's
own queue, SHOP_QUEUE another queue for what is sent without one. SHOP_CONFIRMS=no waits for no
confirms: py-amqp may wait for ever if a signal comes while it does, whatever the broker.
"""

import os
import pathlib
import signal
import ssl
import threading

import kombu
from celery import Celery, current_app, shared_task
from celery.exceptions import Reject


def make(folder, results="rpc://", default_queue="shop", confirms=True):
    folder = pathlib.Path(folder)
    app = Celery("shop", broker=(folder / "amqp-url").read_text(), backend=results)
    app.conf.update(
        broker_use_ssl={
            "ca_certs": str(folder / "ca.crt"),
            "cert_reqs": ssl.CERT_REQUIRED,
            "server_hostname": "127.0.0.1",
        },
        broker_heartbeat=10,
        broker_transport_options={"confirm_publish": confirms},
        task_default_queue=default_queue,
        task_queues=[
            kombu.Queue(default_queue),
            kombu.Queue("urgent", queue_arguments={"x-max-priority": 10}),
            kombu.Queue("picky", queue_arguments=refused_go_to("refused")),
            kombu.Queue("eu", kombu.Exchange("regions", "topic"), "order.eu.#"),
            kombu.Queue("every", kombu.Exchange("regions", "topic"), "order.#"),
            *(kombu.Queue(name) for name in ("careful", "planned", "sturdy", "halting")),
        ],
        task_publish_retry_policy={
            "max_retries": 100,
            "interval_start": 0,
            "interval_step": 0.1,
            "interval_max": 0.5,
        },
        task_track_started=True,
        worker_prefetch_multiplier=1,
        worker_send_task_events=True,
    )
    app.set_current()
    return app


def refused_go_to(queue):
    return {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}


def is_second_try(task):
    return task.request.delivery_info["redelivered"]


@shared_task(name="shop.add")
def add(left, right):
    return left + right


@shared_task(name="shop.total")
def total(parts):
    return sum(parts)


@shared_task(name="shop.echo")
def echo(text):
    return text


@shared_task(
    bind=True,
    name="shop.flaky",
    autoretry_for=(ConnectionError,),
    retry_kwargs={"max_retries": 3, "countdown": 0.1},
)
def flaky(self, failures):
    """How often it was retried."""
    if self.request.retries < failures:
        raise ConnectionError("the warehouse does not answer")
    return self.request.retries


@shared_task(bind=True, name="shop.hold", acks_late=True)
def hold(self):
    """Never done by the first who gets it; the next one says who it is."""
    if not is_second_try(self):
        threading.Event().wait()
    return self.request.hostname


@shared_task(bind=True, name="shop.collapse", acks_late=True, reject_on_worker_lost=True)
def collapse(self):
    """Takes the process of its pool down, and is given back by what is left of the worker."""
    if not is_second_try(self):
        os.kill(os.getpid(), signal.SIGKILL)
    return "carried on"


@shared_task(name="shop.refuse", acks_late=True)
def refuse():
    raise Reject("not for us", requeue=False)


@shared_task(name="shop.book", acks_late=True)
def book(ledger, entry):
    """An entry of a ledger, which is a queue."""
    with current_app.producer_pool.acquire(block=True) as producer:
        producer.publish(
            entry,
            exchange="",
            routing_key=ledger,
            declare=[kombu.Queue(ledger)],
            retry=True,
            retry_policy=current_app.conf.task_publish_retry_policy,
        )


if "PANNIER_DIR" in os.environ:
    app = make(
        os.environ["PANNIER_DIR"],
        os.environ.get("SHOP_RESULTS", "rpc://"),
        os.environ.get("SHOP_QUEUE", "shop"),
        os.environ.get("SHOP_CONFIRMS") != "no",
    )
