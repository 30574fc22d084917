"""The scenarios, and what one of them runs in: a server, names of its own, and its log."""

import inspect

import amqp_wire as wire
from peer import Peer

SCENARIOS = {}  # by name, in the order of the files


class Scenario:
    def __init__(self, area, title, run, slow, waits_for):
        self.area, self.title, self.run, self.slow = area, title, run, slow
        self.waits_for = waits_for
        self.name = run.__name__


def scenario(title, slow=False, waits_for=None):
    """Its function is given a world, and its outcome is the world's log. What waits for a feature
    that is not built yet is played with --all only."""

    def register(run):
        area = run.__module__.removeprefix("scenarios_")
        assert run.__name__ not in SCENARIOS, f"two scenarios of the name {run.__name__}"
        SCENARIOS[run.__name__] = Scenario(area, title, run, slow, waits_for)
        return run

    return register


class World:
    def __init__(self, port, number):
        self.port = port
        self.prefix = f"compat{number}."
        self.peers = []
        self.names = []
        self.log = []
        self._confirmed = {}

    def name(self, short):
        """Of a queue or exchange: unique, and gone after the scenario; shown without its prefix."""
        full = self.prefix + short
        if full not in self.names:
            self.names.append(full)
        return full

    def plain(self, text):
        return wire.without_generated(text.replace(self.prefix, ""))

    def peer(self, label=""):
        """Connected; nothing has been said yet."""
        return Peer(self, label)

    def open(self, channels=1, label="", **options):
        """With so many channels open."""
        return Peer(self, label).open(channels, **options)

    def note(self, *lines):
        self.log += lines

    def confirmed(self, peer, channel):
        return self._confirmed.setdefault((id(peer), channel), set())

    def clean(self):
        for peer in self.peers:
            peer.close()
        if not self.names:
            return
        janitor = Peer(self).open()
        for name in self.names:
            for kind in ("queue", "exchange"):
                janitor.send(1, f"{kind}.delete", **{kind: name})
                if janitor.next(1).name == "channel.close":
                    janitor.do(1, "channel.open")
        janitor.close()


def run(chosen, port, number):
    """The outcome of one scenario: what it logged, and why it could not go on."""
    world = World(port, number)
    try:
        chosen.run(world)
    except Exception as error:  # whatever it is: the others go on
        where = inspect.trace()[-1].lineno
        world.log.append(f"broken off: {type(error).__name__} {error} (line {where})")
    finally:
        world.clean()
    return [world.plain(line) for line in world.log]
