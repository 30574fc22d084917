"""amqplib, the AMQP library of Node, in node/: ./dev clients plays it."""

import os
import pathlib

import pytest

from program import Scenarios

HERE = pathlib.Path(__file__).resolve().parent
NAMES = [
    *("confirms", "returns", "prefetch", "deadLetters", "rpc", "largeMessages", "priorities"),
    *("delayByExpiry", "topics", "properties", "consumerPriorities", "newPassword"),
    *("channelErrors", "unknownDeliveryTag", "wrongPassword", "unknownAuthority"),
    *("cancelledConsumer", "expiringQueues", "frozenConsumer", "idleConnection", "recovery"),
]


@pytest.fixture(scope="module")
def program(broker):
    modules = pathlib.Path(os.environ["PANNIER_CLIENTS"]).resolve() / "node" / "node_modules"
    command = ["node", HERE / "node" / "main.js"]
    with Scenarios(command, broker, {"NODE_PATH": str(modules)}) as scenarios:
        yield scenarios


def test_all_scenarios_are_played(program):
    assert program.names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_node(program, name):
    program.play(name)
