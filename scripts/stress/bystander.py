"""A client that takes no part in an attack on the server, and must be answered all the same."""

import os
import subprocess
import sys
import threading

from options import SHORT
from waiting import PATIENCE_SECONDS, wait_until

# After this an answer counts as missing.
ANSWER_SECONDS = PATIENCE_SECONDS if SHORT else 10


class Bystander:
    """Asks for the first byte of the file again and again, and adds to the row what became of it.

    It is a process of its own (ask.py): in this one it would have to wait for the threads of the attack.

    `slowest_most_seconds` bounds the slowest answer in the full run. A new connection that ends without an answer
    fails the row, and the bystander tries again on another. `hung_up_most` of a thousand asks may end so where the
    server is in an emergency, or its timeout is short; with --short any number may.
    """

    def __init__(self, row, server, file, slowest_most_seconds=1.0, hung_up_most=0):
        self.row = row
        self.slowest_most_seconds = slowest_most_seconds
        self.hung_up_most = hung_up_most
        with open(file, "rb") as whole:
            byte = whole.read(1)[0]
        asking = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ask.py")
        command = [sys.executable, "-B", asking, str(server.port), str(byte), str(ANSWER_SECONDS)]
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

    def __exit__(self, kind, *_):
        try:
            # It looks at its stdin between two asks.
            self.process.stdin.close()
            self.process.wait(2 * PATIENCE_SECONDS)
        finally:
            self.process.kill()
            self.process.wait()
            self.reader.join()
            self.process.stdout.close()
        if not kind:
            self._judge()

    def sees(self, count):
        """Waits for so many more answers. Returns whether they came; fails the row where they did not."""
        end, wrong = len(self.answers) + count, len(self.wrong)
        wait_until(lambda: len(self.answers) >= end or len(self.wrong) > wrong, 2 * PATIENCE_SECONDS)
        missing = end - len(self.answers)
        self.row.demand(missing <= 0, f"the bystander still waits for {missing} of {count} answers")
        return missing <= 0

    def _judge(self):
        """Adds its figures to the row, and what was wrong with its answers."""
        slowest = max(self.answers, default=float("inf"))
        hung_up = f", {self.hung_up} connections ended without one" if self.hung_up else ""
        self.row.show(f"bystander: {len(self.answers)} answers, the slowest after {1000 * slowest:.0f} ms{hung_up}")
        self.row.demand(not self.wrong, f"{len(self.wrong)} asks of the bystander went wrong: {self.wrong[:2]}")
        if not (SHORT and self.hung_up_most):
            few = 1000 * self.hung_up <= self.hung_up_most * len(self.answers)
            self.row.demand(few, f"the bystander was hung up on {self.hung_up} times")
        most = self.slowest_most_seconds
        self.row.demand_in_full(slowest <= most, f"the bystander waited for {slowest:.2f} s, more than {most}")
