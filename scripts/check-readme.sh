#!/usr/bin/env bash
# Does what the README says, with the README's own commands, and compares what it quotes with the program.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/script.sh
. "$here/lib/script.sh"

usage() {
  cat <<END
Usage: $name
Takes the commands out of README.md and runs them: starts the two servers, asks for each address, and downloads with
curl. If another program has port 3000 or 3001, it takes two others. Then it checks that the quoted lines of the trace,
the summaries, the options and the lines of code are those of the program. Needs python3, curl and pgrep.
  -h, --help        print this text
END
}

only_help "$@"
need_tools cargo curl python3 pgrep:procps
exec python3 -B "$here/readme/check.py" "$root"
