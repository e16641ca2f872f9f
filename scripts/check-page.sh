#!/usr/bin/env bash
# Checks the live page in real browsers, against release binaries of both modes. See --help.
exec python3 -B "$(dirname -- "${BASH_SOURCE[0]}")/page/run.py" "$@"
