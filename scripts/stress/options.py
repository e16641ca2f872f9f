"""The command line of scripts/stress/run.py, which stress.sh explains, and sizes that depend on it."""

import argparse

_parser = argparse.ArgumentParser(prog="stress.sh")
_parser.add_argument("--program", required=True)
_parser.add_argument("--short", action="store_true")
_parser.add_argument("--mode", choices=("buffer", "stream"))
_parser.add_argument("--list", action="store_true")
# Its rows are a part of another run: it does not count them.
_parser.add_argument("--part", action="store_true")
_parser.add_argument("patterns", nargs="*", type=str.lower)

CHOSEN = _parser.parse_args()
SHORT = CHOSEN.short


def full(count, short):
    """How many of something: `count`, or `short` with --short."""
    return short if SHORT else count
