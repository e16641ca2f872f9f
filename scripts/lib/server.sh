# shellcheck shell=bash
# Builds heapserve; starts a server of any kind and waits for it. To be sourced after script.sh.
# Must work in bash 3.2 (macOS) and in Git Bash.
# shellcheck disable=SC2154 # script.sh sets `root`

# A proxy would be measured or checked instead of the server.
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY

# cargo reads a relative one from the folder in which it is called, as is done here.
case ${CARGO_TARGET_DIR-} in
  '') target=$root/target ;;
  /* | ?:*) target=$CARGO_TARGET_DIR ;;
  *) target=$PWD/$CARGO_TARGET_DIR ;;
esac
# shellcheck disable=SC2034 # for the scripts
heapserve=$target/release/heapserve
# The group of the server that start_server started, and its address, with a slash at its end.
server='' url=''

build_heapserve() {
  say "building heapserve"
  cargo build --release --locked --quiet --manifest-path "$root/Cargo.toml" --target-dir "$target" ||
    fail "heapserve does not build; the reason is above"
}

# start_server OUT ERR COMMAND...: starts a server that is to take any free port and to write its address to stdout,
# which goes to the file OUT; stderr goes to ERR. Waits for the address, for `patience_seconds` or 20. Fails, without
# a message, if there is none or if the server ends before.
start_server() {
  : >"$1"
  url=''
  in_group server "${@:3}" >"$1" 2>"$2"
  within "${patience_seconds:-20}" has_address_or_is_over "$1" || :
  [[ -n $url ]]
}

# Reads the address from a first line such as "heapserve: MODE URL (FILE, SIZE)", once that line is complete.
has_address_or_is_over() { # OUT
  local line='' address='http://[^/ ]+/'
  if read -r line <"$1" && [[ $line =~ $address ]]; then url=${BASH_REMATCH[0]}; else is_over "$server"; fi
}

# serve MODE OUT ERR ARGUMENT...: heapserve in that mode on a free port; the arguments end with the file.
serve() {
  start_server "$2" "$3" "$heapserve" --mode "$1" --port 0 "${@:4}" ||
    fail "heapserve did not start in $1 mode: $(head -n 1 "$3")"
}

port_of() { local rest=${1##*:}; echo "${rest%/}"; } # URL
