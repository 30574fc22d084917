"""What the integration tests share: real agents as processes, each in a folder of its own."""

import pytest

from agents import ConfiguredAgent, DevAgent


@pytest.fixture
def dev_agent(tmp_path):
    """A started `pannier-agent dev` on free ports."""
    with DevAgent(tmp_path / "dev") as agent:
        yield agent


@pytest.fixture
def configured_agent(tmp_path):
    """A started agent with a policy, TLS and the folder that an app is given."""
    with ConfiguredAgent(tmp_path / "agent") as agent:
        yield agent
