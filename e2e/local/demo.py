"""`./dev demo`: the main job on one machine, without a cluster, as a story with its figures.

A folder of manifests is applied; an operator turns it into two pods with an agent each; one app
publishes to its agent, the other receives through its own; the first agent is killed in the middle.
Every id that was confirmed is looked for among those that were received.
"""

import argparse
import hashlib
import os
import pathlib
import shutil
import signal
import statistics
import sys
import tempfile
import time

from local_operator import GaveUp, LocalOperator, is_alive, wait_until

HERE = pathlib.Path(__file__).resolve().parent
APPS = ("checkout", "billing")
BACKLOG = 2_000  # confirmed before anybody receives
FIRST_RECEIVED = 100
PUBLISHED_PER_SECOND = 800  # so that it still publishes when its agent is killed
RECEIVED_PER_SECOND = 600
ON_THEIR_WAY = 1_000  # confirmed and not received when the agent is killed


class Story:
    """What is shown: numbered steps, facts below them, and claims that hold or do not."""

    def __init__(self):
        self.steps = 0
        self.broken = []
        self.began = time.monotonic()

    def step(self, title):
        self.steps += 1
        print(f"\n{self.steps}. {title}", flush=True)

    def fact(self, text):
        print(f"   {text}", flush=True)

    def claim(self, holds, text):
        print(f"   {'ok' if holds else 'NO'}  {text}", flush=True)
        if not holds:
            self.broken.append(text)

    def table(self, rows):
        widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
        for row in rows:
            cells = (str(cell).ljust(width) for cell, width in zip(row, widths))
            self.fact("  ".join(cells).rstrip())


class Tally:
    """What both apps have said, id by id."""

    def __init__(self, checkout_events, billing_events):
        self.latencies = []
        self.confirmed = set()
        self.published_again = set()  # unconfirmed when the connection broke: two messages, one id
        self.first = {}  # id: whether its first delivery was flagged
        self.again = 0
        self.again_unflagged = set()
        for event in checkout_events:
            if event["event"] == "disconnected":
                self.published_again.add(event["order"])
            if event["event"] == "confirmed":
                self.confirmed.add(event["id"])
                self.latencies.append(event["ms"])
        for event in billing_events:
            if event["event"] == "received":
                self._received(event["id"], event["redelivered"])

    def _received(self, message_id, redelivered):
        if message_id not in self.first:
            self.first[message_id] = redelivered
            return
        self.again += 1
        if not redelivered:
            self.again_unflagged.add(message_id)

    @property
    def lost(self):
        return sorted(self.confirmed - self.first.keys())

    @property
    def on_their_way(self):
        return len(self.confirmed - self.first.keys())

    @property
    def flagged_first(self):
        return sum(self.first.values())


def files_of(folder):
    """A digest of every file that an app is given."""
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())
    }


class Demo:
    def __init__(self, build, folder, orders):
        self.story = Story()
        self.folder = folder
        self.orders = orders
        self.before = {}  # the pods as they were at first
        self.operator = LocalOperator(build, folder)

    def run(self):
        self.apply_producer()
        self.publish()
        self.apply_consumer()
        self.kill_agent()
        self.kill_operator()
        self.receive_all()
        return self.verdict()

    def tally(self):
        return Tally(*(pod.events() if pod else () for pod in map(self.pod, APPS)))

    def pod(self, name):
        return self.operator.pod(name)

    def apply(self, name):
        text = (HERE / "manifests" / name).read_text()
        for placeholder, value in (
            ("@APPS@", HERE / "apps"),
            ("@ORDERS@", self.orders),
            ("@PUBLISHED_PER_SECOND@", PUBLISHED_PER_SECOND),
            ("@RECEIVED_PER_SECOND@", RECEIVED_PER_SECOND),
        ):
            text = text.replace(placeholder, str(value))
        self.operator.apply(name, text)
        kind = next(line[6:] for line in text.splitlines() if line.startswith("kind: "))
        self.story.fact(f"{name:<14} {kind:<13} {text.splitlines()[0].lstrip('# ')}")

    def show(self, name, client):
        pod = self.before[name] = self.operator.ready_pod(name)
        self.story.fact(
            f"{name} runs at {pod.address}: agent pid {pod.agent_pid}, app pid {pod.pid('app')}, {client}"
        )
        return pod

    def apply_producer(self):
        story = self.story
        story.step(f"A queue and a pod are applied in {self.folder}")
        self.apply("orders.yaml")
        self.apply("checkout.yaml")
        self.operator.start()
        pod = self.show("checkout", "AMQP over TLS with pika")
        self.files = files_of(pod.app_folder)
        story.fact(f"all that its app is told: PANNIER_DIR, with {', '.join(self.files)}")
        ready = wait_until("queue orders is ready", lambda: self.operator.is_true("orders", "Ready"))
        durable = self.operator.condition("orders", "Durable")
        story.fact(f"queue orders: Ready=True ({ready[1]}), Durable={durable[0]} ({durable[1]})")

    def publish(self):
        story = self.story
        story.step("checkout publishes to its localhost; each confirm comes after fdatasync")

        def enough():
            tally = self.tally()
            return tally if len(tally.confirmed) >= BACKLOG else None

        tally = wait_until(f"{BACKLOG} messages are confirmed", enough)
        story.fact(
            f"confirmed {len(tally.confirmed):,}, one at a time, "
            f"median {statistics.median(tally.latencies):.2f} ms; nobody is there to take them yet"
        )

    def apply_consumer(self):
        story = self.story
        story.step("A second pod is applied; its agent pulls from the first")
        self.apply("billing.yaml")
        self.show("billing", "HTTPS with aiohttp")
        tally = wait_until(
            "billing receives",
            lambda: (tally := self.tally()) and len(tally.first) >= FIRST_RECEIVED and tally,
        )
        story.fact(f"billing has received {len(tally.first):,}")

    def kill_agent(self):
        story = self.story
        agent = self.before["checkout"].agent_pid
        os.kill(agent, signal.SIGKILL)
        began = time.monotonic()
        story.step(f"SIGKILL to checkout's agent (pid {agent})")
        wait_until("the killed agent is gone", lambda: not is_alive(agent))
        tally = self.tally()
        story.claim(
            tally.on_their_way >= ON_THEIR_WAY,
            f"{tally.on_their_way:,} confirmed messages were on their way, on its disk only",
        )

        def again():
            pod = self.pod("checkout")
            return pod if pod.agent_pid not in (0, agent) and pod.is_ready() else None

        pod = wait_until("its agent runs again", again)
        story.fact(
            f"the operator started it again: pid {pod.agent_pid}, "
            f"ready {time.monotonic() - began:.1f} s after the kill"
        )
        wait_until(
            "checkout has connected again",
            lambda: any(event["event"] == "connected again" for event in pod.events()),
        )
        same = files_of(pod.app_folder) == self.files
        story.claim(same, "the files in $PANNIER_DIR are the same; the app connected again with them")
        story.claim(
            pod.pid("app") == self.before["checkout"].pid("app"), "the app itself went on all the time"
        )

    def kill_operator(self):
        story = self.story
        story.step("SIGKILL to the operator as well, and a new one")
        wait_until("new agent was seen", lambda: self.pod("checkout").is_ready())
        before = self._pids()
        self.operator.kill()
        before_restart = len(self.tally().first)
        wait_until(
            "billing receives without an operator",
            lambda: len(self.tally().first) > before_restart or not self.tally().on_their_way,
        )
        story.fact("without an operator, billing went on receiving")
        said = len(self.operator.said())
        self.operator.start()
        wait_until("the operator is back", lambda: len(self.operator.said()) > said)
        wait_until("it has found the pods", lambda: self._pids() == before, 10)
        story.claim(
            all(is_alive(pid) for pid in before), "it found all four processes, and touched none"
        )

    def _pids(self):
        return [self.pod(n).pid(c) for n in APPS for c in ("pannier-agent", "app")]

    def receive_all(self):
        story = self.story
        story.step("billing receives the rest through its own agent")

        def all_received():
            done = any(event["event"] == "done" for event in self.pod("checkout").events())
            tally = self.tally()
            return tally if done and not tally.lost else None

        try:
            tally = wait_until("every confirmed id is received", all_received, 120)
        except GaveUp:
            tally = self.tally()
        story.fact(f"billing has received {len(tally.first):,} orders")

    def verdict(self):
        story, tally = self.story, self.tally()
        story.step("Confirmed and received, id by id")
        story.table(
            [
                ("confirmed", f"{len(tally.confirmed):,}"),
                ("received", f"{len(tally.first):,}"),
                ("lost", f"{len(tally.lost):,}"),
                ("redelivered", f"{tally.again:,} came twice; {tally.flagged_first:,} were flagged at first"),
            ]
        )
        story.claim(len(tally.confirmed) == self.orders, f"all {self.orders:,} orders were confirmed")
        story.claim(not tally.lost, "nothing that was confirmed is lost")
        twice = tally.published_again
        story.claim(
            tally.again_unflagged <= twice,
            "whatever came twice was flagged redelivered"
            + (f", but for {len(twice)} that checkout had published twice itself" if twice else ""),
        )
        billing = self.before["billing"]
        story.claim(
            self.pod("billing").agent_pid == billing.agent_pid, "billing's agent noticed nothing of it"
        )
        return not story.broken


def what_next(demo, build):
    shown = f"{os.path.relpath(build)}/pannierctl --local {demo.folder}"
    print(
        f"""
It goes on running. Try:
  {shown} get queues -A
  {shown} get agents -A
  {shown} -n shop describe queue orders
  {shown} -n shop publish orders 'hello'
  edit {demo.folder}/orders.yaml (paused: true), and look again
  tail -f {demo.operator.output}
End it:
  kill {demo.operator.process.pid}; {os.path.relpath(build)}/pannier-operator local {demo.folder} --down"""
    )


def main():
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave it running afterwards")
    parser.add_argument("--orders", type=int, default=5_000, help="how many are published")
    parser.add_argument("--folder", type=pathlib.Path, help="where; a temporary one by default")
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"))
    arguments = parser.parse_args()
    if arguments.orders < BACKLOG + ON_THEIR_WAY:
        parser.error(f"--orders must be at least {BACKLOG + ON_THEIR_WAY}")

    folder = arguments.folder or pathlib.Path(tempfile.mkdtemp(prefix="pannier-demo-")) / "shop"
    folder.mkdir(parents=True, exist_ok=True)
    demo = Demo(arguments.build.resolve(), folder, arguments.orders)
    print("Pannier: two pods with a queue each, one operator, no cluster.", flush=True)
    good = False
    try:
        good = demo.run()
    except GaveUp as reason:
        demo.story.claim(False, str(reason))
        print(demo.operator.said(), file=sys.stderr)
    finally:
        if not arguments.keep:
            demo.operator.kill()
            demo.operator.down()
    seconds = time.monotonic() - demo.story.began
    if not good:
        print(f"\nNot every claim held ({seconds:.0f} s); {folder} is left for you to look at.")
        return 1
    print(f"\nEvery claim held ({seconds:.0f} s).")
    if arguments.keep:
        what_next(demo, arguments.build)
    elif not arguments.folder:
        print("`./dev demo --keep` leaves it running, and says what to try.")
        shutil.rmtree(folder.parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
