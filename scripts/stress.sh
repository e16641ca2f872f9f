#!/usr/bin/env bash
# Load, faults and attacks against the release build. See --help.
here=$(dirname -- "${BASH_SOURCE[0]}") && PYTHONPATH=$here/lib exec python3 -B "$here/stress/run.py" "$@"
