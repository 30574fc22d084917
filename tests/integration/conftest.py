"""What the integration tests share: real agents as processes, each in a folder of its own."""

import shutil

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


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    item.has_failed = getattr(item, "has_failed", False) or report.failed


@pytest.fixture(autouse=True)
def folders_that_go(request, tmp_path):
    """Set up first, so it ends last: a spool takes over 100 MiB, and pytest would keep them all."""
    yield
    if not getattr(request.node, "has_failed", False):
        shutil.rmtree(tmp_path, ignore_errors=True)
