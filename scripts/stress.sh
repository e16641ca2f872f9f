#!/usr/bin/env bash
# Load, faults and attacks against the release build. See --help.
folder=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
PYTHONPATH=$folder/lib exec python3 -B "$folder/stress/run.py" "$@"
