"""The command line, what a row of the table says, and the run of one: its server, its bystander, and its verdict."""

import argparse
import os
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bystander import Bystander
from client import is_answered
from server import Server
from waiting import wait_until, wait_until_steady

_parser = argparse.ArgumentParser(prog="stress.sh", description="""Runs load, faults and attacks against heapserve, on
loopback (Linux). Prints one line for each row: `ok` or `FAIL`, what the row does, what was wrong, and its figures. Exit
code: 0 if all rows passed, 1 if one failed, 2 if the command line is wrong or a tool is missing.""")
_parser.add_argument("--short", action="store_true", help="""fewer rows and clients, several rows at once, in under
three minutes. Times and shares of the CPU are shown, but decide nothing: a busy machine can pass. The full run needs an
idle one""")
_parser.add_argument("--program", type=Path, help="another heapserve (default: builds this one)")
_parser.add_argument("patterns", nargs="*", type=str.lower, metavar="ROW", help="""run these rows only: a name (resets),
a pattern ('*descriptors*'), or the number of a wall (W1). Also those that --short leaves out""")
CHOSEN = _parser.parse_args()
SHORT = CHOSEN.short
if CHOSEN.program and not CHOSEN.program.is_file():
    _parser.error(f"--program: {CHOSEN.program} is not a file")


def full(count, short):
    """How many of something: `count`, or `short` with --short."""
    return short if SHORT else count


NEVER = float("inf")
# A server that takes more than this has no bound. Attacks then stop, for the sake of the machine.
STOP_KIB = 768 * 1024
# A row that takes longer has failed, whatever it waits for.
ROW_SECONDS = full(1800, 600)


@dataclass
class Row:
    """One load, fault or attack.

    `act` has the function that does what `what` says, and what it gets beside the Scene. The server has a file of
    `file_mib`, these `options`, and at most so many `descriptors` and `threads`.

    Demanded are: a bystander ("none", or see bystander.py) whose slowest answer takes `slowest_ms`, and of whose asks
    `closed` in a thousand end without an answer; a resident set of `rss_mib` at most at any time; if it `is_silent`, a
    trace without warnings; and that afterwards the server has no more than before, but for `left_threads`,
    `left_descriptors`, `left_heap_kib` and `left_rss_mib`.

    --short must pass on a shared machine that stands still for a second. It leaves out rows that are `is_long`, shows
    times and shares of the CPU only, allows twice the resident set, and does not count `closed` where that is not 0.
    """

    name: str
    what: str
    act: tuple
    options: tuple = ()
    is_long: bool = False
    file_mib: int = 1
    descriptors: int = None
    threads: int = None
    bystander: str = "usual"
    slowest_ms: float = 200
    closed: float = 0
    rss_mib: float = NEVER
    is_silent: bool = False
    left_threads: int = 0
    left_descriptors: int = 0
    # Room for the queues of waiting requests, which keep their capacity: some 90 bytes for each request that ever
    # waited at the same time, rounded up to a power of two. None: not known, because nobody new is answered.
    left_heap_kib: float | None = 256
    left_rss_mib: float = NEVER

    def run(self):
        """Runs it. Returns whether it passed, and its line."""
        scene, start = Scene(self), time.monotonic()
        signal.signal(signal.SIGALRM, scene.takes_too_long)
        signal.alarm(ROW_SECONDS)
        with tempfile.TemporaryDirectory() as folder:
            try:
                scene.play(folder)
            except Exception as error:  # The other rows still run.
                scene.wrong.append(f"{type(error).__name__}: {error}")
        said = "; ".join(scene.wrong + scene.figures + [f"{time.monotonic() - start:.0f} s in all"])
        return not scene.wrong, f"{'FAIL' if scene.wrong else 'ok  '} {self.name}, {self.what}: {said}"


class Scene:
    """A row while it runs. Acts use `server`, `file`, `whole` (its bytes), `others` (the bystander) and what the server
    held before: `idle_threads`, `idle_descriptors`, `idle_live_bytes`, `idle_kib`."""

    def __init__(self, row):
        self.row, self.wrong, self.figures = row, [], []

    def takes_too_long(self, *_):
        raise TimeoutError(f"it takes more than {ROW_SECONDS} s")

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

    def show(self, figure):
        self.figures.append(figure)

    def at_most(self, value, most, unit, what):
        """Shows a figure with a bound. Times and shares of the CPU (s, ms, %) have it in the full run only."""
        figure = f"{what} {value:.4g} {unit}"
        self.show(figure)
        self.demand(value <= most or (SHORT and unit in ("s", "ms", "%")), f"{figure}, more than {most:g}")

    def play(self, folder):
        """Starts the server and the bystander, lets the row act, and judges what is left."""
        row, program = self.row, CHOSEN.program
        self.file, self.whole = f"{folder}/file", os.urandom(row.file_mib << 20)
        Path(self.file).write_bytes(self.whole)
        if row.threads:
            # Where root runs this, the server is another user's, who must be able to read both.
            os.chmod(folder, 0o755)
            program = shutil.copy(program, folder)
        with Server(program, self.file, *row.options, descriptors=row.descriptors, threads=row.threads) as self.server:
            # The first request starts threads and opens files that stay. A thread that has nothing to do ends within
            # five seconds, and may still be there.
            self.serves("at first")
            counts = lambda: (self.server.threads(), self.server.descriptors())
            self.idle_threads, self.idle_descriptors = wait_until_steady(counts, 0.3)
            self.idle_live_bytes, self.idle_kib = self.server.figures()["live"], self.server.resident_kib()
            act, *how = row.act
            if row.bystander == "none":
                act(self, *how)
            else:
                with Bystander(self, kind=row.bystander) as self.others:
                    self.others.sees(2)
                    act(self, *how)
                    self.demand(self.others.sees(20), "the bystander still waits for an answer")
                self.judge_bystander()
            self.judge_server()

    def judge_bystander(self):
        others, row = self.others, self.row
        self.show(f"bystander: {len(others.answers)} answers, {len(others.closed)} closed")
        self.at_most(1000 * others.slowest_seconds(), row.slowest_ms, "ms", "the slowest")
        self.demand(not others.wrong, f"{len(others.wrong)} asks of the bystander went wrong: {others.wrong[:2]}")
        few = 1000 * len(others.closed) <= row.closed * len(others.answers)
        self.demand(few or (SHORT and row.closed), f"the bystander was hung up {len(others.closed)} times")

    def judge_server(self):
        """Waits until the server holds no more than it may. Fails the row where it still does."""
        row, server = self.row, self.server
        self.at_most(server.resident_kib("VmHWM") / 1024, row.rss_mib * full(1, 2), "MiB", "resident at most")
        more = lambda: (server.threads() - self.idle_threads, server.descriptors() - self.idle_descriptors)
        self.comes(lambda: more()[0] <= row.left_threads and more()[1] <= row.left_descriptors, "too much is left")
        self.show("left: {} threads, {} descriptors".format(*more()))
        if row.left_heap_kib is not None:
            heap_kib = lambda: (server.figures()["live"] - self.idle_live_bytes) / 1024
            self.comes(lambda: heap_kib() <= row.left_heap_kib, f"more heap is left than {row.left_heap_kib:g} KiB")
            self.show(f"{heap_kib():.0f} KiB of heap")
            above_kib = server.resident_kib() - self.idle_kib
            self.at_most(above_kib / 1024, row.left_rss_mib, "MiB", "RSS above that of before")
        strange = [event for event in server.events() if event["event"] not in ("listening", "request", "run")]
        self.demand(not strange or not row.is_silent, f"{len(strange)} lines of the trace are strange: {strange[:2]}")
