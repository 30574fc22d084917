#!/usr/bin/python3
"""Measures Pannier and its peers on this machine, always in the same run.

Each server gets one core, an empty folder under build/ and a process of its own for each number;
the load gets another core. The rounds go through all servers by turns, and the tables show the
medians. Progress goes to stderr, the tables to stdout, all numbers to build/bench/.
"""

import argparse
import datetime
import json
import os
import signal
import subprocess
import sys

import document
from disk import measure_disk
from peer_nats import Nats, NatsAlways
from peer_pannier import Pannier
from peer_rabbitmq import RabbitMqClassic, RabbitMqQuorum
from server import BUILD, ENDING_SIGNALS, ROOT, BenchError
from table import HEADS, as_text, table_of

OUTPUT = ROOT / "build" / "bench"
PEERS = {peer.name: peer for peer in (Pannier, RabbitMqClassic, RabbitMqQuorum, Nats, NatsAlways)}
# What is done: the load's arguments, and the share of --messages that is enough.
WORKS = {
    "deep": (["--in-flight", 1_000], 1),
    "one": (["--in-flight", 1], 0.1),
    "many": (["--in-flight", 1, "--connections", 64], 0.5),
    "consume": (["--in-flight", 1_000, "--mode", "both"], 1),
}
WARM_UP = ["--messages", 2_000, "--in-flight", 100, "--mode", "both", "--seconds-max", 5]
LOAD_LIMIT_S = 120  # beyond what the load itself is told


def say(text):
    print(text, file=sys.stderr, flush=True)


def run_load(server, queue, arguments, core, seconds):
    command = [
        *("taskset", "-c", core, BUILD / server.load),
        *server.load_arguments(queue),
        *arguments,
    ]
    try:
        done = subprocess.run(
            list(map(str, command)),
            capture_output=True,
            text=True,
            timeout=seconds + LOAD_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{server.title}: the load does not come to its end") from error
    if done.returncode != 0:
        raise BenchError(f"{server.title}: {done.stderr.strip()}")
    result = json.loads(done.stdout)
    if result["refused"] > 0:
        raise BenchError(f"{server.title} refused {result['refused']} messages")
    return result


def measure(peer, work, options, cores):
    arguments, share = WORKS[work]
    limits = [
        *("--messages", max(1, round(options.messages * share))),
        *("--seconds-max", options.seconds),
    ]
    with peer(OUTPUT / "servers" / peer.name, cores[0]) as server:
        run_load(server, "warm", WARM_UP, cores[1], options.seconds)
        cpu_before = server.cpu_seconds()
        result = run_load(server, "load", [*arguments, *limits], cores[1], options.seconds)
        cpu = server.cpu_seconds() - cpu_before
        peak = server.peak_bytes()
    return {
        "messages": result["messages"],
        "seconds": result["seconds"],
        "rate": result["rate"],
        "p50_ms": result["confirm_us"]["p50"] / 1_000,
        "p99_ms": result["confirm_us"]["p99"] / 1_000,
        "cpu_per_million": cpu / result["messages"] * 1e6,
        "peak_mib": peak / 2**20,
        "load_share": result["load_cpu_share"],
    }


def measure_all(peers, options, cores):
    works = {work: {peer.name: [] for peer in peers} for work in options.works}
    disk, failures = [], []
    for turn in range(options.rounds):
        say(f"round {turn + 1} of {options.rounds}")
        disk.append(measure_disk(OUTPUT, cores[0], min(2, options.seconds)))
        say(f"  bare loop: {disk[-1]['rate']:,.0f} syncs/s")
        for work in options.works:
            for peer in peers:
                try:
                    run = measure(peer, work, options, cores)
                except BenchError as error:
                    failures.append(f"{document.TITLES[work]}: {str(error).splitlines()[0]}")
                    say(f"  {work}: {error}")
                    continue
                works[work][peer.name].append(run)
                say(
                    f"  {work}: {peer.title}: {run['rate']:,.0f}/s "
                    f"({run['messages']:,} messages in {run['seconds']:.1f} s)"
                )
    return {"works": works, "disk": disk, "failures": failures}


def cores_to_use():
    """One for the server, one for the load; the same one only where there is no other."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == 1:
        say("bench: there is one core only: the load takes from what the servers have")
    return cores[0], cores[-1]


def choose_peers(names):
    chosen, left_out = [], []
    for name in names:
        peer = PEERS[name](OUTPUT / "servers" / name, 0)
        if why := peer.unavailable():
            say(f"bench: leaving out {peer.title}: {why}")
            left_out.append(f"{peer.title}: {why}")
        else:
            chosen.append(PEERS[name])
    if not chosen:
        raise BenchError("there is nothing to measure")
    return chosen, left_out


def show(results):
    for work, runs in results["works"].items():
        print(f"\n{document.TITLES[work]}")
        print(as_text(list(HEADS), table_of(runs, results["titles"])))
    print(f"\n{document.disk_line(results)}")
    for failure in results["failures"]:
        print(f"failed: {failure}")


def run(options):
    cores = cores_to_use()
    load = os.getloadavg()[0]
    if load > 0.5:
        say(f"bench: the machine is busy (load {load:.1f}): the numbers will say little")
    peers, left_out = choose_peers(options.peers)
    versions = {peer.name: peer(OUTPUT, 0).version() for peer in peers}
    results = {
        "began": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": document.machine(OUTPUT, cores, load),
        "options": {key: getattr(options, key) for key in ("rounds", "messages", "seconds")},
        "titles": {peer.name: peer.title for peer in peers},
        "safety": {peer.name: peer.safety for peer in peers},
        "versions": versions,
        "left_out": left_out,
        **measure_all(peers, options, cores),
    }
    file = OUTPUT / f"results-{results['began'].replace(':', '')[:17]}.json"
    file.write_text(json.dumps(results, indent=1) + "\n")
    say(f"bench: all numbers are in {file.relative_to(ROOT)}")
    return results


def parse():
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, help="runs of each number (3)")
    parser.add_argument("--messages", type=int, help="at most, in a run (500000)")
    parser.add_argument("--seconds", type=float, help="at most, of publishing (10)")
    parser.add_argument("--quick", action="store_true",
                        help="instead 1 round, 20000 messages, 2 seconds")  # fmt: skip
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER",
                        help=f"of {', '.join(PEERS)} (all)")  # fmt: skip
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS), metavar="WORK",
                        help=f"of {', '.join(WORKS)} (all)")  # fmt: skip
    parser.add_argument("--write-docs", action="store_true", help="write docs/benchmarks.md too")
    parser.add_argument("--results", metavar="FILE", help="measure nothing, show that file again")
    options = parser.parse_args()
    usual = (1, 20_000, 2) if options.quick else (3, 500_000, 10)
    for name, value in zip(("rounds", "messages", "seconds"), usual, strict=True):
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.rounds < 1 or options.messages < 1 or options.seconds <= 0:
        parser.error("--rounds, --messages and --seconds are above zero")
    return options


def end(number, _):
    raise SystemExit(128 + number)


def main():
    options = parse()
    for number in ENDING_SIGNALS:
        signal.signal(number, end)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    try:
        if options.results:
            with open(options.results, encoding="utf-8") as file:
                results = json.load(file)
        else:
            results = run(options)
    except BenchError as error:
        sys.exit(f"bench: {error}")
    show(results)
    if options.write_docs:
        (ROOT / "docs" / "benchmarks.md").write_text(document.page(results))
        say("bench: wrote docs/benchmarks.md")
    sys.exit(1 if results["failures"] else 0)


if __name__ == "__main__":
    main()
