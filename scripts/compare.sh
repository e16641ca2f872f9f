#!/usr/bin/env bash
# The lesson in one command: the same viewers at once on both modes, and what each mode took of the heap. See --help.
here=$(dirname -- "${BASH_SOURCE[0]}") && PYTHONPATH=$here/lib exec python3 -B "$here/compare/run.py" "$@"
