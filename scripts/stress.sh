#!/usr/bin/env bash
# Load, faults and attacks against the release build. See --help.
exec python3 -B "$(dirname -- "${BASH_SOURCE[0]}")/stress/run.py" "$@"
