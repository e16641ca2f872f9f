"""What a row of the table says, and the run of one: its server, its bystander, and what was found wrong."""

import os
import resource
import shutil
import tempfile
import threading
from dataclasses import dataclass
from typing import Callable

from bystander import Bystander
from client import is_answered
from options import CHOSEN, SHORT, full
from server import Server
from waiting import PATIENCE_SECONDS, wait_until, wait_until_steady

MIB = 1 << 20
# A server that takes more than this has no bound. Attacks then stop, for the sake of the machine.
STOP_KIB = 768 * 1024
# After this, what the server still holds counts as left for ever.
LEAVE_SECONDS = full(20, PATIENCE_SECONDS)


@dataclass
class Row:
    """One load, fault or attack.

    `act` gets the Scene and does what `what` says. The server has a file of `file_mib`, these `options`, and at most so
    many `descriptors`, `threads` and `address_mib`. Its stderr is JSON, or goes to no reader if `unread`.

    Demanded are: a bystander ("none", or see ask.py) whose slowest answer takes `slowest_ms`, and of whose asks
    `closed` in a thousand end without an answer; a resident set of `rss_mib` at most at any time; and that afterwards
    the server has no more than before, but for `left_threads`, `left_descriptors`, `left_heap_kib` and `left_rss_mib`.

    --short must pass on a shared machine that stands still for a second. Times and shares of the CPU are then
    shown only, a resident set may be twice as large, and `closed` does not count where it is not 0.
    """

    name: str
    what: str
    act: Callable
    options: tuple = ()
    file_mib: int = 1
    descriptors: int = None
    threads: int = None
    address_mib: int = None
    trace: str = "json"
    unread: bool = False
    bystander: str = "usual"
    slowest_ms: float = 200
    closed: float = 0
    rss_mib: float = None
    left_threads: int = 0
    left_descriptors: int = 0
    # Room for the queues of waiting requests, which keep their capacity: some 90 bytes for each request that ever
    # waited at the same time, rounded up to a power of two.
    left_heap_kib: float | None = 256
    left_rss_mib: float = None

    def line(self):
        """The row as --list prints it: the fields that are not as usual follow what it does."""
        plain = Row("", "", None)
        fields = {field: value for field, value in vars(self).items() if value != getattr(plain, field)}
        said = [f"{field} {' '.join(value) if isinstance(value, tuple) else value}" for field, value in fields.items()]
        return f"{self.name}: {self.what} [{'; '.join(said[3:])}]"

    def run(self):
        """Runs it. Returns whether it passed, and its line."""
        scene = Scene(self)
        with tempfile.TemporaryDirectory() as folder:
            try:
                scene.play(folder)
            except Exception as error:  # The other rows still run.
                scene.wrong.append(f"{type(error).__name__}: {error}")
        said = "; ".join(scene.wrong + scene.figures)
        return not scene.wrong, f"{'FAIL' if scene.wrong else 'ok  '} {self.name}, {self.what}: {said}"


class Scene:
    """A row while it runs. Acts use `server`, `file`, `whole` (its bytes), `others` (the bystander) and `idle`."""

    def __init__(self, row):
        self.row, self.wrong, self.figures = row, [], []

    def demand(self, met, wrong):
        """Fails the row with the text `wrong` unless `met`."""
        if not met:
            self.wrong.append(wrong)

    def show(self, figure):
        self.figures.append(figure)

    def at_most(self, value, most, unit, what):
        """Shows a figure with a bound. Times and shares of the CPU (s, ms, %) have it in the full run only."""
        self.show(f"{what} {value:.4g} {unit}")
        if SHORT and unit in ("s", "ms", "%"):
            return
        self.demand(value <= most, f"{what} {value:.4g} {unit}, more than {most:g}")

    def play(self, folder):
        """Starts the server and the bystander, lets the row act, and judges what is left."""
        row, program = self.row, CHOSEN.program
        self.file, self.whole = os.path.join(folder, "file"), os.urandom(row.file_mib * MIB)
        with open(self.file, "wb") as written:
            written.write(self.whole)
        if row.threads:
            # Where root runs this, the server is another user's, who must be able to read both.
            os.chmod(folder, 0o755)
            program = shutil.copy(program, folder)
        options = row.options
        if CHOSEN.mode and "--mode" not in options:
            options += ("--mode", CHOSEN.mode)
        limits = {"descriptors": row.descriptors, "threads": row.threads}
        self.stderr = os.pipe() if row.unread else (None, None)
        try:
            with Server(program, self.file, *options, trace=row.trace, stderr=self.stderr[1], **limits) as self.server:
                self.act()
        finally:
            for end in self.stderr if row.unread else ():
                os.close(end)

    def act(self):
        row, server = self.row, self.server
        self.idle = Held(server)
        if row.address_mib:
            resource.prlimit(server.pid, resource.RLIMIT_AS, (row.address_mib * MIB,) * 2)
        if row.bystander == "none":
            row.act(self)
        else:
            with Bystander(self, kind=row.bystander) as self.others:
                row.act(self)
                self.demand(self.others.sees(20), "the bystander still waits for an answer")
            self.judge_bystander()
        # The act may have ended it.
        if server.process.poll() is None:
            self.judge_server()

    def judge_bystander(self):
        others, row = self.others, self.row
        closed = f", {others.closed} connections closed" if others.closed else ""
        self.show(f"bystander: {len(others.answers)} answers{closed}")
        self.at_most(1000 * max(others.answers, default=float("inf")), row.slowest_ms, "ms", "the slowest")
        self.demand(not others.wrong, f"{len(others.wrong)} asks of the bystander went wrong: {others.wrong[:2]}")
        few = 1000 * others.closed <= row.closed * len(others.answers)
        self.demand(few or (SHORT and row.closed), f"the bystander's connections were closed {others.closed} times")

    def judge_server(self):
        """Waits until the server holds no more than it may. Fails the row where it still does."""
        row, server, idle = self.row, self.server, self.idle
        peak_mib = server.resident_kib("VmHWM") / 1024
        if row.rss_mib:
            self.at_most(peak_mib, row.rss_mib * (2 if SHORT else 1), "MiB", "resident at most")
        more = lambda: (server.threads() - idle.threads, server.descriptors() - idle.descriptors)
        few = lambda: more()[0] <= row.left_threads and more()[1] <= row.left_descriptors
        self.demand(wait_until(few, LEAVE_SECONDS) is not None, "too much is left")
        threads, descriptors = more()
        if row.left_heap_kib is None:
            # Nobody new is answered any more, and so the heap is not known.
            self.show(f"left: {threads} threads, {descriptors} descriptors")
            return
        heap_kib = lambda: (server.figures()["live"] - idle.live_bytes) / 1024
        freed = wait_until(lambda: heap_kib() <= row.left_heap_kib, LEAVE_SECONDS)
        self.demand(freed is not None, f"more heap is left than {row.left_heap_kib:g} KiB")
        rss_mib = (server.resident_kib() - idle.resident_kib) / 1024
        counts = f"{threads} threads, {descriptors} descriptors"
        self.show(f"left: {counts}, {heap_kib():.0f} KiB of heap, {rss_mib:.1f} MiB")
        if row.left_rss_mib:
            self.at_most(rss_mib, row.left_rss_mib, "MiB", "RSS above that of before")


class Held:
    """What a server holds when it has answered its first request and nobody is connected."""

    def __init__(self, server):
        # The first request starts threads and opens files that stay.
        wait_until(lambda: is_answered(server.port))
        # A thread that has nothing to do ends within five seconds. It may still be there.
        self.descriptors, self.threads = wait_until_steady(lambda: (server.descriptors(), server.threads()), 0.3)
        self.live_bytes = server.figures()["live"]
        self.resident_kib = server.resident_kib()


def in_threads(work, count):
    """Calls `work` in so many threads at the same time, and waits for all."""
    threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
