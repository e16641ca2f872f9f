#!/usr/bin/env bash
# Measures heapserve beside nginx and Node on this machine. See --help.
here=$(dirname -- "${BASH_SOURCE[0]}") && PYTHONPATH=$here/lib exec python3 -B "$here/bench/run.py" "$@"
