"""The command line, and a row of the table: what it says, and its run with a server, bystanders and a verdict."""

import argparse
import os
import shutil
import signal
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bystander import Bystander
from client import is_answered
from program import HEAPSERVE
from server import Server
from waiting import wait_until

_parser = argparse.ArgumentParser(prog="stress.sh", description="""Runs load, faults and attacks against heapserve, on
loopback (Linux). Prints one line for each row: `ok` or `FAIL`, what the row does, its figures, and what was wrong. Exit
code: 0 if all rows passed, 1 if one failed, 2 if the command line is wrong or a tool is missing.""")
_parser.add_argument("--short", action="store_true", help="""fewer rows and clients, several rows at once, in under
three minutes. Times and shares of the CPU are shown, but decide nothing: a busy machine can pass. The full run needs an
idle one""")
_parser.add_argument("patterns", nargs="*", type=str.lower, metavar="ROW", help="""run these rows only: a name (resets),
a pattern ('*descriptors*'), or the number of a wall (W1). Also those that --short leaves out""")
CHOSEN = _parser.parse_args()
SHORT = CHOSEN.short


def full(count, short):
    """How many of something: `count`, or `short` with --short."""
    return short if SHORT else count


def takes_too_long(*_):
    raise RuntimeError(f"it takes more than {ROW_SECONDS} s")


NEVER = float("inf")
# A row that takes longer has failed, whatever it waits for.
ROW_SECONDS = full(1800, 600)
# What a server holds, and how that is read.
HELD = {
    "threads": Server.threads,
    "descriptors": Server.descriptors,
    "heap_kib": lambda server: server.figures()["live"] / 1024,
}


@dataclass
class Row:
    """One load, fault or attack.

    `act` has the function that does what `what` says, and what it gets beside the row. The server has a file of
    `file_mib`, these `options`, and at most so many `descriptors` and `threads`.

    Demanded are: so many `bystanders`, with their pause, or on kept connections only, whose slowest answer takes
    `slowest_ms`, and of whose asks `closed` in a thousand end without an answer; a resident set of `rss_mib` at most at
    any time; if it `is_silent`, a trace without warnings; and that afterwards the server has no more than before, but
    for `left_threads`, `left_descriptors` and `left_heap_kib`. None is not looked at.

    --short must pass on a shared machine that stands still for a second. It leaves out rows that are `is_long`, shows
    times and shares of the CPU only, allows twice the resident set, and does not count `closed` where that is not 0.

    While it runs, acts use `server`, `file`, `whole` (its bytes), and `others` (the bystanders).
    """

    name: str
    what: str
    act: tuple
    options: tuple = ()
    is_long: bool = False
    file_mib: int = 1
    descriptors: int = None
    threads: int = None
    bystanders: int = 1
    pause_seconds: float = 0.005
    is_kept: bool = False
    slowest_ms: float = 200
    closed: float = 0
    rss_mib: float = NEVER
    is_silent: bool = False
    left_threads: int = 0
    left_descriptors: int = 0
    # Room for the queues of waiting requests, which keep their capacity: some 90 bytes for each request that ever
    # waited at the same time, rounded up to a power of two. None where nobody new is answered.
    left_heap_kib: float | None = 256

    def run(self):
        """Runs it. Returns what it was with its figures, whether it passed, and what was wrong."""
        start, self.wrong, self.figures = time.monotonic(), [], []
        signal.signal(signal.SIGALRM, takes_too_long)
        signal.alarm(ROW_SECONDS)
        with tempfile.TemporaryDirectory() as folder:
            try:
                self.play(folder)
            except Exception as error:  # The other rows still run.
                self.wrong.append(f"{type(error).__name__}: {error}")
        self.show(f"{time.monotonic() - start:.0f} s in all")
        return f"{self.name}, {self.what}: {'; '.join(self.figures)}", not self.wrong, "; ".join(self.wrong)

    def demand(self, met, wrong):
        """Fails the row with the text `wrong` unless `met`."""
        if not met and wrong not in self.wrong:
            self.wrong.append(wrong)

    def comes(self, condition, wrong):
        """Waits for the condition. Fails the row with the text `wrong` unless it is met. Returns the seconds."""
        took_seconds = wait_until(condition)
        self.demand(took_seconds is not None, wrong)
        return took_seconds or 0

    def serves(self, when):
        """Waits until somebody new is answered. Returns the seconds that it took."""
        return self.comes(lambda: is_answered(self.server.port), f"nobody new is answered {when}")

    def others_see(self, count):
        """Waits until each bystander has so many more answers. Raises where they do not come."""
        for other in self.others:
            other.sees(count)

    def more(self, what):
        """How much more of this (see HELD) the server has than before the act."""
        return HELD[what](self.server) - self.before[what]

    def show(self, figure):
        self.figures.append(figure)

    def at_most(self, value, most, unit, what):
        """Shows a figure with a bound. Times and shares of the CPU (s, ms, %) have it in the full run only."""
        figure = f"{what} {value:.4g} {unit}"
        self.show(figure)
        self.demand(value <= most or (SHORT and unit in ("s", "ms", "%")), f"{figure}, more than {most:g}")

    def play(self, folder):
        """Starts the server and the bystanders, lets the row act, and judges what is left."""
        program = HEAPSERVE
        self.file, self.whole = f"{folder}/file", os.urandom(self.file_mib << 20)
        Path(self.file).write_bytes(self.whole)
        if self.threads:
            # Where root runs this, the server is another user's, who must be able to read both.
            os.chmod(folder, 0o755)
            program = shutil.copy(program, folder)
        limits = {"descriptors": self.descriptors, "threads": self.threads}
        with Server(program, self.file, *self.options, **limits) as self.server:
            # The first request starts threads and opens files that stay. A thread that has nothing to do ends within
            # five seconds, and may still be there.
            self.serves("at first")
            time.sleep(1)
            self.before = {what: read(self.server) for what, read in HELD.items()}
            act, *how = self.act
            with ExitStack() as stack:
                others = (Bystander(self.server.port, self.file, number, self.pause_seconds, self.is_kept)
                          for number in range(self.bystanders))
                self.others = [stack.enter_context(other) for other in others]
                self.others_see(2)
                act(self, *how)
                self.others_see(20)
            self.judge()

    def judge(self):
        """Waits until the server holds no more than it may. Fails the row where it still does, or where it was not
        right before."""
        answered, closed, wrong = ([each for one in self.others for each in getattr(one, kind)]
                                   for kind in ("answered", "closed", "wrong"))
        if self.others:
            self.show(f"bystanders: {len(answered)} answers, {len(closed)} closed")
            self.at_most(1000 * max(answered), self.slowest_ms, "ms", "the slowest")
        self.demand(not wrong, f"{len(wrong)} asks of the bystanders went wrong: {wrong[:2]}")
        few = 1000 * len(closed) <= self.closed * len(answered)
        self.demand(few or (SHORT and self.closed), f"the bystanders were hung up {len(closed)} times")
        self.at_most(self.server.resident_kib("VmHWM") / 1024, self.rss_mib * full(1, 2), "MiB", "resident at most")
        for what in HELD:
            most = getattr(self, f"left_{what}")
            if most is not None:
                self.comes(lambda what=what, most=most: self.more(what) <= most, f"more {what} are left than {most:g}")
                self.show(f"{self.more(what):.0f} {what} left")
        strange = [event for event in self.server.events() if event["event"] not in ("listening", "request", "run")]
        self.demand(not strange or not self.is_silent, f"{len(strange)} lines of the trace are strange: {strange[:2]}")
