"""Plays every scenario on RabbitMQ and on Pannier, and compares.

    ./dev compat                 both servers, compared
    ./dev compat --write         and records RabbitMQ's side, and once nothing is wrong the table
                                 in docs/amqp_support.md
    ./dev compat --recorded      Pannier alone, against what is recorded of RabbitMQ
    ./dev compat NAME...         those scenarios only
"""

import argparse
import json
import pathlib
import sys
import tempfile
import time

import document
import scenarios_basic  # noqa: F401
import scenarios_connection  # noqa: F401
import scenarios_content  # noqa: F401
import scenarios_exchange  # noqa: F401
import scenarios_letters  # noqa: F401
import scenarios_order  # noqa: F401
import scenarios_publish  # noqa: F401
import scenarios_queue  # noqa: F401
import scenarios_reply_to  # noqa: F401
import world
from differences import DIFFERENCES
from servers import ComparedAgent, ComparedRabbitMq

OUTCOMES = pathlib.Path(__file__).resolve().parent / "outcomes.json"


def play(chosen, port, slowest=5):
    outcomes, times = {}, []
    for number, each in enumerate(chosen):
        begun = time.monotonic()
        outcomes[each.name] = world.run(each, port, number)
        times.append((time.monotonic() - begun, each.name))
    longest = ", ".join(f"{name} {taken:.1f} s" for taken, name in sorted(times)[: -slowest - 1 : -1])
    print(f"the longest: {longest}", file=sys.stderr)
    return outcomes


def play_on_rabbitmq(chosen):
    server = ComparedRabbitMq(pathlib.Path(tempfile.gettempdir()) / f"compat-{id(chosen)}", 0)
    if why := server.unavailable():
        sys.exit(f"compat: {why}")
    with server:
        return play(chosen, server.port), server.version()


def play_on_pannier(chosen):
    with tempfile.TemporaryDirectory(prefix="pannier-compat-") as folder:
        with ComparedAgent(folder) as agent:
            return play(chosen, agent.port_of_amqp)


def complaints(chosen, outcomes, pannier, pins_differences):
    """What is wrong, in words; a difference that is known may have to be the one recorded."""
    wrong = []
    recorded = outcomes.get("pannier", {})
    for each in chosen:
        theirs, ours = outcomes["rabbitmq"][each.name], pannier[each.name]
        known = each.name in DIFFERENCES
        if any(line.startswith("broken off") for line in theirs):
            wrong.append((each, "does not work on RabbitMQ", theirs, ours))
        elif theirs == ours and known:
            wrong.append((each, "is listed as a difference and is none", theirs, ours))
        elif theirs != ours and not known:
            wrong.append((each, "differs", theirs, ours))
        elif known and pins_differences and ours != recorded.get(each.name):
            wrong.append((each, "differs otherwise than recorded", recorded.get(each.name), ours))
    return wrong


def show(wrong):
    for each, why, theirs, ours in wrong:
        print(f"\n{each.area} / {each.name}: {each.title}: {why}")
        theirs = theirs or []
        for at in range(max(len(theirs), len(ours))):
            left = theirs[at] if at < len(theirs) else "(nothing)"
            right = ours[at] if at < len(ours) else "(nothing)"
            print(f"    {left}" if left == right else f"  < {left}\n  > {right}")


def arguments():
    parser = argparse.ArgumentParser(prog="./dev compat", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="scenarios; all if none is named")
    parser.add_argument("--write", action="store_true", help="write down what came out")
    parser.add_argument("--recorded", action="store_true", help="without RabbitMQ")
    parser.add_argument("--quick", action="store_true", help="leave the slow ones out")
    parser.add_argument("--all", action="store_true", help="those that wait for a feature, too")
    parser.add_argument("--list", action="store_true", help="only name the scenarios")
    return parser.parse_args()


def main():
    options = arguments()
    unknown = [name for name in options.names if name not in world.SCENARIOS]
    if unknown:
        sys.exit(f"compat: there is no scenario {', '.join(unknown)}")
    chosen = [
        each
        for each in world.SCENARIOS.values()
        if (not options.names or each.name in options.names)
        and not (options.quick and each.slow)
        and (options.all or options.names or not each.waits_for)
    ]
    if options.list:
        for each in chosen:
            print(f"{each.area:12}{each.name:28}{each.title}")
        return
    outcomes = json.loads(OUTCOMES.read_text()) if OUTCOMES.exists() else {"rabbitmq": {}}
    if not options.recorded:
        theirs, outcomes["version"] = play_on_rabbitmq(chosen)
        outcomes["rabbitmq"].update(theirs)
    if options.write:
        save(outcomes)
    missing = [each.name for each in chosen if each.name not in outcomes["rabbitmq"]]
    if missing:
        sys.exit(f"compat: not recorded yet: {', '.join(missing)}")
    pannier = play_on_pannier(chosen)
    wrong = complaints(chosen, outcomes, pannier, options.recorded and not options.write)
    show(wrong)
    print(f"\n{len(chosen)} scenarios, {len(chosen) - len(wrong)} as they should be")
    if wrong:
        sys.exit(1)
    is_whole = not options.names and not options.quick and not options.all
    if options.write and is_whole:
        names = [each.name for each in chosen]
        outcomes["rabbitmq"] = {name: outcomes["rabbitmq"][name] for name in names}
        outcomes["pannier"] = {name: pannier[name] for name in names if name in DIFFERENCES}
        save(outcomes)
        document.write(chosen, outcomes)


def save(outcomes):
    OUTCOMES.write_text(json.dumps(outcomes, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
