"""Medians, spreads and ratios are right, and a server that failed does not hide the others."""

import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "bench"))
import document  # noqa: E402
import server  # noqa: E402
import table  # noqa: E402


def run_of(rate, cpu=5.0):
    return {
        "messages": 10,
        "seconds": 1.0,
        "rate": rate,
        "p50_ms": 1.0,
        "p99_ms": 2.0,
        "cpu_per_million": cpu,
        "peak_mib": 20.0,
        "load_share": 0.5,
    }


TITLES = {"pannier": "Pannier", "other": "Other"}


def line_of(lines, title):
    return dict(zip(table.HEADS, next(line for line in lines if line[0] == title), strict=True))


def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed():
    values = list(range(100, 0, -1))
    assert table.percentile(values, 0.5) == 50
    assert table.percentile(values, 0.99) == 99
    assert table.percentile(values, 1) == 100
    assert table.percentile(values, 0) == 1
    assert table.percentile([7], 0.99) == 7


def test_the_table_shows_the_median_and_the_spread_around_it():
    line = line_of(
        table.table_of({"pannier": [run_of(900), run_of(5_000), run_of(1_000)]}, TITLES), "Pannier"
    )
    assert line["messages/s"] == "1,000"
    assert line["spread"] == "410 %"


def test_ratios_are_pannier_divided_by_the_other():
    runs = {"pannier": [run_of(1_000, cpu=4)], "other": [run_of(100, cpu=80)]}
    lines = table.table_of(runs, TITLES)
    assert line_of(lines, "Other")["rate of Pannier"] == "10.0 ×"
    assert line_of(lines, "Other")["CPU of Pannier"] == "0.050 ×"
    assert line_of(lines, "Pannier")["rate of Pannier"] == "-"


def test_without_pannier_there_are_no_ratios():
    lines = table.table_of({"other": [run_of(5)]}, TITLES)
    assert line_of(lines, "Other")["rate of Pannier"] == "-"


def test_a_server_that_failed_is_said_to_have_failed():
    lines = table.table_of({"pannier": [], "other": [run_of(5)]}, TITLES)
    assert line_of(lines, "Pannier")["messages/s"] == "failed"
    assert line_of(lines, "Other")["messages/s"] == "5.00"


def test_text_and_markdown_have_a_line_for_each_server():
    lines = table.table_of({"pannier": [run_of(1)], "other": [run_of(2)]}, TITLES)
    assert len(table.as_text(list(table.HEADS), lines).splitlines()) == 3
    assert len(table.as_markdown(table.HEADS, lines).splitlines()) == 4


def test_the_page_is_written_from_the_results_alone():
    results = {
        "began": "2026-01-01T00:00:00+00:00",
        "machine": {"processor": "slow"},
        "options": {"rounds": 3, "messages": 1_000, "seconds": 2},
        "titles": TITLES,
        "safety": {"pannier": "synced", "other": "hoped for"},
        "versions": {"pannier": "1", "other": "2"},
        "left_out": ["Third: not there"],
        "works": {"one": {"pannier": [run_of(10)], "other": [run_of(5)]}},
        "disk": [{"rate": 20.0, "p50_ms": 0.5, "p99_ms": 1.0}],
        "failures": ["one: Third gave up"],
    }
    page = document.page(results)
    for wanted in ("| Other | 2 | hoped for |", "Third: not there", "gave up", "2.00 × the loop"):
        assert wanted in page


def test_all_that_a_process_started_is_found_and_its_time_counted():
    away = "setsid sh -c 'echo; exec sleep 100'"
    script = f"i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; {away} & wait"
    with subprocess.Popen(
        ["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True
    ) as shell:
        try:
            shell.stdout.readline()
            tree = server.tree_of(shell.pid)
            assert len(tree) == 2 and shell.pid in tree
            assert server.cpu_ticks(shell.pid) > 0
            assert server.peak_bytes(shell.pid) > 0
        finally:
            for pid in server.tree_of(shell.pid):
                os.kill(pid, 9)
    assert not server.is_running(shell.pid)


def test_what_is_left_of_a_session_is_found_without_its_leader():
    with subprocess.Popen(
        ["sh", "-c", "sleep 100 & echo"], stdout=subprocess.PIPE, start_new_session=True
    ) as shell:
        shell.stdout.readline()
        shell.wait()
        tree = server.tree_of(shell.pid)
        for pid in tree:
            os.kill(pid, 9)
    assert len(tree) == 1 and tree != [shell.pid]
