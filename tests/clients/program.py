"""A client as a process of its own, whose lines are waited for instead of time."""

import os
import signal
import subprocess
import threading

LIMIT_S = 60


class Program:
    """A session of its own: what it starts ends with it."""

    def __init__(self, command, env, cwd=None):
        self.lines = []
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            list(map(str, command)),
            env=env,
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        self.process.wait()
        with self._changed:
            self._changed.notify_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def line(self, wanted, since=0):
        """Position and text of the first line that is `wanted`, now or within the limit."""

        def found():
            return next(
                ((at, line) for at, line in enumerate(self.lines) if at >= since and wanted(line)),
                None,
            )

        with self._changed:
            self._changed.wait_for(
                lambda: found() or self.process.returncode is not None, LIMIT_S
            )
            assert found(), "it never said so:\n" + "\n".join(self.lines)
            return found()

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def signal(self, number):
        """To the program itself, not to its children."""
        self.process.send_signal(number)

    def wait(self):
        """Its exit code."""
        try:
            return self.process.wait(2 * LIMIT_S)  # Celery takes half a minute, at times
        except subprocess.TimeoutExpired:
            raise AssertionError("it goes on:\n" + "\n".join(self.lines)) from None

    def kill(self):
        """With everything that it has started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Scenarios:
    """A program that plays a scenario at a time, and asks for what only the test can do.

    It says `scenarios NAME...` once. Told `play NAME`, it ends with `passed NAME` or `failed NAME`,
    the reasons before it. In between it may say `wanted: restart`, and is told `done`.
    """

    def __init__(self, command, broker, env=None):
        self.broker = broker
        self.program = Program(command, {**broker.environment(), **(env or {})})
        self.at = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.kill()

    def names(self):
        return self.program.line(lambda line: line.startswith("scenarios "))[1].split()[1:]

    def play(self, name):
        begun = self.at
        self.program.tell(f"play {name}")
        while True:
            self.at, line = self.program.line(
                lambda line: line in (f"passed {name}", f"failed {name}", "wanted: restart"),
                self.at,
            )
            self.at += 1
            if line != "wanted: restart":
                break
            self.broker.restart_after_kill()
            assert self.program.process.poll() is None, "\n".join(self.program.lines[begun:])
            self.program.tell("done")
        assert line == f"passed {name}", "\n".join(self.program.lines[begun : self.at])
