"""Runs the rows of scripts/stress.sh, and prints for each what it does, what was wrong, and its figures."""

import fnmatch
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from options import CHOSEN, SHORT
from rows import ROWS
from server import stop_servers_on_signals

# Rows wait more than they work, and with --short no time decides.
ROWS_AT_ONCE = 4


def is_chosen(row):
    """Whether the command line names this row: as `resets`, as `*descriptors*`, or as `W1` for `w1_...`."""
    matches = lambda pattern: fnmatch.fnmatch(row.name, pattern) or fnmatch.fnmatch(row.name, pattern + "_*")
    return not CHOSEN.patterns or any(map(matches, CHOSEN.patterns))


def run_side_by_side(rows):
    """Runs each row in a process of its own, some at the same time. Yields whether it passed, and its line."""
    running = set()
    command = [sys.executable, "-B", *(argument for argument in sys.argv if argument.lower() not in CHOSEN.patterns)]

    def run_apart(row):
        child = subprocess.Popen([*command, row.name, "--part"], stdout=subprocess.PIPE, text=True)
        running.add(child)
        said = child.communicate()[0].strip()
        running.discard(child)
        return child.returncode == 0, said or f"FAIL {row.name}: it ended with {child.returncode} and said nothing"

    with ThreadPoolExecutor(ROWS_AT_ONCE) as pool:
        try:
            yield from pool.map(run_apart, rows)
        finally:
            # Does nothing unless this program is interrupted.
            pool.shutdown(wait=False, cancel_futures=True)
            for child in list(running):
                child.terminate()


def main():
    stop_servers_on_signals()
    rows = [row for row in ROWS if is_chosen(row)]
    if not rows:
        print("stress.sh: there is no such row; see stress.sh --list", file=sys.stderr)
        sys.exit(2)
    if CHOSEN.list:
        print("\n".join(row.line() for row in rows))
        return
    side_by_side = SHORT and len(rows) > 1
    results = []
    for passed, line in run_side_by_side(rows) if side_by_side else (row.run() for row in rows):
        results.append(passed)
        print(line, flush=True)
    if not CHOSEN.part:
        print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(not all(results))


try:
    main()
except KeyboardInterrupt:
    sys.exit(130)
