"""What the rows have in common: their result, what an idle server holds, and clients that act at the same time."""

import threading

from client import is_answered
from options import SHORT
from waiting import wait_until, wait_until_steady

MIB = 1 << 20
# The queues of waiting requests never give their capacity back: tiny_http's and ours keep some 90 bytes for each
# request that ever waited at the same time, rounded up to a power of two. The first figure has room for 1,000
# connections that all waited, the second for a pipeline of 6,000 requests.
QUEUE_KIB = 256
PIPELINE_KIB = 2048
# A body that is too large to be read and never comes keeps one of tiny_http's threads for good, with this much heap.
PARKED_KIB = 6


class Row:
    """The result of one row: what it found wrong, and the figures that it shows.

    With --short the row must pass on a shared machine that stands still for a second. It then demands that everybody
    was answered, that the bytes are right, and that nothing is left behind. Close bounds on time, CPU and resident
    memory are demands of the full run; with --short there are only some that no load on the machine can exceed.
    """

    def __init__(self):
        self.wrong, self.figures = [], []
        self._prefix = ""

    def part(self, name):
        """Names the part of the row that what follows belongs to."""
        self._prefix = f"{name}: "

    def demand(self, met, wrong):
        """Fails the row with the text `wrong` unless `met`."""
        if not met:
            self.wrong.append(self._prefix + wrong)

    def demand_in_full(self, met, wrong):
        """As demand(), but not with --short."""
        if not SHORT:
            self.demand(met, wrong)

    def show(self, figure):
        self.figures.append(self._prefix + figure)

    def demand_at_most(self, value, most, unit, what):
        """Shows a figure that has a bound in the full run."""
        self.show(f"{what} {value:.3g} {unit}")
        self.demand_in_full(value <= most, f"{what} {value:.3g} {unit}, more than {most:g}")

    def demand_nothing_left(self, server, idle, threads=0, heap_kib=QUEUE_KIB):
        """Waits until the server holds no more than when it was idle; fails the row where it still does.

        `threads` and `heap_kib` are how much more it may keep.
        """
        holds = lambda: f"{server.descriptors()} descriptors and {server.threads()} threads"
        few = lambda: server.descriptors() <= idle.descriptors and server.threads() <= idle.threads + threads
        back = wait_until(few)
        held = f"{idle.descriptors} descriptors and {idle.threads} threads"
        self.demand(back is not None, f"{holds()} are left, there were {held}")
        live = [idle.live]
        freed = wait_until(lambda: live.append(server.figures()["live"]) or live[-1] <= idle.live + heap_kib * 1024)
        self.demand(freed is not None, f"{live[-1]} bytes of heap are left, there were {idle.live}")


class Idle:
    """What a server holds when it has answered its first request and nobody is connected."""

    def __init__(self, server):
        # The first request starts threads and opens files that stay.
        wait_until(lambda: is_answered(server.port))
        # A thread that has nothing to do ends within five seconds. It may still be there.
        self.descriptors, self.threads = wait_until_steady(lambda: (server.descriptors(), server.threads()), 0.3)
        self.live = server.figures()["live"]


def in_threads(work, arguments):
    """Calls `work` with each tuple of arguments, all at the same time, and waits for all."""
    threads = [threading.Thread(target=work, args=one) for one in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
