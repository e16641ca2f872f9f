#!/usr/bin/env bash
# Does what the README says, with the README's own commands, and compares what it quotes with the program. See --help.
exec python3 -B "$(dirname -- "${BASH_SOURCE[0]}")/readme/check.py" "$@"
