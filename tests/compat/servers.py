"""The two servers: a RabbitMQ of its own on loopback, as the benchmarks start it, and an agent."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path += [str(ROOT / "bench"), str(ROOT / "tests" / "integration")]

from agents import DevAgent  # noqa: E402
from peer_rabbitmq import RabbitMq  # noqa: E402


class ComparedRabbitMq(RabbitMq):
    name = "compat-rabbitmq"
    title = "RabbitMQ"
    settings = "max_message_size = 16777216\n"  # the agent's default


class ComparedAgent(DevAgent):
    def on_started(self):
        super().on_started()
        self.port_of_amqp = self.port("amqp")
