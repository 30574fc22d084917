"""A way between two agents that can be cut."""

import selectors
import socket
import threading


class Proxy:
    """Passes bytes on to `target` until it is cut; then it drops everything and everybody."""

    def __init__(self, target):
        self.target = target
        self.is_cut = False
        self.pairs = {}
        self.lock = threading.Lock()
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.selector.register(self.listener, selectors.EVENT_READ)
        threading.Thread(target=self._run, daemon=True).start()

    def cut(self):
        with self.lock:
            self.is_cut = True
            for each in list(self.pairs):
                self._drop(each)

    def mend(self):
        with self.lock:
            self.is_cut = False

    def _run(self):
        while True:
            for key, _ in self.selector.select(timeout=1):
                with self.lock:
                    if key.fileobj is self.listener:
                        self._accept()
                    elif key.fileobj in self.pairs:
                        self._carry(key.fileobj)

    def _accept(self):
        near, _ = self.listener.accept()
        if self.is_cut:
            near.close()
            return
        try:
            far = socket.create_connection(self.target, timeout=1)
        except OSError:
            near.close()
            return
        for one, other in ((near, far), (far, near)):
            one.settimeout(5)
            self.pairs[one] = other
            self.selector.register(one, selectors.EVENT_READ)

    def _carry(self, one):
        try:
            data = one.recv(65_536)
            if data:
                self.pairs[one].sendall(data)
                return
        except OSError:
            pass
        self._drop(one)

    def _drop(self, one):
        other = self.pairs.pop(one, None)
        if other is None:
            return
        self.pairs.pop(other, None)
        for each in (one, other):
            self.selector.unregister(each)
            each.close()
