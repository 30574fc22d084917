"""What the disk allows: a bare loop of writes, each followed by fdatasync."""

import os
import statistics
import time

from table import percentile

BODY = b"x" * 1_024
FILLED_BYTES = 16 << 20


def measure_disk(folder, core, seconds):
    """To a file that is filled already, so that a sync is of data and not of the file's length."""
    path = folder / "disk"
    folder.mkdir(parents=True, exist_ok=True)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600)
    try:
        os.pwrite(file, bytes(FILLED_BYTES), 0)
        os.fsync(file)
        taken = []
        began = at = time.perf_counter()
        while at - began < seconds:
            os.pwrite(file, BODY, len(taken) * len(BODY) % FILLED_BYTES)
            os.fdatasync(file)
            now = time.perf_counter()
            taken.append(now - at)
            at = now
    finally:
        os.close(file)
        path.unlink()
        os.sched_setaffinity(0, cores)
    return {
        "rate": len(taken) / (at - began),
        "p50_ms": statistics.median(taken) * 1_000,
        "p99_ms": percentile(taken, 0.99) * 1_000,
    }
