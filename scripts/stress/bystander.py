"""A client that takes no part in an attack on the server, and must be answered all the same."""

import os
import subprocess
import sys
import threading

from client import HOST
from options import SHORT
from waiting import PATIENCE_SECONDS, wait_until

# After this an answer counts as missing.
ANSWER_SECONDS = PATIENCE_SECONDS if SHORT else 10
# The bystander watches the server, and must not be load itself.
PAUSE_SECONDS = 0.005


class Bystander:
    """Asks again and again, and knows what became of it.

    It is a process of its own (ask.py): in this one it would have to wait for the threads of the attack.
    """

    def __init__(self, scene, pause_seconds=PAUSE_SECONDS, source=HOST, kind="usual"):
        self.answers, self.wrong, self.closed = [], [], 0
        asking = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ask.py")
        command = [sys.executable, "-B", asking, str(scene.server.port), scene.file, str(ANSWER_SECONDS)]
        command += [str(pause_seconds), source, kind]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            kind, _, rest = line.strip().partition(" ")
            if kind == "answered":
                self.answers.append(float(rest))
            elif kind == "closed":
                self.closed += 1
            else:
                self.wrong.append(rest)

    def __enter__(self):
        self.sees(2)
        return self

    def __exit__(self, *_):
        try:
            # It looks at its stdin between two asks.
            self.process.stdin.close()
            self.process.wait(2 * PATIENCE_SECONDS)
        finally:
            self.process.kill()
            self.process.wait()
            self.reader.join()
            self.process.stdout.close()

    def sees(self, count):
        """Waits for so many more answers. Returns whether they came, with nothing wrong between them."""
        end, wrong = len(self.answers) + count, len(self.wrong)
        wait_until(lambda: len(self.answers) >= end or len(self.wrong) > wrong, 2 * PATIENCE_SECONDS)
        return len(self.answers) >= end
