# Compose and Swarm: each file is started unchanged, with local images.
# shellcheck shell=bash

part_compose() {
  need 'the engine and Compose' debian_tools docker.io docker-compose curl
  need 'an engine of its own' engine_start
  need 'the image' image_under_test
  need 'stand-ins for nginx, Prometheus and Alertmanager' watchers_standin
  check compose_runs_the_service_of_development
  check compose_runs_the_service_of_production_within_its_limits
  check compose_runs_integration_behind_nginx
  check swarm_replaces_the_replicas_of_the_stack_one_by_one
  leave_out 'Grafana: its image comes from a registry, which this test does not ask, and Debian has no package of it'
  leave_out 'requests through the routing of a swarm: it takes ipvs of the kernel, which this test does without; the part "rolling" has HAProxy in its place'
  leave_out 'Compose 2: Debian has 1.29, which ran the files without their line "name"'
}

# compose FILE ARGUMENT...
compose() {
  local file=$1
  shift
  (
    cd deploy || exit
    sed '/^name:/d' "$file" |
      DOCKER_HOST=unix://$STATE/engine.sock /usr/bin/docker-compose --ansi never --file - \
        --project-name deploytest "$@"
  )
}

# down FILE: also after a check that fails partway.
down() {
  compose "$1" down --volumes --timeout 20 >/dev/null 2>&1 || true
}

# The address is that of the file, since the ports are under test.
asks_8084() {
  curl --silent --fail --max-time 5 "http://127.0.0.1:8084$1"
}

container() {
  docker ps --all --quiet --filter "label=com.docker.compose.service=$1"
}

is_locked() {
  equal 'read-only root' true "$(docker inspect --format '{{.HostConfig.ReadonlyRootfs}}' "$1")"
  equal capabilities '[ALL]' "$(docker inspect --format '{{.HostConfig.CapDrop}}' "$1")"
}

compose_runs_the_service_of_development() {
  # shellcheck disable=SC2064
  trap "down compose.dev.yml" EXIT
  docker tag "$TESTED" rust-axum-app:dev
  compose compose.dev.yml up --detach --no-build
  eventually 20 asks_8084 /ready
  asks_8084 / | grep 'is running (Rust + Axum)'
  is_locked "$(container app)"
  equal 'patience of the engine' 10 "$(docker inspect --format '{{.Config.StopTimeout}}' "$(container app)")"
  compose compose.dev.yml stop
  equal 'exit status' 0 "$(docker inspect --format '{{.State.ExitCode}}' "$(container app)")"
}

compose_runs_the_service_of_production_within_its_limits() {
  local key=$STATE/secret_key
  # shellcheck disable=SC2064
  trap "down compose.prod.yml" EXIT
  export IMAGE=$TESTED SECRET_KEY_FILE=$key
  rm -f "$key"
  install -m 0400 -o 10001 /dev/stdin "$key" <<<'a key of a test'
  compose compose.prod.yml up --detach
  eventually 20 asks_8084 /ready
  is_locked "$(container app)"
  equal memory 268435456 "$(docker inspect --format '{{.HostConfig.Memory}}' "$(container app)")"
  equal processors 2000000000 "$(docker inspect --format '{{.HostConfig.NanoCpus}}' "$(container app)")"
  equal 'threads and processes' 1024 "$(docker inspect --format '{{.HostConfig.PidsLimit}}' "$(container app)")"
  equal 'patience of the engine' 15 "$(docker inspect --format '{{.Config.StopTimeout}}' "$(container app)")"
  compose compose.prod.yml stop
  equal 'exit status' 0 "$(docker inspect --format '{{.State.ExitCode}}' "$(container app)")"
}

# Succeeds if Prometheus has scraped the service.
is_scraped() {
  curl --silent --fail 'http://127.0.0.1:9090/api/v1/query?query=up%7Bjob=%22rust-axum-app%22%7D' |
    grep -q '"1"\]'
}

compose_runs_integration_behind_nginx() {
  # shellcheck disable=SC2064
  trap "down compose.int.yml" EXIT
  export NGINX_IMAGE=stand-in/nginx PROMETHEUS_IMAGE=stand-in/prometheus \
    ALERTMANAGER_IMAGE=stand-in/alertmanager
  docker tag "$TESTED" rust-axum-app:int
  compose compose.int.yml up --detach --no-build app nginx prometheus alertmanager
  eventually 60 asks_8084 /
  # Only nginx is reachable from outside, and the service trusts its forwarded address.
  curl --silent --fail --header 'X-Request-ID: through-nginx' http://127.0.0.1:8084/info
  equal '/metrics through nginx' 404 \
    "$(curl --silent --output /dev/null --write-out '%{http_code}' http://127.0.0.1:8084/metrics)"
  docker logs "$(container app)" | grep '"request_id":"through-nginx"' | grep --invert-match '"ip":"172.28.84.2"'
  eventually 60 is_scraped
}

# Tasks of the stack in the given state, as `docker service ps` reports it.
tasks() {
  docker service ps deploytest_app --no-trunc --format '{{.CurrentState}} {{.Error}}' | grep -c "^$1" || true
}

are_tasks() {
  [[ $(tasks "$1") == "$2" ]]
}

# The result of the last update.
is_updated() {
  [[ $(docker service inspect deploytest_app --format '{{.UpdateStatus.State}}') == completed ]]
}

swarm_replaces_the_replicas_of_the_stack_one_by_one() {
  trap 'docker stack rm deploytest; docker swarm leave --force; docker network rm docker_gwbridge' EXIT
  docker swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1:2377
  docker secret create rust-axum-app-secret-key - <<<'a key of a test'
  IMAGE=$TESTED docker stack deploy --compose-file deploy/stack.yml deploytest
  eventually 90 are_tasks Running 3
  equal order start-first "$(docker service inspect deploytest_app --format '{{.Spec.UpdateConfig.Order}}')"
  # Like a new image, with a shorter monitoring time for each new replica.
  docker service update --detach --force --update-monitor 5s deploytest_app
  eventually 180 is_updated
  eventually 60 are_tasks Running 3
  # The old replicas exited with status 0: they neither failed nor were killed.
  eventually 60 are_tasks Shutdown 3
  equal 'replicas that failed' 0 "$(tasks Failed)"
  docker service ps deploytest_app
}
