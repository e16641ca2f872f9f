"""The command line of scripts/stress/run.py: PROGRAM [--short] [--alone] [PATTERN...].

With `--alone` it runs its rows one after the other and does not count them, as a part of another run.
"""

import sys

PROGRAM = sys.argv[1]
SHORT = "--short" in sys.argv[2:]
ALONE = "--alone" in sys.argv[2:]
PATTERNS = [argument.lower() for argument in sys.argv[2:] if not argument.startswith("--")]
