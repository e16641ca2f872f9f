# shellcheck shell=bash
# Starts nginx without root's folders and without a configuration of the system. To be sourced after server.sh.
# shellcheck disable=SC2154 # script.sh sets `work`

# Debian has nginx where a user's PATH does not lead.
export PATH=$PATH:/usr/sbin:/sbin
front='' # nginx's address

# nginx_main WORKERS CONNECTIONS: the head of a configuration. Every path is below nginx's prefix.
nginx_main() {
  # Root's workers would otherwise be of a user who may not enter the folder of this run.
  ((EUID != 0)) || echo "user $(id -un) $(id -gn);"
  echo "daemon off; worker_processes $1; pid nginx.pid; error_log stderr; events { worker_connections $2; }"
}

nginx_http() {
  echo 'access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4;'
  echo 'scgi_temp_path t5;'
}

# For a `server` block: tells this nginx from another program that has the port.
nginx_ready() { echo "location = /ready { return 200 $work; }"; }

# start_nginx VARIABLE PREFIX COMMAND...: COMMAND PORT prints the configuration. nginx cannot take any free port, so
# it gets ports below those that the system hands out, until one is free. Leaves the address in `front`.
start_nginx() {
  local port
  mkdir -p -- "$2"
  for _ in 1 2 3 4 5; do
    port=$((20000 + RANDOM % 10000))
    front=http://127.0.0.1:$port/
    "${@:3}" "$port" >"$2/nginx.conf"
    in_group "$1" nginx -p "$2/" -c "$2/nginx.conf" 2>"$2/said"
    within 20 nginx_answers_or_is_over "${!1}" || :
    if nginx_answers; then return; fi
    stop "$1" || :
  done
  fail "nginx did not start: $(tail -n 1 "$2/said")"
}

nginx_answers() { [[ $(curl -q -s --max-time 5 "${front}ready") == "$work" ]]; }
nginx_answers_or_is_over() { nginx_answers || is_over "$1"; }
