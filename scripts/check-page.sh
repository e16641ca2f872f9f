#!/usr/bin/env bash
# Checks the live page in a real browser: a headless chromium, moved by chromedriver, against release
# binaries of both modes. The steps are in scripts/page/check-page.py.
set -euo pipefail
say() { printf '%s\n' "$*" >&2; }
usage="Usage: [SCREENSHOTS=DIR] ${0##*/}
Checks /heap, the live page, in a headless chromium, in about a minute.
  SCREENSHOTS       a folder for pictures of the page; none are taken without it
  CARGO_TARGET_DIR  as cargo's own: where the release binary is built"
[[ ${1-} != -h && ${1-} != --help ]] || { echo "$usage"; exit; }
[[ $# -eq 0 ]] || { say "$usage"; exit 2; }
for needed in cargo chromium chromedriver python3; do
  command -v "$needed" >/dev/null || { say "${0##*/}: needs $needed, but there is none in PATH"; exit 1; }
done

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# Both folders may be given relative to where the script was called.
[[ -z ${CARGO_TARGET_DIR-} ]] || { mkdir -p -- "$CARGO_TARGET_DIR"; CARGO_TARGET_DIR=$(cd -- "$CARGO_TARGET_DIR" && pwd); export CARGO_TARGET_DIR; }
[[ -z ${SCREENSHOTS-} ]] || { mkdir -p -- "$SCREENSHOTS"; SCREENSHOTS=$(cd -- "$SCREENSHOTS" && pwd); export SCREENSHOTS; }
cd -- "$root"
cargo build --release --locked --quiet

# What the steps start, they end; but not if they are killed themselves. So they get a process group, which
# ends with this script, and the browser a profile, which is removed.
tmp=$(mktemp -d)
checks=
# shellcheck disable=SC2317,SC2329 # the trap calls it
clean() {
  [[ -z $checks ]] || kill -TERM -- "-$checks" 2>/dev/null || true
  [[ -z $checks ]] || wait "$checks" 2>/dev/null || true
  rm -rf -- "$tmp"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
set -m
python3 scripts/page/check-page.py "${CARGO_TARGET_DIR:-target}/release/heapserve" "$tmp" &
checks=$!
set +m
status=0
wait "$checks" || status=$?
exit "$status"
