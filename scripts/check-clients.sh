#!/usr/bin/env bash
# Lets real programs use both modes, as people do to download, resume, play and cache. See --help.
exec python3 -B "$(dirname -- "${BASH_SOURCE[0]}")/clients/run.py" "$@"
