"""The Java client and Spring AMQP, in java/: ./dev clients builds and plays it."""

import os
import pathlib

import pytest

from program import Scenarios

NAMES = [
    *("confirms", "returns", "prefetch", "deadLetters", "rpc", "largeMessages", "priorities"),
    *("properties", "exchanges", "lengths", "transactions", "singleActiveConsumer"),
    *("channelErrors", "exclusiveQueues", "wrongPassword", "cancelledConsumer"),
    "topologyRecovery",
    *("springConfirms", "springReturns", "springRetries", "springDirectListener"),
    *("springBatches", "springTopics", "springRequests", "springAsyncRequests", "springDelays"),
    *("springPriorities", "springAdmin", "springOtherDeclaration", "springManualAcks"),
    *("springConsumerPriority", "springTransactions", "springDeletedQueue", "springRecovery"),
]


@pytest.fixture(scope="module")
def program(broker):
    built = pathlib.Path(os.environ["PANNIER_CLIENTS"]).resolve() / "java"
    command = ["java", "-XX:+UseSerialGC"]
    command += ["-cp", f"{built / 'classes'}:{built / 'lib'}/*", "shop.Main"]
    with Scenarios(command, broker) as scenarios:
        yield scenarios


def test_all_scenarios_are_played(program):
    assert program.names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_java(program, name):
    program.play(name)
