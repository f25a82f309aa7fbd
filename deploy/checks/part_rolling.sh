# A rolling update under load: three containers behind HAProxy, each replaced by a new one.
# shellcheck shell=bash

# Requests a second, and the duration: longer than three replacements take.
readonly RATE=1000 CLIENTS=50 LOAD_SECONDS=60
readonly REPLICAS=(one two three)

part_rolling() {
  need 'the engine, HAProxy and a source of load' debian_tools docker.io haproxy nghttp2-client curl
  need 'an engine of its own' engine_start
  need 'the image' image_under_test
  check a_rolling_update_under_load_loses_no_request
  leave_out 'the rolling update by Kubernetes: the same steps were taken one by one with the engine and HAProxy'
}

# replica NAME PORT: starts one, as in compose.prod.yml, on a port of this machine.
replica() {
  docker run --detach --name "$1" --publish "127.0.0.1:$2:8080" --read-only --cap-drop ALL \
    --security-opt no-new-privileges --env DRAIN_DELAY=5s --stop-timeout 20 "$TESTED" >/dev/null
  eventually 20 curl --silent --fail "http://127.0.0.1:$2/ready"
}

# Succeeds if HAProxy sends requests to a server, by its own table.
haproxy_says() {
  curl --silent "http://127.0.0.1:$table/table;csv" | grep -q "^service,$1,.*,$2,"
}

a_rolling_update_under_load_loses_no_request() {
  local folder=$STATE/rolling front table name status since
  local -A port
  docker rm --force "${REPLICAS[@]}" >/dev/null 2>&1 || true
  rm -rf "$folder"
  mkdir -p "$folder"
  front=$(free_port)
  table=$(free_port)
  cp deploy/haproxy/haproxy.cfg "$folder/haproxy.cfg"
  for name in "${REPLICAS[@]}"; do
    port[$name]=$(free_port)
    sed -i "s/server $name 127.0.0.1:[0-9]*/server $name 127.0.0.1:${port[$name]}/" "$folder/haproxy.cfg"
    replica "$name" "${port[$name]}"
  done
  # The file unchanged, except that nothing is retried: retries would hide losses.
  sed -i -e "s/bind :80/bind 127.0.0.1:$front/" -e 's/retries 2/retries 0/' \
    -e '/retry-on/d' -e '/option redispatch/d' "$folder/haproxy.cfg"
  printf '\nfrontend table\n    bind 127.0.0.1:%s\n    stats enable\n    stats uri /table\n' "$table" \
    >>"$folder/haproxy.cfg"
  haproxy -c -f "$folder/haproxy.cfg"
  haproxy -f "$folder/haproxy.cfg" >"$folder/haproxy.log" 2>&1 &
  # shellcheck disable=SC2064
  trap "kill $!" EXIT
  for name in "${REPLICAS[@]}"; do
    eventually 20 haproxy_says "$name" UP
  done

  # HTTP/1.1, one request at a time on each connection, at a steady rate.
  h2load --h1 --clients="$CLIENTS" --rps="$((RATE / CLIENTS))" --duration="$LOAD_SECONDS" \
    --connection-active-timeout=30 "http://127.0.0.1:$front/" >"$folder/load.log" 2>&1 &
  local load=$!
  sleep 2
  for name in "${REPLICAS[@]}"; do
    since=$(milliseconds)
    docker stop "$name" >/dev/null
    status=$(docker inspect --format '{{.State.ExitCode}}' "$name")
    seen "$name: ended after $(($(milliseconds) - since)) ms with status $status"
    docker logs "$name" >"$folder/$name.old.log" 2>"$folder/$name.err"
    docker rm "$name" >/dev/null
    equal 'exit status' 0 "$status"
    equal 'standard error' '' "$(<"$folder/$name.err")"
    replica "$name" "${port[$name]}"
    eventually 20 haproxy_says "$name" UP
  done
  # The load covered the whole update.
  kill -0 "$load"
  wait "$load"
  cat "$folder/load.log"
  for name in "${REPLICAS[@]}"; do
    docker stop "$name" >/dev/null
    docker logs "$name" >"$folder/$name.new.log"
    docker rm "$name" >/dev/null
  done
  python3 deploy/checks/load.py "$((RATE * LOAD_SECONDS))" "$folder/load.log" "$folder"/*.old.log "$folder"/*.new.log
}
