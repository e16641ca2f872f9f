# shellcheck shell=bash
# What every script here needs: messages, a folder for the run, and the end of everything that the run started.
# To be sourced after `set -euo pipefail`. Must work in bash 3.2 (macOS) and in Git Bash.
# shellcheck disable=SC2034 # the scripts use what is set here

# awk must write a decimal point, and sort and the clients' messages must not depend on the user's language.
export LC_ALL=C
name=${0##*/}
lib=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(cd -- "$lib/../.." && pwd)
work='' # the folder of this run

say() { printf '%s\n' "$*" >&2; }
fail() { say "$name: $*"; exit 1; }
wrong() { say "$name: $*; see $name --help"; exit 2; }

# only_help ARGUMENT...: for scripts without options. Needs a function `usage`.
only_help() {
  case ${1-} in
    -h | --help) usage; exit ;;
    ?*) wrong "there is no option or argument '$1'" ;;
  esac
}

# need_tools TOOL[:PACKAGE]...: PACKAGE is Debian's name for it, where it is another one.
need_tools() {
  local tool missing=''
  for tool; do
    command -v "${tool%%:*}" >/dev/null ||
      missing="$missing$name: ${tool%%:*} is not in PATH (Debian: apt-get install ${tool##*:})"$'\n'
  done
  [[ -z $missing ]] || { printf %s "$missing" >&2; exit 2; }
}

# Makes the folder `work`. From now on, however the script ends, it leaves nothing behind.
begin_work() {
  trap clean_up EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  work=$(mktemp -d "${TMPDIR:-/tmp}/heapserve.XXXXXX")
}

# A script with more to clean up replaces this function.
clean_up() {
  trap '' EXIT HUP INT TERM
  end_jobs
  [[ -z $work ]] || rm -rf -- "$work"
}

# in_group VARIABLE COMMAND...: starts COMMAND in a process group of its own and leaves the group's number in
# VARIABLE. One `kill` then reaches all its processes, and Ctrl-C reaches this script only.
in_group() {
  set -m
  "${@:2}" </dev/null &
  set +m
  printf -v "$1" %s "$!"
}

# Ends every job of this shell, with the whole group if the job leads one.
end_jobs() {
  {
    signal_jobs TERM
    within 5 no_job_runs || signal_jobs KILL
    wait
  } 2>/dev/null || : # bash would report each one that was killed
}

signal_jobs() { # SIGNAL
  local job
  for job in $(jobs -p); do
    kill "-$1" -- "-$job" 2>/dev/null || kill "-$1" "$job" 2>/dev/null || :
  done
}

no_job_runs() { [[ -z $(jobs -rp) ]]; }
is_over() { ! kill -0 "$1" 2>/dev/null; } # PROCESS

# within SECONDS COMMAND...: repeats COMMAND until it succeeds. Fails if it has not by then.
within() {
  local end=$((SECONDS + $1))
  until "${@:2}"; do
    ((SECONDS <= end)) || return 1
    sleep 0.05
  done
}

# stop VARIABLE [SIGNAL]: ends the group of that number by a signal (default: TERM) to its leader, whose exit
# code it returns. After 20 seconds, and for processes that the leader leaves behind, the signal is KILL.
stop() {
  local leader=${!1} code=0
  printf -v "$1" %s ''
  [[ -n $leader ]] || return 0
  {
    kill "-${2:-TERM}" "$leader" || :
    within 20 is_over "$leader" || kill -KILL "$leader" || :
    wait "$leader" || code=$?
    kill -KILL -- "-$leader" || :
  } 2>/dev/null
  return "$code"
}
