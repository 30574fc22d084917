"""`./dev demo` tells the truth: it succeeds, and would not if a claim did not hold."""

import pathlib
import re
import subprocess
import sys

from agents import BUILD

LOCAL = pathlib.Path(__file__).resolve().parents[2] / "e2e" / "local"
sys.path.insert(0, str(LOCAL))
from demo import Story, Tally  # noqa: E402


def confirmed(*ids):
    return [{"event": "confirmed", "id": each, "ms": 1.0} for each in ids]


def received(*ids, redelivered=False):
    return [{"event": "received", "id": each, "redelivered": redelivered} for each in ids]


def test_the_demo_holds_what_it_claims(tmp_path):
    done = subprocess.run(
        [sys.executable, "-B", LOCAL / "demo.py", "--build", BUILD, "--orders", "3200"]
        + ["--folder", tmp_path / "shop"],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"confirmed +3,200\n", done.stdout)
    assert re.search(r"lost +0\n", done.stdout)
    assert " NO " not in done.stdout
    on_their_way = re.search(r"ok +([0-9,]+) confirmed messages were on their way", done.stdout)
    assert int(on_their_way[1].replace(",", "")) >= 1_000


def test_what_is_confirmed_and_never_received_is_lost():
    assert Tally(confirmed("a", "b", "c"), received("a", "c")).lost == ["b"]
    assert Tally(confirmed("a"), received("a", "unconfirmed")).lost == []


def test_a_second_delivery_without_a_flag_is_told_from_a_second_publish():
    twice = received("a") + received("a")
    assert Tally(confirmed("a"), twice).again_unflagged == {"a"}
    flagged = received("a") + received("a", redelivered=True)
    assert Tally(confirmed("a"), flagged).again_unflagged == set()
    broken_off = [{"event": "disconnected", "order": "a"}] + confirmed("a")
    tally = Tally(broken_off, twice)
    assert tally.again_unflagged <= tally.published_again


def test_a_claim_that_does_not_hold_is_shown_and_counted(capsys):
    story = Story()
    story.claim(True, "this holds")
    story.claim(False, "this does not")
    assert story.broken == ["this does not"]
    assert "NO  this does not" in capsys.readouterr().out
