# Without containers: nginx and HAProxy in front of the service, and systemd's checks of the unit.
# shellcheck shell=bash

part_hosts() {
  need 'nginx, HAProxy and their clients' debian_tools haproxy nginx-light systemd curl
  need 'the service' cargo build --locked --quiet --package rust-axum-app
  check systemd_accepts_the_units
  check systemd_finds_the_unit_safe
  check nginx_accepts_its_configuration
  check haproxy_accepts_its_configuration
  check nginx_is_believed_and_hides_what_is_not_public
}

# The units with the binary of this checkout instead of the installed one.
units() {
  mkdir -p "$STATE/units"
  sed "s|/usr/local/bin/rust-axum-app|$(realpath "$BINARY")|" \
    deploy/systemd/rust-axum-app.service >"$STATE/units/rust-axum-app.service"
  cp deploy/systemd/rust-axum-app.socket "$STATE/units/"
}

systemd_accepts_the_units() {
  units
  local said
  said=$(systemd-analyze verify "$STATE"/units/rust-axum-app.{service,socket} 2>&1)
  equal 'messages of systemd' '' "$(grep rust-axum-app <<<"$said" || true)"
}

systemd_finds_the_unit_safe() {
  systemd-analyze security --offline=true --threshold=20 deploy/systemd/rust-axum-app.service
  seen "$(systemd-analyze security --offline=true deploy/systemd/rust-axum-app.service |
    grep -o 'Overall exposure.*[0-9]')"
}

# nginx_configuration LISTEN SERVICE: the files unchanged, except for two addresses.
nginx_configuration() {
  local folder=$STATE/nginx
  mkdir -p "$folder"
  sed "s/127.0.0.1:8080/$2/" deploy/nginx/upstream.host.conf >"$folder/upstream.conf"
  sed "s/listen 8080/listen $1/" deploy/nginx/service.conf >"$folder/service.conf"
  cat >"$folder/nginx.conf" <<CONF
pid $folder/nginx.pid;
error_log stderr warn;
daemon off;
events {}
http {
    access_log off;
    include $folder/upstream.conf;
    include $folder/service.conf;
}
CONF
}

nginx_accepts_its_configuration() {
  nginx_configuration 8080 127.0.0.1:8080
  nginx -t -c "$STATE/nginx/nginx.conf"
}

haproxy_accepts_its_configuration() {
  local said
  said=$(haproxy -c -f deploy/haproxy/haproxy.cfg 2>&1)
  # Warnings would appear here too; since 2.9 a valid file makes no message.
  equal 'messages of HAProxy' '' "$(grep -v '^Configuration file is valid$' <<<"$said" || true)"
}

nginx_is_believed_and_hides_what_is_not_public() {
  local front back proxy service record path
  front=$(free_port)
  back=$(free_port)
  nginx_configuration "127.0.0.1:$front" "127.0.0.1:$back"
  env --ignore-environment HOST=127.0.0.1 "PORT=$back" TRUSTED_PROXIES=127.0.0.1 DRAIN_DELAY=0 \
    "$BINARY" --env-file services/rust-axum-app/.env.prod >"$STATE/nginx/log" &
  service=$!
  nginx -c "$STATE/nginx/nginx.conf" &
  proxy=$!
  # shellcheck disable=SC2064
  trap "kill $service $proxy" EXIT
  eventually 20 curl --silent --fail "http://127.0.0.1:$back/ready"
  eventually 20 curl --silent --fail "http://127.0.0.1:$front/"
  # A client may send the header too; nginx appends its own value, and only that is used.
  curl --silent --fail --header 'X-Forwarded-For: 203.0.113.7' --header 'X-Request-ID: through-nginx' \
    --interface 127.0.0.2 "http://127.0.0.1:$front/info"
  record=$(grep '"request_id":"through-nginx"' "$STATE/nginx/log")
  grep '"ip":"127.0.0.2"' <<<"$record"
  for path in /metrics /health /healthz /livez /ready /readyz /startupz; do
    equal "$path through nginx" 404 \
      "$(curl --silent --output /dev/null --write-out '%{http_code}' "http://127.0.0.1:$front$path")"
  done
}
