#!/usr/bin/env bash
# Checks the live page in real browsers, against release binaries of both modes. The steps are in scripts/page.
set -euo pipefail
say() { printf '%s\n' "$*" >&2; }
usage="Usage: ${0##*/} [BROWSER...]
Checks /heap, the live page, as a user would, in about a minute and a half.
  BROWSER           chromium, firefox, webkit; all of them without it
  CARGO_TARGET_DIR  as cargo's own: where the release binary is built"
[[ ${1-} != -h && ${1-} != --help ]] || { echo "$usage"; exit; }

[[ $# -gt 0 ]] || set -- chromium firefox webkit
needed=(cargo python3)
for browser in "$@"; do
  case $browser in
    chromium) needed+=(chromium chromedriver) ;;
    firefox) needed+=(firefox-esr) ;;
    webkit) needed+=(WebKitWebDriver Xvfb) ;;
    *) say "$usage"; exit 2 ;;
  esac
done
for program in "${needed[@]}"; do
  command -v "$program" >/dev/null || { say "${0##*/}: needs $program, but there is none in PATH"; exit 1; }
done

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# It may be given relative to where the script was called.
[[ -z ${CARGO_TARGET_DIR-} ]] || { mkdir -p -- "$CARGO_TARGET_DIR"; CARGO_TARGET_DIR=$(cd -- "$CARGO_TARGET_DIR" && pwd); export CARGO_TARGET_DIR; }
cd -- "$root"
cargo build --release --locked --quiet

tmp=$(mktemp -d)
checks=
# shellcheck disable=SC2317,SC2329 # the trap calls it
clean() {
  # The steps end what they started.
  [[ -z $checks ]] || kill -TERM "$checks" 2>/dev/null || true
  [[ -z $checks ]] || wait "$checks" 2>/dev/null || true
  rm -rf -- "$tmp"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
python3 scripts/page/run.py "${CARGO_TARGET_DIR:-target}/release/heapserve" media/powder-day.mp4 "$tmp" "$@" &
checks=$!
status=0
wait "$checks" || status=$?
checks=
exit "$status"
