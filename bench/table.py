"""What the runs come to: medians with their spread, ratios, and tables of them."""

import math
import statistics

HEADS = (
    "server", "messages/s", "spread", "p50 ms", "p99 ms", "CPU s/million", "peak MiB",
    "load's core", "rate of Pannier", "CPU of Pannier",
)  # fmt: skip
FIRST = "pannier"


def percentile(values, share):
    """The smallest of the values that so many do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median_of(runs):
    """Of each number by itself."""
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def spread_of(runs, key="rate"):
    """From the lowest to the highest, as a share of the median."""
    values = [run[key] for run in runs]
    return (max(values) - min(values)) / statistics.median(values)


def number(value):
    """Three digits that count, more where they are in front of the point."""
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def ratio(ours, theirs):
    return f"{number(ours / theirs)} ×" if ours and theirs else "-"


def cells(title, runs, first):
    """A line of the table; `first` is the median that the others are compared with, if any."""
    if not runs:
        return [title, "failed"] + ["-"] * (len(HEADS) - 2)
    median = median_of(runs)
    return [
        title,
        number(median["rate"]),
        f"{100 * spread_of(runs):.0f} %" if len(runs) > 1 else "-",
        number(median["p50_ms"]),
        number(median["p99_ms"]),
        number(median["cpu_per_million"]),
        number(median["peak_mib"]),
        f"{100 * median['load_share']:.0f} %",
        ratio(first["rate"], median["rate"]) if first else "-",
        ratio(first["cpu_per_million"], median["cpu_per_million"]) if first else "-",
    ]


def table_of(runs_by_peer, titles):
    """Lines of cells; the peers in the order of their titles."""
    ours = runs_by_peer.get(FIRST)
    first = median_of(ours) if ours else None
    return [
        cells(titles[peer], runs_by_peer[peer], first if peer != FIRST else None)
        for peer in titles
        if peer in runs_by_peer
    ]


def as_text(heads, lines):
    widths = [max(len(line[i]) for line in [heads, *lines]) for i in range(len(heads))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [heads, *lines]
    )


def as_markdown(heads, lines):
    def row(line):
        return "| " + " | ".join(line) + " |"

    return "\n".join([row(heads), "|---" + "|---:" * (len(heads) - 1) + "|", *map(row, lines)])
