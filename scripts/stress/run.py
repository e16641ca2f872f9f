"""Runs the rows of scripts/stress.sh, one after the other: `ok` or `FAIL`, what the row is about, and its figures."""

import fnmatch
import os
import sys
import tempfile

import attacks
import connections
import load
import shortages
from options import PATTERNS

MIB = 1 << 20
FILE_SIZES = {"big": 40 * MIB, "held": 5 * MIB, "small": 1 * MIB}
ROWS = load.ROWS + attacks.ROWS + shortages.ROWS + connections.ROWS


def chosen(row):
    """Whether the command line names this row: as `resets`, as `*descriptors*`, or as `W1` for `w1_...`."""
    name = row.__name__
    return not PATTERNS or any(fnmatch.fnmatch(name, p) or fnmatch.fnmatch(name, p + "_*") for p in PATTERNS)


def run(row, path):
    """Whether the row passed, and what it says."""
    try:
        result = row(path)
    except Exception as error:  # A row that breaks has failed; the others still run.
        result = f"{type(error).__name__}: {error}"
    passed = isinstance(result, tuple)
    return passed, result[1] if passed else result


def main():
    rows = [(row, file) for row, file in ROWS if chosen(row)]
    if not rows:
        sys.exit("stress.sh: no such row; there are " + ", ".join(row.__name__ for row, _ in ROWS))
    results = []
    with tempfile.TemporaryDirectory() as folder:
        # One row's server runs as another user.
        os.chmod(folder, 0o755)
        for name, size in FILE_SIZES.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(os.urandom(size))
        for row, file in rows:
            passed, says = run(row, os.path.join(folder, file))
            results.append(passed)
            print(f"{'ok  ' if passed else 'FAIL'} {row.__name__}, {row.__doc__}: {says}", flush=True)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(0 if all(results) else 1)


main()
