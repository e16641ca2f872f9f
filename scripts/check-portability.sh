#!/usr/bin/env bash
# Lints heapserve for Windows and macOS, and tries the Windows program under Wine, on Debian 12. See --help.
here=$(dirname -- "${BASH_SOURCE[0]}") && PYTHONPATH=$here/lib exec python3 -B "$here/portability/run.py" "$@"
