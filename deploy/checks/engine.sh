# A separate engine for this run: Debian's dockerd with its own socket, store and bridge.
# Other engines of the machine and their firewall rules are not changed.
# shellcheck shell=bash

readonly BRIDGE=deploytest0
readonly ENGINE_NETWORK=172.31.251

# Debian's client, which includes BuildKit.
docker() {
  DOCKER_BUILDKIT=1 /usr/bin/docker --host "unix://$STATE/engine.sock" "$@"
}

# Not a variable: a subshell that starts the engine could not set it for the others.
engine_runs() {
  [[ -f $STATE/engine.pid ]] && kill -0 "$(<"$STATE/engine.pid")" 2>/dev/null
}

engine_start() {
  ! engine_runs || return 0
  debian_tools iproute2
  # Remains of a run that was killed.
  ip link delete "$BRIDGE" 2>/dev/null || true
  ip link add name "$BRIDGE" type bridge
  ip address add "$ENGINE_NETWORK.1/24" dev "$BRIDGE"
  ip link set "$BRIDGE" up
  # docker-proxy forwards published ports, so no firewall rule is needed.
  dockerd --host "unix://$STATE/engine.sock" --pidfile "$STATE/engine.pid" \
    --data-root "$STATE/engine" --exec-root "$STATE/engine-run" \
    --bridge "$BRIDGE" --iptables=false --ip6tables=false --ip-masq=false --ip-forward=false \
    >"$STATE/engine.log" 2>&1 &
  eventually 60 docker version
}

engine_stop() {
  [[ -f $STATE/engine.pid ]] || return 0
  local left
  left=$(docker ps --all --quiet 2>/dev/null) || left=
  # One id a word.
  # shellcheck disable=SC2086
  [[ -z $left ]] || docker rm --force --volumes $left >/dev/null 2>&1 || true
  local pid
  pid=$(<"$STATE/engine.pid")
  kill "$pid" 2>/dev/null || true
  eventually 30 engine_is_gone "$pid" || true
  rm -f "$STATE/engine.pid"
  ip link delete "$BRIDGE" 2>/dev/null || true
}

engine_is_gone() {
  ! kill -0 "$1"
}
