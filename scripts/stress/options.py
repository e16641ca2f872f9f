"""What the command line of scripts/stress.sh said: PROGRAM [--short] [PATTERN...]."""

import sys

PROGRAM = sys.argv[1]
SHORT = "--short" in sys.argv[2:]
PATTERNS = [argument.lower() for argument in sys.argv[2:] if argument != "--short"]
