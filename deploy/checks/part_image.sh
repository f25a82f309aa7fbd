# The image: built by its Dockerfile, and run as engines and clusters run it.
# shellcheck shell=bash

part_image() {
  need 'the engine and what builds with it' debian_tools docker.io debootstrap binutils openssl curl
  need 'an engine of its own' engine_start
  need 'a stand-in for the image of Rust' builder_standin
  check the_dockerfile_builds_the_image
  docker image inspect "$TESTED" >/dev/null 2>&1 || return 0
  check the_image_has_12_mb_at_most
  check the_image_has_its_labels
  check the_image_runs_as_user_10001
  check the_image_has_no_shell_and_two_files
  check the_image_brings_the_certificates_of_authorities
  check the_binary_is_static_and_hardened
  check build_arguments_arrive_in_the_service
  check the_image_becomes_healthy_by_its_own_check
  check a_service_that_hangs_becomes_unhealthy
  check it_runs_read_only_without_capabilities
  check it_writes_nothing_where_it_could
  check docker_stop_ends_it_in_time_with_status_0
  check docker_stop_waits_for_the_drain_delay
  check the_first_process_hears_each_signal_that_ends_it
  check a_mistake_in_the_settings_is_status_78
  check the_daemon_sees_json_and_nothing_else
  check the_daemon_splits_no_record
  check the_binary_knows_its_dependencies
  check the_bill_of_materials_lists_what_is_in_the_binary
  check the_tests_run_inside_the_build_if_asked
  check two_builds_make_the_same_layers
  leave_out 'the image on the official base image of Rust: it was built on a stand-in from Debian packages'
}

# service NAME [ARGUMENT...]: starts a container of the image, and prints its address.
service() {
  local name=$1
  shift
  docker run --detach --name "$name" --publish 127.0.0.1::8080 "$@" "$TESTED" >/dev/null
  eventually 20 curl --silent --fail "http://$(address "$name")/ready"
}

address() {
  docker port "$1" 8080
}

inspect() {
  docker inspect --format "$2" "$1"
}

main_process() {
  inspect "$1" '{{.State.Pid}}'
}

status_line() {
  sed -n "s/^$2:[[:space:]]*//p" "/proc/$(main_process "$1")/status"
}

# IMG-1
the_dockerfile_builds_the_image() {
  build_image --tag "$TESTED" "${BUILD_ARGUMENTS[@]}"
}

# IMG-3
the_image_has_12_mb_at_most() {
  local size
  size=$(docker image inspect --format '{{.Size}}' "$TESTED")
  seen "$size bytes"
  ((size <= 12000000))
}

# IMG-1
the_image_has_its_labels() {
  label() {
    docker image inspect --format "{{index .Config.Labels \"org.opencontainers.image.$1\"}}" "$TESTED"
  }
  equal title "$SERVICE" "$(label title)"
  equal version "$VERSION" "$(label version)"
  equal created "$BUILD_TIME" "$(label created)"
  equal revision "$REVISION" "$(label revision)"
  equal licenses MIT "$(label licenses)"
  [[ -n $(label description) ]]
}

# IMG-2
the_image_runs_as_user_10001() {
  equal 'user of the image' 10001:10001 "$(docker image inspect --format '{{.Config.User}}' "$TESTED")"
  service user
  equal 'users of the process' $'10001\t10001\t10001\t10001' "$(status_line user Uid)"
  equal 'groups of the process' $'10001\t10001\t10001\t10001' "$(status_line user Gid)"
  docker rm --force user
}

# IMG-2
the_image_has_no_shell_and_two_files() {
  local shell status
  docker create --name files "$TESTED"
  # All files, except those that the engine mounts into every container.
  equal files $'etc/ssl/certs/ca-certificates.crt\nservice' \
    "$(docker export files | tar --list | grep -v '/$' |
      grep -vxE '\.dockerenv|etc/(hostname|hosts|resolv\.conf|mtab)|dev/console' | sort)"
  docker rm files
  equal 'entry point' '["/service"]' "$(docker image inspect --format '{{json .Config.Entrypoint}}' "$TESTED")"
  for shell in /bin/sh /bin/bash /busybox/sh; do
    status=0
    docker run --rm --entrypoint "$shell" "$TESTED" -c true || status=$?
    equal "status of $shell" 127 "$status"
  done
}

# IMG-3
the_image_brings_the_certificates_of_authorities() {
  local count
  docker create --name certificates "$TESTED"
  docker cp certificates:/etc/ssl/certs/ca-certificates.crt "$STATE/authorities.pem"
  docker rm certificates
  count=$(openssl crl2pkcs7 -nocrl -certfile "$STATE/authorities.pem" |
    openssl pkcs7 -print_certs -noout | grep -c '^subject')
  seen "$count authorities"
  ((count > 100))
}

binary() {
  docker rm --force binary >/dev/null 2>&1 || true
  docker create --name binary "$TESTED" >/dev/null
  docker cp binary:/service "$STATE/service"
  docker rm binary >/dev/null
}

the_binary_is_static_and_hardened() {
  binary
  local headers
  headers=$(readelf --wide --program-headers "$STATE/service")
  if grep -q INTERP <<<"$headers"; then
    fail 'it asks for a dynamic loader'
  fi
  if readelf --wide --dynamic "$STATE/service" | grep -q NEEDED; then
    fail 'it asks for a shared library'
  fi
  # Position independent, with a non-executable stack and read-only relocations.
  readelf --file-header "$STATE/service" | grep -q 'Type:.*DYN'
  grep -q 'GNU_RELRO' <<<"$headers"
  grep 'GNU_STACK' <<<"$headers" | grep -qv 'RWE'
}

# IMG-1
build_arguments_arrive_in_the_service() {
  service arguments --env ADMIN_ADDR=0.0.0.0:8081 --publish 127.0.0.1::8081
  equal /info "{\"service\":\"$SERVICE\",\"version\":\"$VERSION\",\"buildTime\":\"$BUILD_TIME\"}" \
    "$(curl --silent "http://$(address arguments)/info")"
  curl --silent "http://$(address arguments)/metrics" |
    grep -F "build_info{service=\"$SERVICE\",version=\"$VERSION\",build_time=\"$BUILD_TIME\"} 1"
  curl --silent "http://$(docker port arguments 8081)/info" | grep -F "\"revision\":\"$REVISION\""
  docker rm --force arguments
  # The environment still takes precedence.
  docker run --rm --env SERVICE_NAME=from-environment "$TESTED" --check-config |
    grep '^SERVICE_NAME=from-environment '
}

is_health() {
  [[ $(inspect "$1" '{{.State.Health.Status}}') == "$2" ]]
}

# CLI-2, IMG-2
the_image_becomes_healthy_by_its_own_check() {
  equal 'the check' '["CMD","/service","healthcheck"]' \
    "$(docker image inspect --format '{{json .Config.Healthcheck.Test}}' "$TESTED")"
  # Also at another port, since the check uses the settings of the service.
  service healthy
  docker run --detach --name elsewhere --env PORT=9999 "$TESTED"
  eventually 40 is_health healthy healthy
  eventually 40 is_health elsewhere healthy
  docker rm --force healthy elsewhere
}

# CLI-2, IMG-2
a_service_that_hangs_becomes_unhealthy() {
  service hanging --health-interval 1s --health-timeout 1s --health-retries 2
  eventually 20 is_health hanging healthy
  kill -STOP "$(main_process hanging)"
  eventually 30 is_health hanging unhealthy
  kill -CONT "$(main_process hanging)"
  eventually 20 is_health hanging healthy
  docker rm --force hanging
}

readonly LOCKED=(--read-only --cap-drop ALL --security-opt no-new-privileges --pids-limit 64 --memory 64m)

# IMG-3
it_runs_read_only_without_capabilities() {
  service locked "${LOCKED[@]}"
  local set
  for set in CapInh CapPrm CapEff CapBnd CapAmb; do
    equal "$set" 0000000000000000 "$(status_line locked "$set")"
  done
  equal NoNewPrivs 1 "$(status_line locked NoNewPrivs)"
  equal 'the banner' "$SERVICE is running (Rust + Axum)" "$(curl --silent "http://$(address locked)/")"
  docker stop locked
  equal 'exit status' 0 "$(inspect locked '{{.State.ExitCode}}')"
  equal 'errors' '' "$(docker logs locked 2>&1 >/dev/null)"
  docker rm locked
}

# IMG-3
it_writes_nothing_where_it_could() {
  local path
  service writable
  for path in / /info /health /metrics /nowhere; do
    curl --silent --output /dev/null "http://$(address writable)$path"
  done
  docker stop writable
  equal 'files that have changed' '' "$(docker diff writable)"
  docker rm writable
}

# stop NAME [ARGUMENT...]: `docker stop` of a service that is running; sets `took`, in milliseconds.
stop() {
  local name=$1 since
  shift
  since=$(milliseconds)
  docker stop "$@" "$name"
  took=$(($(milliseconds) - since))
}

docker_stop_ends_it_in_time_with_status_0() {
  local took=
  service stopped
  curl --silent "http://$(address stopped)/"
  stop stopped
  seen "docker stop took $took ms"
  equal 'exit status' 0 "$(inspect stopped '{{.State.ExitCode}}')"
  # The default hard limit; the engine itself would kill after 10 s.
  ((took < 8000))
  docker rm stopped
}

docker_stop_waits_for_the_drain_delay() {
  local took=
  service draining --env DRAIN_DELAY=2s
  stop draining
  seen "docker stop took $took ms with DRAIN_DELAY=2s"
  equal 'exit status' 0 "$(inspect draining '{{.State.ExitCode}}')"
  ((took >= 2000 && took < 10000))
  docker logs draining | tail -n 1 | grep -E '"message":"shutdown_complete".*"lameDuckMs":2[0-9]{3},'
  docker rm draining
}

is_over() {
  [[ $(inspect "$1" '{{.State.Running}}') == false ]]
}

the_first_process_hears_each_signal_that_ends_it() {
  local signal
  for signal in TERM INT QUIT; do
    service "signal-$signal"
    # It is the first process of its own namespace, without an init process.
    equal 'its id inside' 1 "$(status_line "signal-$signal" NSpid | awk '{ print $NF }')"
    docker kill --signal "$signal" "signal-$signal"
    eventually 15 is_over "signal-$signal"
    equal "status after SIG$signal" 0 "$(inspect "signal-$signal" '{{.State.ExitCode}}')"
    docker logs "signal-$signal" | tail -n 1 | grep "\"message\":\"shutdown_complete\".*\"reason\":\"SIG$signal\""
    docker rm "signal-$signal"
  done
}

a_mistake_in_the_settings_is_status_78() {
  local status=0
  docker run --rm --env PORT=70000 "$TESTED" >"$STATE/mistake.out" 2>"$STATE/mistake.err" || status=$?
  equal 'exit status' 78 "$status"
  grep 'PORT="70000"' "$STATE/mistake.err"
  equal records 1 "$(grep -c '"message":"config_invalid"' "$STATE/mistake.out")"
}

the_daemon_sees_json_and_nothing_else() {
  service logged
  local number
  for number in $(seq 50); do
    curl --silent --output /dev/null "http://$(address logged)/?number=$number"
  done
  docker stop logged
  equal 'standard error' '' "$(docker logs logged 2>&1 >/dev/null)"
  docker logs logged 2>/dev/null | python3 deploy/checks/records.py --access 50 --last shutdown_complete
  docker rm logged
}

# Engines split their input into pieces of 16 KiB. A request of the maximum length makes the longest
# possible record.
the_daemon_splits_no_record() {
  service long
  local encoded quotes
  encoded=$(printf '%%22%%5C%%0A%.0s' $(seq 400))
  quotes=$(printf '\\"%.0s' $(seq 2000))
  curl --silent --output /dev/null --user-agent "$quotes" \
    --header "X-Request-ID: $(printf 'x%.0s' $(seq 128))" "http://$(address long)/$encoded?q=$encoded"
  docker stop long
  # Each entry of the engine's file ends with the line end of its record.
  python3 - "$(inspect long '{{.LogPath}}')" <<'PYTHON'
import json, sys
entries = [json.loads(line)["log"] for line in open(sys.argv[1])]
assert all(entry.endswith("\n") for entry in entries)
assert all(isinstance(json.loads(entry), dict) for entry in entries)
assert max(map(len, entries)) > 4096
print("seen: longest record has", max(map(len, entries)), "bytes")
PYTHON
  docker rm long
}

the_binary_knows_its_dependencies() {
  binary
  python3 deploy/checks/materials.py "$STATE/service" --contains hyper rustls plimsoll mimalloc
}

the_bill_of_materials_lists_what_is_in_the_binary() {
  binary
  rm -rf "$STATE/sbom"
  build_image --target sbom --output "$STATE/sbom" "${BUILD_ARGUMENTS[@]}"
  python3 deploy/checks/materials.py "$STATE/service" --bill "$STATE/sbom/service.cdx.json"
}

# IMG-1
the_tests_run_inside_the_build_if_asked() {
  build_image --tag "$TESTED-tested" --build-arg RUN_TESTS=true "${BUILD_ARGUMENTS[@]}" 2>&1 | tee "$STATE/tested.log"
  # The test step: the tests passed, or had passed before with the same files.
  local step
  step=$(sed -n 's/^#\([0-9]*\) \[tested-true .*RUN cargo test.*/\1/p' "$STATE/tested.log" | head -n 1)
  [[ -n $step ]]
  grep -E "^#$step (CACHED|.*test result: ok)" "$STATE/tested.log"
  # The tested binary equals the binary of a build without tests.
  equal layers "$(docker image inspect --format '{{json .RootFS.Layers}}' "$TESTED")" \
    "$(docker image inspect --format '{{json .RootFS.Layers}}' "$TESTED-tested")"
  # A value other than true or false makes no image without tests.
  if build_image --build-arg RUN_TESTS=yes; then
    fail 'RUN_TESTS=yes was taken for false'
  fi
}

# IMG-1: all code of the service is compiled again, by the same compiler.
two_builds_make_the_same_layers() {
  build_image --target toolchain --tag deploy-test/toolchain
  build_image --no-cache --build-arg TOOLCHAIN=deploy-test/toolchain --tag "$TESTED-again" \
    "${BUILD_ARGUMENTS[@]}"
  equal layers "$(docker image inspect --format '{{json .RootFS.Layers}}' "$TESTED")" \
    "$(docker image inspect --format '{{json .RootFS.Layers}}' "$TESTED-again")"
}
