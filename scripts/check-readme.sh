#!/usr/bin/env bash
# Does what the README says, with the README's own commands, and compares what it quotes with the program. See --help.
here=$(dirname -- "${BASH_SOURCE[0]}") && PYTHONPATH=$here/lib exec python3 -B "$here/readme/check.py" "$@"
