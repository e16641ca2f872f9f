#!/usr/bin/env bash
# Lets real programs use both modes, as people do to download, resume, play and cache. See --help.
here=$(dirname -- "${BASH_SOURCE[0]}") && PYTHONPATH=$here/lib exec python3 -B "$here/clients/run.py" "$@"
