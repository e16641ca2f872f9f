"""Runs the rows of scripts/stress.sh. See its --help."""

import fnmatch
import multiprocessing
import resource
import signal
import sys

from program import cargo_build, fail, need_tools
from report import Report
from rows import ROWS
from row import CHOSEN, SHORT
from server import stop_servers_on_signals


def is_chosen(row):
    """Whether the command line names this row: as `resets`, as `*descriptors*`, or as `W1` for `w1_...`."""
    if not CHOSEN.patterns:
        return not (SHORT and row.is_long)
    return any(fnmatch.fnmatch(row.name, shape) for name in CHOSEN.patterns for shape in (name, name + "_*"))


def run_row(number):
    stop_servers_on_signals()
    # Ctrl-C reaches all processes. This one ends when the first one ends it.
    signal.signal(signal.SIGINT, lambda *_: None)
    return ROWS[number].run()


def main():
    rows = [number for number, row in enumerate(ROWS) if is_chosen(row)]
    if not rows:
        fail("stress.sh: there is no such row; scripts/stress/rows.py has all", 2)
    need_tools("curl", "cargo")
    cargo_build()
    # One process opens thousands of connections.
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    report = Report()
    # Each row has a process of its own, and waits more than it works. Those that still run on the way out get SIGTERM,
    # which must not come while Python forks, so none is a fork.
    stop_servers_on_signals()
    with multiprocessing.get_context("spawn").Pool(4 if SHORT else 1, maxtasksperchild=1) as pool:
        for said in pool.imap(run_row, rows):
            report.check(*said)
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
