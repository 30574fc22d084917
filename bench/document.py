"""docs/benchmarks.md, written from the results of a run."""

import pathlib
import platform
import statistics
import subprocess

from table import FIRST, HEADS, as_markdown, number, table_of

TITLES = {
    "deep": "Publish, 1,000 in flight",
    "one": "Publish, one in flight",
    "many": "Publish, 64 connections, one in flight each",
    "consume": "Publish and consume with acks, 1,000 in flight",
}

PAGE = """\
# Benchmarks

`./dev bench --write-docs` measured this and wrote this page, {began}. Numbers of one machine say
little about another; the ratios say more, and so every peer is measured in the same run.

## What is measured
{options}
Messages are persistent, 1 KiB, in one durable queue; each is confirmed to its publisher.

| server | version | before a confirm |
|---|---|---|
{servers}
{left_out}
The machine:

{machine}

## Results
{tables}
{disk}
{failures}
## What the numbers mean
- **messages/s**: from the first publish to the last confirm; with a consumer, to the last
  delivery too. A run ends early when its time is up, and then counts what it published.
- **spread**: from the lowest to the highest of the rounds, as a share of the median.
- **p50, p99**: from handing a message to the connection until its confirm, up to 3 % more. With
  1,000 in flight this is mostly the time spent in line: 1,000 divided by the rate.
- **CPU s/million**: user and system time of all the server's processes, for a million messages,
  from `/proc`, which counts in hundredths of a second: short runs of slow servers are coarse.
- **peak MiB**: `VmHWM`, the most memory that was resident, of all the server's processes.
- **load's core**: how busy the load was. Near 100 % the load is the limit, and the server could
  do more.
- **rate of Pannier**, **CPU of Pannier**: Pannier's number divided by this server's. Above 1 is
  better for Pannier in the first, below 1 in the second.

## How
- Every number comes from a server that was started for it on an empty folder under `build/`, all
  on the same disk, and warmed up with 2,000 messages. The server has one core (`taskset`), the
  load another.
- The rounds alternate between the servers; the tables show the median of each number by itself.
- RabbitMQ runs with one scheduler, without plugins, with its own node name, ports and folders.
  JetStream runs with `GOMAXPROCS=1`, its stream in files with work-queue retention, so that what
  was acked goes, as in a queue.
- The AMQP servers have the same load, `bench/pannier-load`. JetStream's uses NATS' own C library
  (`js_PublishAsync`); with one in flight it is told to write at once, otherwise it gathers for up
  to a millisecond. Its consumer is a push consumer that acks each message, which a work queue
  requires; the AMQP consumer acks every 125 at once, with a prefetch of 500 for both.

## What to keep in mind
- The servers do not promise the same: JetStream as it comes confirms what a power cut can still
  take away. What the table above says that each does before a confirm was seen with `strace`, for
  bodies of 1 KiB, RabbitMQ 3.10.8 and nats-server 2.12.15; RabbitMQ keeps bodies of 4 KiB and
  more elsewhere.
- A quorum queue and JetStream are made for several machines, which is how they keep messages;
  here each runs alone.
- RabbitMQ and JetStream gain from more cores than one. An agent in a pod is meant to need less
  than one, which is why this is what is measured.
- CPU time is read when the load ends. What a server puts off until later is not in it.
- A machine that does something else at the same time shows it most with one in flight: who waits
  for the disk then also waits for the core. The load before the run is above.
- Everything is on loopback and without TLS.
- The bare loop writes one message at a time. A server that gathers many for one sync can be
  faster than it, and with one in flight none that syncs can be.
"""


def output_of(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def field_of(path, name):
    for line in pathlib.Path(path).read_text().splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "unknown"


def machine(folder, cores, load):
    """What tells this machine from others."""
    memory = int(field_of("/proc/meminfo", "MemTotal").split()[0]) / 2**20
    used = "one core" if cores[0] == cores[1] else "one core for the server, one for the load"
    return {
        "processor": f"{field_of('/proc/cpuinfo', 'model name')}; {used}",
        "memory": f"{memory:.1f} GiB",
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "file system": output_of("findmnt", "-n", "-o", "FSTYPE", "-T", str(folder)),
        "load before the run": f"{load:.2f}",
        "commit": output_of("git", "describe", "--always", "--dirty", "--exclude=*"),
    }


def disk_line(results):
    def median(key):
        return statistics.median(run[key] for run in results["disk"])

    return (
        "The bare loop, 1 KiB written and `fdatasync` on the same disk: "
        f"{number(median('rate'))}/s, p50 {number(median('p50_ms'))} ms, "
        f"p99 {number(median('p99_ms'))} ms."
    )


def disk_ratio(results):
    """How far one message at a time is from the disk's limit."""
    runs = results["works"].get("one", {}).get(FIRST)
    if not runs:
        return ""
    ours = statistics.median(run["p50_ms"] for run in runs)
    bare = statistics.median(run["p50_ms"] for run in results["disk"])
    return f" With one in flight Pannier's p50 is {number(ours / bare)} × the loop's."


def page(results):
    options = results["options"]
    tables = "\n".join(
        f"### {TITLES[work]}\n{as_markdown(HEADS, table_of(runs, results['titles']))}\n"
        for work, runs in results["works"].items()
    )
    lines = [
        f"| {title} | {results['versions'][name]} | {results['safety'][name]} |"
        for name, title in results["titles"].items()
    ]
    return PAGE.format(
        began=results["began"],
        options=(
            f"Rounds: {options['rounds']}. A run is at most {options['messages']:,} messages "
            "(a tenth with one in flight, half with 64 connections) and "
            f"{options['seconds']:g} seconds."
        ),
        servers="\n".join(lines),
        left_out="".join(f"\nLeft out: {why}.\n" for why in results["left_out"]),
        machine="\n".join(f"- {key}: {value}" for key, value in results["machine"].items()),
        tables=tables,
        disk=f"{disk_line(results)}{disk_ratio(results)}\n",
        failures="".join(f"Failed: {failure}\n\n" for failure in results["failures"]),
    )
