"""The command line of scripts/stress.sh, and sizes that depend on it."""

import argparse
from pathlib import Path

_parser = argparse.ArgumentParser(
    prog="stress.sh",
    description="Runs load, faults and attacks against heapserve, on loopback (Linux). Prints one line for each row: `ok` or "
    "`FAIL`, what the row does, what was wrong, and its figures. The last line counts the rows that passed and failed.",
    epilog="Exit code: 0 if all rows passed, 1 if one failed, 2 if the command line is wrong or a tool is missing.",
)
_parser.add_argument(
    "--short", action="store_true", help="fewer rows, rounds and clients, several rows at once, in under three minutes. Times "
    "and shares of the CPU are shown, but decide nothing: a busy machine can pass. The full run needs an idle machine")
_parser.add_argument("--program", type=Path, help="another heapserve (default: builds this one)")
_parser.add_argument("--mode", choices=("buffer", "stream"),
                     help="the mode of the rows that do not need a certain one (default: stream)")
_parser.add_argument("patterns", nargs="*", type=str.lower, metavar="ROW", help="run these rows only: a name (resets), a "
                     "pattern ('*descriptors*'), or the number of a wall (W1). Also those that --short leaves out")

CHOSEN = _parser.parse_args()
SHORT = CHOSEN.short
if CHOSEN.program and not CHOSEN.program.is_file():
    _parser.error(f"--program: {CHOSEN.program} is not a file")


def full(count, short):
    """How many of something: `count`, or `short` with --short."""
    return short if SHORT else count
