#!/usr/bin/env bash
# Checks the live page in real browsers, against release binaries of both modes. The steps are in scripts/page.
set -euo pipefail
# shellcheck source=scripts/lib/script.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib/script.sh"
# shellcheck source=scripts/lib/server.sh
. "$lib/server.sh"

usage() {
  cat <<END
Usage: $name [--pictures FOLDER] [BROWSER...]
Checks /heap, the live page, as a user would, in about two minutes. The first run fetches the browsers' drivers for
Python from PyPI, as scripts/page/requirements.txt lists them, into target/page-check.
  BROWSER             chromium, firefox, webkit (default: all of them)
  --pictures FOLDER   where to leave pictures of the page (default: target/page-check/pictures)
  CARGO_TARGET_DIR    as cargo's own: where the release binary is built
  -h, --help          print this text
Exit code: 0 if every check passed, 1 if any failed, 2 if a tool is missing or an option is wrong.
END
}

browsers=() pictures=$target/page-check/pictures
while (($#)); do
  case $1 in
    -h | --help) usage; exit ;;
    --pictures) [[ -n ${2-} ]] || wrong '--pictures needs a folder after it'; pictures=$2; shift ;;
    chromium | firefox | webkit) browsers+=("$1") ;;
    *) wrong "there is no browser or option '$1'" ;;
  esac
  shift
done
[[ -n ${browsers[*]-} ]] || browsers=(chromium firefox webkit)

tools=(cargo python3 node:nodejs)
for browser in "${browsers[@]}"; do
  case $browser in
    chromium) tools+=(chromium chromedriver:chromium-driver) ;;
    firefox) tools+=(firefox-esr) ;;
    webkit) tools+=(WebKitWebDriver:webkit2gtk-driver Xvfb:xvfb) ;;
  esac
done
need_tools "${tools[@]}"

# make_environment FOLDER: a virtual environment with the drivers; kept until what it needs changes.
make_environment() {
  local wanted=$root/scripts/page/requirements.txt
  ! cmp -s -- "$wanted" "$1/made-for" || return 0
  say "fetching the browsers' drivers for Python"
  rm -rf -- "$1"
  python3 -m venv "$1" || fail "python3 cannot make a virtual environment (Debian: apt-get install python3-venv)"
  "$1/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" >"$work/pip" 2>&1 ||
    fail "the browsers' drivers cannot be installed: $(tail -n 1 "$work/pip")"
  cp -- "$wanted" "$1/made-for"
}

begin_work
mkdir -p -- "$pictures"
make_environment "$target/page-check/python"
build_heapserve
code=0
if [[ -d $root/scripts/page/tests ]]; then node --test "$root/scripts/page/tests/" || code=1; fi
in_group checks "$target/page-check/python/bin/python" -B "$root/scripts/page/run.py" \
  "$heapserve" "$root/media/powder-day.mp4" "$work" "$pictures" "${browsers[@]}"
# shellcheck disable=SC2154 # in_group sets it
wait "$checks" || code=1
exit "$code"
