"""Asking the daemon while a dialog is open: in a thread of its own, one thing after the other, so that windows stay alive."""

import queue
import threading

from gi.repository import GLib

from daemon import connect
from underpaint_client import Disconnected


class Aside:
    """Connects when there is something to ask, and again if the daemon was lost meanwhile."""

    def __init__(self):
        self._wishes = queue.Queue()
        self._over = False
        threading.Thread(target=self._work, daemon=True).start()

    def ask(self, work, came):
        """`work(client)` in the thread, then `came(result, error)` in the main one: what it returned, or what it raised."""
        self._wishes.put((work, came))

    def call(self, method, params, came):
        """The same for a single question."""
        self.ask(lambda client: client.call(method, params), came)

    def close(self):
        """What was asked before is still done, but nobody hears of it."""
        self._over = True
        self._wishes.put(None)

    def _work(self):
        client = None
        for work, came in iter(self._wishes.get, None):
            outcome = None, None
            for attempt in range(2):
                try:
                    client = client or connect(False, lambda: None)
                    outcome = work(client), None
                    break
                except Disconnected as error:
                    client, outcome = None, (None, error)
                except Exception as error:  # told to whoever asked
                    outcome = None, error
                    break
            GLib.idle_add(self._told, came, *outcome)
        if client is not None:
            client.close()

    def _told(self, came, result, error):
        if not self._over:
            came(result, error)
        return GLib.SOURCE_REMOVE
