#!/usr/bin/env bash
# Lints heapserve for Windows and macOS, and tries the Windows program under Wine, on Debian 12. See --help.
exec python3 -B "$(dirname -- "${BASH_SOURCE[0]}")/portability/run.py" "$@"
