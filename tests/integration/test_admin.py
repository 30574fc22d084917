"""Probes, metrics, status, the control socket and drain."""

import http.client
import pathlib
import re
import stat
import uuid

import pika

from admin import ask, control, drain, over_tls, status_of
from agents import ConfiguredAgent
from namespaces import Namespace

PERSISTENT = pika.BasicProperties(delivery_mode=2)
METRICS_SOURCE = pathlib.Path(__file__).resolve().parents[2] / "common" / "metrics.cc"


class WaitingAgent(ConfiguredAgent):
    """One that has no policy yet."""

    def write_policy(self):
        pass

    def on_started(self):
        self.wait_for("listening", listener="admin")


def plain(port):
    return http.client.HTTPConnection("127.0.0.1", port, timeout=20)


def test_an_agent_is_ready_once_it_has_a_policy(tmp_path):
    with WaitingAgent(tmp_path / "agent") as agent:
        status, body = control(agent, "GET", "/readyz")
        assert status == 503
        assert "no policy yet" in body
        assert control(agent, "GET", "/healthz")[0] == 200
        ConfiguredAgent.write_policy(agent)
        agent.wait_for("listening", listener="amqps")
        assert control(agent, "GET", "/readyz")[0] == 200


def test_drain_returns_at_once_and_the_app_goes_on(configured_agent):
    done = drain("--config", configured_agent.folder / "agent.yaml")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert status_of(configured_agent)["phase"] == "draining"
    assert control(configured_agent, "GET", "/readyz")[0] == 200
    channel = configured_agent.connect().channel()
    channel.confirm_delivery()
    channel.basic_publish("", "orders", b"while draining", PERSISTENT)
    socket = configured_agent.folder / "control.sock"
    assert drain("--socket", socket).returncode == 0
    assert configured_agent.terminate() == 0
    assert not socket.exists()


def test_drain_says_when_nobody_is_there(tmp_path):
    done = drain("--socket", tmp_path / "none.sock")
    assert done.returncode == 1
    assert str(tmp_path / "none.sock") in done.stderr


def test_a_crash_leaves_no_control_socket_in_the_way(configured_agent):
    socket = configured_agent.folder / "control.sock"
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    configured_agent.restart_after_kill()
    assert status_of(configured_agent)["phase"] == "serving"


def test_status_counts_what_apps_do(configured_agent):
    channel = configured_agent.connect().channel()
    channel.confirm_delivery()
    for _ in range(3):
        channel.basic_publish("", "orders", b"x", PERSISTENT)
    method, _, _ = channel.basic_get("orders")
    channel.basic_ack(method.delivery_tag)
    channel.basic_get("orders")
    channel.queue_declare("orders", passive=True)  # the ack before it has been heard
    status = status_of(configured_agent)
    assert status["confirmed"] == 3
    assert status["policy"]["queues"] == 1
    assert re.fullmatch("[0-9a-f]{64}", status["policy"]["version"])
    (queue,) = status["queues"]
    assert (queue["name"], queue["uid"], queue["generation"]) == ("orders", "u1", 1)
    assert (queue["ready"], queue["unacked"]) == (1, 1)
    assert queue["counters"]["acked"] == 1
    assert "oldestMessageTime" in queue
    assert {each["use"] for each in status["certificates"]} == {"localhost"}


def test_only_the_operator_sees_status_and_drains_over_the_network(tmp_path):
    with Namespace(tmp_path / "made", ["one"]) as namespace:
        agent = namespace["one"]
        papers = tmp_path / "operator"
        papers.mkdir()
        namespace.authority.sign(papers, "pannier-operator", str(uuid.uuid4()))
        operator = (papers / "tls.crt", papers / "tls.key")
        peer = (agent.folder / "tls.crt", agent.folder / "tls.key")
        for path in ("/healthz", "/readyz", "/metrics"):
            assert ask(over_tls(agent), "GET", path)[0] == 200
        for certificate in (None, peer):
            assert ask(over_tls(agent, certificate), "GET", "/v1/status")[0] == 403
            assert ask(over_tls(agent, certificate), "POST", "/drain")[0] == 403
        assert status_of(agent)["phase"] == "serving"
        assert ask(over_tls(agent, operator), "GET", "/v1/status")[0] == 200
        assert ask(over_tls(agent, operator), "POST", "/drain")[0] == 202
        assert status_of(agent)["phase"] == "draining"


def test_a_page_of_a_browser_cannot_drain_a_developers_agent(dev_agent):
    port = dev_agent.port("admin")
    foreign = {"Origin": "https://evil.example"}
    assert ask(plain(port), "POST", "/drain", foreign)[0] == 403
    assert ask(plain(port), "POST", "/drain", {"Host": f"evil.example:{port}"})[0] == 403
    assert ask(plain(port), "POST", "/drain")[0] == 202


def names_in_source():
    return sorted(set(re.findall(r'"(pannier_[a-z_]+)"', METRICS_SOURCE.read_text())))


def values_of(text):
    """{name: sum over its series}"""
    values = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            series, value = line.rsplit(" ", 1)
            name = series.split("{")[0]
            values[name] = values.get(name, 0) + float(value)
    return values


def test_every_metric_has_a_value_in_a_running_agent(tmp_path):
    with Namespace(tmp_path / "made", ["one", "two"]) as namespace:
        consumer = namespace["one"].connect().channel()
        channel = namespace["two"].connect().channel()
        channel.confirm_delivery()
        channel.basic_publish("", "orders", b"x", PERSISTENT)
        # It is pulled from the other agent.
        method, _, _ = next(consumer.consume("orders", inactivity_timeout=20))
        consumer.basic_ack(method.delivery_tag)
        consumer.queue_declare("orders", passive=True)
        values = values_of(control(namespace["one"], "GET", "/metrics")[1])
        shown = {re.sub("_(bucket|sum|count)$", "", name) for name in values}
        assert [name for name in names_in_source() if name not in shown] == []
        of_two = values_of(control(namespace["two"], "GET", "/metrics")[1])
        for name in (
            "pannier_messages_published_total",
            "pannier_publish_to_confirm_seconds_count",
            "pannier_spool_sync_seconds_count",
            "pannier_spool_sync_batch_records_sum",
            "pannier_spool_bytes",
            "pannier_connections",
            "pannier_certificate_expiry_timestamp_seconds",
        ):
            assert of_two[name] > 0, name


def test_metrics_may_be_kept_for_those_who_have_rights(tmp_path):
    agent = ConfiguredAgent(tmp_path / "agent")
    agent.config["listeners"]["admin"].update(plaintext=True, metricsToken=True)
    with agent:
        assert ask(plain(agent.ports["admin"]), "GET", "/metrics")[0] == 403
        assert ask(plain(agent.ports["admin"]), "GET", "/v1/status")[0] == 403
        assert ask(plain(agent.ports["admin"]), "GET", "/healthz")[0] == 200
        assert control(agent, "GET", "/metrics")[0] == 200
