"""RabbitMQ as Debian ships it: one scheduler, a node and an epmd of its own, on loopback."""

import pathlib
import shutil

from server import Server, free_port, version_of

# Not /usr/sbin/rabbitmq-server, which insists on the system's user and folders.
PROGRAM = pathlib.Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
ERLANG_ARGUMENTS = (
    "+S 1:1 +SDcpu 1:1 +SDio 1 -kernel inet_dist_use_interface {127,0,0,1}"
)


class RabbitMq(Server):
    """With the queue type that the kinds below choose."""

    queue_type = ""
    settings = ""  # further lines of rabbitmq.conf

    def start(self):
        self.port = free_port()
        epmd_port = free_port()
        home = self.folder / "home"
        home.mkdir()
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "environment").write_text("")
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            f"log.file.level = info\n{self.settings}"
        )
        # Erlang would leave one behind that outlives the node.
        epmd = {"ERL_EPMD_PORT": str(epmd_port), "ERL_EPMD_ADDRESS": "127.0.0.1"}
        self.spawn("epmd", env=epmd)
        log = self.folder / "logs" / "node.log"
        self.spawn(
            PROGRAM,
            env={
                **epmd,
                "HOME": str(home),  # the cookie
                "RABBITMQ_NODENAME": f"pannier-bench-{self.port}@localhost",
                "RABBITMQ_DIST_PORT": str(free_port()),
                "RABBITMQ_CONF_ENV_FILE": str(self.folder / "environment"),
                "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
                "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "none.config"),
                "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
                "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
                "RABBITMQ_LOG_BASE": str(log.parent),
                "RABBITMQ_LOGS": str(log),
                "RABBITMQ_PID_FILE": str(self.folder / "pid"),
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG_ARGUMENTS,
                "ERL_CRASH_DUMP_SECONDS": "0",
            },
        )
        self.wait_for(log, lambda text: "Server startup complete" in text)

    def load_arguments(self, queue):
        return ["--port", self.port, "--queue-prefix", queue, "--queue-type", self.queue_type]

    def version(self):
        found = list(pathlib.Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))
        server = found[0].name.removeprefix("rabbitmq_server-") if found else "unknown"
        erlang = version_of("dpkg-query", "-W", "-f", "${Version}", "erlang-base")
        return f"{server}, Erlang {erlang}"

    def unavailable(self):
        if not PROGRAM.exists() or not shutil.which("epmd"):
            return "rabbitmq-server is not installed"
        return None


class RabbitMqClassic(RabbitMq):
    name = "rabbitmq"
    title = "RabbitMQ classic"
    safety = "fsync of its queue's journal, which holds bodies this small"  # strace shows it
    queue_type = "classic"


class RabbitMqQuorum(RabbitMq):
    name = "rabbitmq-quorum"
    title = "RabbitMQ quorum"
    safety = "fdatasync of its log; one member"
    queue_type = "quorum"
