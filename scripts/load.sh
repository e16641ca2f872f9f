#!/usr/bin/env bash
# Many viewers at once on a server that is already up. See --help.
here=$(dirname -- "${BASH_SOURCE[0]}") && PYTHONPATH=$here/lib exec python3 -B "$here/viewers/load.py" "$@"
