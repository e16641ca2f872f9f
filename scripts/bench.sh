#!/usr/bin/env bash
# Measures heapserve beside nginx, Node and Python on this machine. See --help.
exec python3 -B "$(dirname -- "${BASH_SOURCE[0]}")/bench/run.py" "$@"
