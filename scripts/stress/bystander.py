"""A client that has no part in an attack on the server, and must not notice it."""

import os
import subprocess
import sys
import threading
import time

from ask import PATIENCE_SECONDS
from options import SHORT


class Bystander:
    """Asks for the file's first byte again and again, by turns on a new connection and on one that is kept.

    It is a process of its own (ask.py), since the threads of an attack would take its turns away.
    `slowest_most_seconds` bounds the slowest answer of the full run. `hung_up_most` is how many of a thousand new
    connections may end without an answer.
    """

    def __init__(self, server, file, slowest_most_seconds=1.0, hung_up_most=0):
        self.slowest_most_seconds = slowest_most_seconds
        self.hung_up_most = hung_up_most
        with open(file, "rb") as whole:
            byte = whole.read(1)[0]
        asking = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ask.py")
        command = [sys.executable, "-B", asking, str(server.port), str(byte)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answers, self.wrong, self.hung_up = [], [], 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            kind, _, rest = line.strip().partition(" ")
            if kind == "answered":
                self.answers.append(float(rest))
            elif kind == "hung-up":
                self.hung_up += 1
            else:
                self.wrong.append(rest)

    def __enter__(self):
        self.sees(2)
        return self

    def __exit__(self, *_):
        # Its end: it reads its stdin between two asks.
        self.process.stdin.close()
        self.process.wait(3 * PATIENCE_SECONDS)
        self.reader.join()
        self.process.stdout.close()

    def sees(self, count):
        """Waits until so many more of its asks are over. Whether all of them were answered rightly."""
        asked = lambda: len(self.answers) + len(self.wrong)
        end, wrong, start = asked() + count, len(self.wrong), time.monotonic()
        while asked() < end and len(self.wrong) == wrong and time.monotonic() - start < 2 * PATIENCE_SECONDS:
            time.sleep(0.01)
        return len(self.wrong) == wrong and asked() >= end

    def verdict(self, right, shown):
        """A row's result: `right` is what else the row demands, `shown` its figures."""
        slowest = f", the slowest after {1000 * max(self.answers):.0f} ms" if self.answers else ""
        ends = f", {self.hung_up} hung up on" if self.hung_up else ""
        shown = f"{shown}; bystander: {len(self.answers)} answers{slowest}{ends}"
        complaint = self._complaint()
        if complaint:
            return f"{complaint}; {shown}"
        return (None, shown) if right else shown

    def _complaint(self):
        """What was wrong with its answers, or None. Times are looked at in the full run only."""
        if self.wrong or not self.answers:
            return f"{len(self.wrong)} asks of the bystander went wrong: {self.wrong[:2]}"
        if 1000 * self.hung_up > self.hung_up_most * len(self.answers):
            return f"the bystander was hung up on {self.hung_up} times"
        if not SHORT and max(self.answers) > self.slowest_most_seconds:
            return f"the bystander waited for more than {self.slowest_most_seconds} s"
        return None


def together(verdicts):
    """The result of a row that has several."""
    shown = " | ".join(verdict[1] if isinstance(verdict, tuple) else verdict for verdict in verdicts)
    return (None, shown) if all(isinstance(verdict, tuple) for verdict in verdicts) else shown
