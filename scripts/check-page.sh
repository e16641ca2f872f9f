#!/usr/bin/env bash
# Checks the live page in real browsers, against release binaries of both modes. See --help.
here=$(dirname -- "${BASH_SOURCE[0]}") && PYTHONPATH=$here/lib exec python3 -B "$here/page/run.py" "$@"
