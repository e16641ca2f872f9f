#!/usr/bin/env bash
# The lesson in one command: the same viewers at once on both modes, and what each mode took of the heap. See --help.
exec python3 -B "$(dirname -- "${BASH_SOURCE[0]}")/compare/run.py" "$@"
