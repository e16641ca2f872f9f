# shellcheck shell=bash
# Many viewers at once, for load.sh and compare.sh. To be sourced after script.sh.
# Must work in bash 3.2 (macOS) and in Git Bash.
# shellcheck disable=SC2154 # script.sh sets `work` and `name`

viewers=20 rate=''

check_viewers() {
  [[ $viewers =~ ^[1-9][0-9]{0,3}$ ]] || wrong "-n must be a whole number from 1 to 9999, not '$viewers'"
  [[ -z $rate || $rate =~ ^[1-9][0-9]{0,11}[kKmMgG]?$ ]] || wrong "-r must be a rate such as 500K or 8M, not '$rate'"
}

# curl_viewer ARGUMENT...: one that gets nothing for half a minute gives up; a server that hangs would else hang us.
curl_viewer() {
  curl -q -gsS --connect-timeout 10 --speed-time 30 --speed-limit 1 ${rate:+--limit-rate "$rate"} "$@"
}

# read_run URL FILE: writes the last run of that server, one JSON object, to FILE when no run goes on any more. Fails if
# there is none, or if it is another server.
read_run() {
  within 10 run_is_over "$1" "$2" && grep -q number "$2"
}

run_is_over() {
  local sample
  sample=$(curl -q -gfsS --noproxy '*' --max-time 5 "${1}heap.json" 2>/dev/null) && [[ $sample == *'"run":null'* ]] &&
    printf '%s\n' "${sample##*'"last_run":'}" | sed 's/}$//' >"$2"
}

# figure KEY FILE: the number that the JSON object in FILE has under this key; nothing for null.
figure() { sed -n "s/.*\"$1\":\([0-9][0-9]*\).*/\1/p" "$2"; }

# view_all PROCESSES COMMAND...: runs COMMAND NUMBER for every viewer at once, in a group of its own, and waits for all
# of them. PROCESSES is how many each takes. While it waits, it calls the function show_progress.
view_all() {
  local group
  demand_processes $(($1 * viewers))
  in_group group start_viewers "${@:2}" 2>"$work/forks"
  while ! is_over "$group"; do
    show_progress
    sleep 0.2
  done
  { wait "$group"; } 2>/dev/null || :
  [[ ! -t 2 ]] || printf '\r\033[K' >&2
  ! grep -q fork "$work/forks" ||
    say "$name: the system refused a process (ulimit -u), so not all viewers were there at once; lower -n"
}

start_viewers() {
  local i
  trap wait EXIT # a fork that fails ends this shell, but not the viewers that it has started
  for ((i = 1; i <= viewers; i++)); do "$@" "$i" & done
  wait
}

# demand_processes COUNT: fails if this user may not start so many more. bash ends with a raw error where a fork fails,
# and macOS allows a user some thousand processes. Where it is not known what the limit counts, nothing is demanded.
demand_processes() {
  local limit used list=()
  ulimit -Su "$(ulimit -Hu)" 2>/dev/null || :
  limit=$(ulimit -u 2>/dev/null) || :
  case $(uname -s) in
    Darwin) list=(-o pid=) ;;
    Linux) ((EUID != 0)) && list=(-L -o lwp=) ;; # it counts threads, but none of root's
  esac
  [[ $limit =~ ^[0-9]+$ && -n ${list[0]-} ]] && command -v ps >/dev/null || return 0
  used=$(ps -u "$EUID" "${list[@]}" | wc -l)
  # A few for this script's own tools.
  (($1 + used + 20 <= limit)) || fail "$viewers viewers need $1 processes, but this user may have $limit" \
    "(ulimit -u), of which $((used)) run; lower -n"
}
