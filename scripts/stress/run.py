"""Runs the rows of scripts/stress.sh, and prints for each what it does, what was wrong, and its figures."""

import fnmatch
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import attacks
import connections
import load
import shortages
import unread_trace
from options import ALONE, PATTERNS, PROGRAM, SHORT
from row import MIB, Row
from server import stop_servers_on_signals

FILE_SIZES = {"big": 40 * MIB, "held": 5 * MIB, "small": 1 * MIB}
ROWS = load.ROWS + attacks.ROWS + shortages.ROWS + unread_trace.ROWS + connections.ROWS
# Rows wait more than they work, and with --short no figure decides.
ROWS_AT_ONCE = 3


def is_chosen(function):
    """Whether the command line names this row: as `resets`, as `*descriptors*`, or as `W1` for `w1_...`."""
    name = function.__name__
    return not PATTERNS or any(fnmatch.fnmatch(name, p) or fnmatch.fnmatch(name, p + "_*") for p in PATTERNS)


def run_here(function, file):
    """Runs one row. Returns whether it passed, and its line."""
    row = Row()
    with tempfile.TemporaryDirectory() as folder:
        # The server of one row runs as another user, who must be able to read the file.
        os.chmod(folder, 0o755)
        path = os.path.join(folder, file)
        with open(path, "wb") as written:
            written.write(os.urandom(FILE_SIZES[file]))
        os.chmod(path, 0o644)
        try:
            function(row, path)
        except Exception as error:  # The other rows still run.
            row.wrong.append(f"{type(error).__name__}: {error}")
    said = "; ".join(row.wrong + row.figures) or "nothing was wrong"
    return not row.wrong, f"{'FAIL' if row.wrong else 'ok  '} {function.__name__}, {function.__doc__}: {said}"


def run_side_by_side(rows):
    """Runs each row in a process of its own, some at the same time. Yields whether it passed, and its line."""
    running = set()

    def run_apart(row):
        name = row[0].__name__
        child = subprocess.Popen(
            [sys.executable, "-B", __file__, PROGRAM, "--short", "--alone", name], stdout=subprocess.PIPE, text=True
        )
        running.add(child)
        said = child.communicate()[0].strip()
        running.discard(child)
        return child.returncode == 0, said or f"FAIL {name}: it ended with {child.returncode} and said nothing"

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
    rows = [(function, file) for function, file in ROWS if is_chosen(function)]
    if not rows:
        print("stress.sh: no such row; there are " + ", ".join(row.__name__ for row, _ in ROWS), file=sys.stderr)
        sys.exit(2)
    results = []
    side_by_side = SHORT and not ALONE and len(rows) > 1
    for passed, line in run_side_by_side(rows) if side_by_side else (run_here(*row) for row in rows):
        results.append(passed)
        print(line, flush=True)
    if not ALONE:
        print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(not all(results))


try:
    main()
except KeyboardInterrupt:
    sys.exit(130)
