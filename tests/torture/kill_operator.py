#!/usr/bin/python3
"""Kills `pannier-operator local`, agents and apps at random while messages flow and manifests change,
and compares what was confirmed with what arrives.

Three pods: `maker` publishes, `taker` receives, `guest` does both, and comes and goes. The claims:
- no id that was confirmed is missing, also of a guest that has gone and handed over what it had;
- no agent and no app ever runs twice, and at the end each runs exactly once;
- maker, taker and the queue keep their uid, and nothing was started again but what was killed;
- a queue that was removed goes: at once with its messages, or when the last of them was taken;
- after --down no process and no pod's folder is left.
Exit code 0 only if all of them held.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "e2e" / "local"))
from local_operator import GaveUp, LocalOperator, is_alive, wait_until  # noqa: E402

BUILD = os.environ.get("PANNIER_BUILD", "build/dev")
WORK = {"maker": "publish", "taker": "receive", "guest": "both"}
STEADY = ("maker", "taker")
FLAGS = ("--leaf-validity", "20s", "--ca-announce", "1s", "--ca-retire", "1s")
PROGRAMS = ("pannier-agent", "app")
AGAIN_S = 150  # the longest pause before a container starts again is 60 s


def pod_of(name, notes):
    command = ["/usr/bin/python3", "-B", str(HERE / "torture_app.py"), name, str(notes), WORK[name]]
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": "shop",
                "labels": {"app": "shop", "pannier.dev/inject": "enabled"},
            },
            "spec": {
                "serviceAccountName": name,
                # A guest hands over to agents that may be down for as long as a restart waits.
                "terminationGracePeriodSeconds": 120,
                "containers": [{"name": "app", "command": command}],
            },
        }
    )


def queue_of(name, **spec):
    return json.dumps(
        {
            "apiVersion": "pannier.dev/v1alpha1",
            "kind": "MessageQueue",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": spec,
        }
    )


def processes_of(folder):
    """(pod's folder or name, program): the pids that run now."""
    found = collections.defaultdict(list)
    for place in pathlib.Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        try:
            command = place.joinpath("cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if not any(str(folder) in each for each in command):
            continue
        if command[0].endswith("pannier-agent"):
            found[pathlib.Path(command[2]).parent.name, "pannier-agent"].append(int(place.name))
        elif any(each.endswith("torture_app.py") for each in command):
            found[command[3], "app"].append(int(place.name))
    return found


class Watch(threading.Thread):
    """Looks all the time for what must never run twice."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder = folder
        self.twice = set()
        self.is_over = False

    def run(self):
        before = {}
        while not self.is_over:
            now = processes_of(self.folder)
            for what, pids in now.items():
                # Twice, so that one that ends while the other's line is read does not count.
                if len(pids) > 1 and before.get(what) == pids:
                    self.twice.add((what, tuple(pids)))
            before = now
            time.sleep(0.05)


class Torture:
    def __init__(self, folder):
        self.root = folder
        self.folder = folder / "shop"
        self.notes = folder / "notes"
        for each in (self.folder, self.notes):
            each.mkdir()
        self.operator = LocalOperator(BUILD, self.folder, *FLAGS)
        self.kills = collections.Counter()  # of each program of the pods that are there
        self.kill_count = 0
        self.done = collections.Counter()
        self.extra = {}  # name: policy, of those that are there
        self.going = set()
        self.gone = 0
        self.extras = 0
        self.guest_is_wanted = True
        self.failures = []

    def claim(self, holds, text):
        if not holds:
            self.failures.append(text)
            print(f"FAILED: {text}", flush=True)

    # What is done to it. Each may be done at any time, whatever state the others have left.
    def start(self):
        more = ["--rotate-ca"] if random.random() < 0.5 else []
        self.operator.flags = (*FLAGS, *more)
        self.operator.start()

    def kill_operator(self):
        self.operator.kill()
        time.sleep(random.choice([0, 0, random.uniform(0, 1.5)]))
        self.start()

    def end_operator(self):
        code = self.operator.terminate()  # it may have come before it could take a signal
        self.claim(code in (0, -signal.SIGTERM), f"the operator ends as asked: {code}")
        self.start()

    def kill(self, program):
        names = STEADY if self.guest_is_going() else tuple(WORK)
        # Those that were killed least, for the pause before a restart grows.
        name = min(names, key=lambda each: (self.kills[each, program], random.random()))
        pod = self.operator.pod(name)
        pid = pod.pid(program) if pod else 0
        if not pid or not is_alive(pid):
            return
        os.kill(pid, signal.SIGKILL)
        self.kills[name, program] += 1
        self.kill_count += 1
        wait_until("it is dead", lambda: not is_alive(pid))

    def kill_agent(self):
        self.kill("pannier-agent")

    def kill_app(self):
        self.kill("app")

    def kill_agent_and_operator(self):
        self.kill("pannier-agent")
        self.kill_operator()

    def kill_all_of_a_pod(self):
        self.operator.kill()
        self.kill("app")
        self.kill("pannier-agent")
        self.start()

    def edit_queue(self):
        spec = {"paused": random.random() < 0.2}
        if random.random() < 0.5:
            spec["storage"] = {"maxMessages": random.randrange(500_000, 900_000)}
        self.operator.apply("orders.yaml", queue_of("orders", **spec))

    def edit_and_kill(self):
        self.edit_queue()
        time.sleep(random.uniform(0.3, 1.2))  # while it is taken over
        self.kill_operator()

    def guest_is_going(self):
        pod = self.operator.pod("guest")
        return not self.guest_is_wanted or pod is None or "deletionTimestamp" in pod.kept["metadata"]

    def toggle_guest(self):
        file = self.folder / "guest.yaml"
        if self.guest_is_wanted:
            pod = self.operator.pod("guest")
            if pod is None or not pod.is_ready():
                return
            file.unlink()
        else:
            self.operator.apply("guest.yaml", pod_of("guest", self.notes))
            self.kills["guest", "app"] = self.kills["guest", "pannier-agent"] = 0
        self.guest_is_wanted = not self.guest_is_wanted

    def add_queue(self):
        if len(self.extra) > 3:
            return
        self.extras += 1
        name = f"extra-{self.extras}"
        self.extra[name] = random.choice(["Delete", "WaitUntilEmpty"])
        text = queue_of(name, deletionPolicy=self.extra[name])
        self.operator.apply(f"{name}.yaml", text)

    def fill_queue(self):
        if not self.extra:
            return
        name = random.choice(list(self.extra))
        try:
            self.operator.control("-n", "shop", "publish", name, "--count", "5", "extra")
        except (GaveUp, json.JSONDecodeError):
            pass  # not there yet, or five lines

    def remove_queue(self):
        if not self.extra:
            return
        name = random.choice(list(self.extra))
        self.going.add((name, self.extra.pop(name)))
        (self.folder / f"{name}.yaml").unlink()

    def take_what_is_left(self):
        for name, policy in sorted(self.going):
            if self.operator.object("MessageQueue", name) is None:
                self.going.remove((name, policy))
                self.gone += 1
            elif policy == "WaitUntilEmpty":
                self.pannierctl("receive", name, "--max", "1000", "--wait", "0s")

    def pannierctl(self, *arguments):
        subprocess.run(
            [self.operator.build / "pannierctl", "--local", self.folder, "-n", "shop", *arguments],
            capture_output=True,
            timeout=60,
            check=False,
        )

    ACTIONS = (
        (kill_operator, 4),
        (end_operator, 1),
        (kill_agent, 3),
        (kill_app, 3),
        (kill_agent_and_operator, 2),
        (kill_all_of_a_pod, 2),
        (edit_queue, 3),
        (edit_and_kill, 2),
        (toggle_guest, 3),
        (add_queue, 2),
        (fill_queue, 3),
        (remove_queue, 2),
        (take_what_is_left, 2),
    )

    def run(self, rounds):
        self.operator.apply("orders.yaml", queue_of("orders"))
        for name in WORK:
            self.operator.apply(f"{name}.yaml", pod_of(name, self.notes))
        self.start()
        pods = {name: self.operator.ready_pod(name, limit_s=AGAIN_S) for name in WORK}
        uids = {name: pods[name].uid for name in STEADY}
        queue_uid = self.operator.object("MessageQueue", "orders")["metadata"]["uid"]
        watch = Watch(self.root)
        watch.start()
        for number in range(rounds):
            actions, weights = zip(*self.ACTIONS)
            action = random.choices(actions, weights)[0]
            self.done[action.__name__] += 1
            action(self)
            time.sleep(random.uniform(0, 1))  # the moment of the next, not a wait for anything
            if number % 20 == 19:
                self.show(number + 1)
        self.settle(uids, queue_uid)
        watch.is_over = True
        watch.join()
        self.claim(not watch.twice, f"nothing ran twice: {watch.twice}")
        self.end()

    def show(self, number):
        print(
            f"{number:4} rounds: {self.kill_count:4} kills, "
            f"{len(self.lines('confirmed')):7} confirmed, {len(self.lines('received')):7} received",
            flush=True,
        )

    def lines(self, name):
        try:
            return self.notes.joinpath(name).read_text().split("\n")[:-1]
        except OSError:
            return []

    def lost(self):
        received = {line.split()[0] for line in self.lines("received")}
        return sorted(set(self.lines("confirmed")) - received)

    def settle(self, uids, queue_uid):
        """Everything is to be there again, and what was confirmed arrives."""
        self.operator.apply("orders.yaml", queue_of("orders"))
        while self.extra:
            self.remove_queue()
        if not self.guest_is_wanted:
            wait_until("guest is gone", lambda: self.operator.pod("guest") is None, AGAIN_S)
            self.toggle_guest()
        wait_until("all run", self.all_run, AGAIN_S)
        (self.notes / "stop").touch()
        try:
            wait_until("every confirmed id is received", lambda: not self.lost(), AGAIN_S)
        except GaveUp:
            pass
        lost = self.lost()
        self.claim(not lost, f"every confirmed id is received; {len(lost)} are not: {lost[:5]}")

        def removed():
            self.take_what_is_left()
            return not self.going

        try:
            wait_until("queues that were removed are gone", removed, AGAIN_S)
        except GaveUp as reason:
            self.claim(False, f"{reason}: {self.going}")
        for name in STEADY:
            self.claim(self.operator.pod(name).uid == uids[name], f"{name} keeps its uid")
        now = self.operator.object("MessageQueue", "orders")["metadata"]["uid"]
        self.claim(now == queue_uid, "the queue keeps its uid")
        for name in STEADY:
            for program in PROGRAMS:
                restarts = self.operator.pod(name).containers()[program]["restartCount"]
                kills = self.kills[name, program]
                self.claim(
                    restarts == kills, f"{program} of {name}: {restarts} restarts for {kills} kills"
                )

    def all_run(self):
        running = processes_of(self.root)
        expected = {}
        for name in WORK:
            pod = self.operator.pod(name)
            if pod is None or not pod.is_ready():
                return False
            expected[pod.uid, "pannier-agent"] = [pod.agent_pid]
            expected[name, "app"] = [pod.pid("app")]
        return running == expected

    def end(self):
        self.claim(self.operator.terminate() == 0, "the operator ended as asked")
        done = self.operator.down()
        self.claim(done.returncode == 0, f"--down: {done.stderr}")
        left = processes_of(self.root)
        self.claim(not left, f"nothing runs after --down: {dict(left)}")
        state = self.folder / ".pannier"
        for name in ("pods", "run"):
            files = [each.name for each in (state / name).iterdir()]
            self.claim(not files, f"nothing is left in {name}: {files}")


def report(torture, rounds, seed):
    received = torture.lines("received")
    again = len(received) - len({line.split()[0] for line in received})
    print(
        f"{rounds} rounds, seed {seed}: confirmed {len(torture.lines('confirmed'))}, "
        f"lost {len(torture.lost())}, redelivered {again}, "
        f"agents and apps killed {torture.kill_count}, "
        f"queues removed {torture.gone}; {dict(torture.done)}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    random.seed(options.seed)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pannier-torture-"))
    torture = Torture(folder)
    try:
        torture.run(options.rounds)
    except GaveUp as reason:
        torture.claim(False, str(reason))
    finally:
        torture.operator.kill()
        torture.operator.down()
        report(torture, options.rounds, options.seed)
    if torture.failures:
        print(f"what it said and kept is in {folder}")
        sys.exit(1)
    subprocess.run(["rm", "-rf", folder], check=False)


if __name__ == "__main__":
    main()
