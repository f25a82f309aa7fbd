# The unit and its socket under a real systemd, the first process of a container.
# shellcheck shell=bash

part_systemd() {
  need 'the engine' debian_tools docker.io debootstrap
  need 'an engine of its own' engine_start
  need 'the image, for its binary' image_under_test
  need 'a machine with systemd' systemd_standin
  need 'that machine started, with the unit on it' machine_start
  check the_unit_is_ready_with_its_hardening_and_its_key
  check whoever_connects_during_a_restart_of_the_unit_is_served
  check systemd_ends_the_unit_with_status_0
  check a_unit_that_shows_no_sign_of_life_is_started_again
  leave_out 'the unit on a machine that systemd has booted: it ran in a container, whose limit of open files is lower'
}

inside() {
  docker exec machine "$@"
}

property() {
  inside systemctl show --property "$1" --value rust-axum-app.service
}

machine_start() {
  # Only the privileges that systemd needs to create namespaces for its services. Mounts are shared, as
  # on a machine; otherwise credentials are not passed. With the unified cgroup hierarchy it must write
  # to its own group, by systemd's documentation; this was tested with the older hierarchy only.
  local groups=(--volume /sys/fs/cgroup:/sys/fs/cgroup:ro)
  if [[ $(stat --file-system --format %T /sys/fs/cgroup) == cgroup2fs ]]; then
    groups=(--cgroupns private --volume /sys/fs/cgroup:/sys/fs/cgroup:rw)
  fi
  docker run --detach --name machine --cap-add SYS_ADMIN --cap-add SYS_PTRACE \
    --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
    --tmpfs /run:exec --tmpfs /run/lock --tmpfs /tmp "${groups[@]}" \
    stand-in/systemd /bin/sh -c 'mount --make-rshared / && exec /lib/systemd/systemd'
  eventually 30 inside systemctl is-system-running
  docker create --name unit-binary "$TESTED"
  docker cp unit-binary:/service "$STATE/service"
  docker rm unit-binary
  # The commands at the top of the unit.
  inside mkdir /etc/rust-axum-app
  docker cp "$STATE/service" machine:/usr/local/bin/rust-axum-app
  docker cp services/rust-axum-app/.env.prod machine:/etc/rust-axum-app/env
  inside sh -c 'umask 077 && echo "a key of a test" >/etc/rust-axum-app/secret-key'
  docker cp deploy/systemd/rust-axum-app.service machine:/etc/systemd/system/
  docker cp deploy/systemd/rust-axum-app.socket machine:/etc/systemd/system/
  inside systemctl daemon-reload
  inside systemctl enable --now rust-axum-app.socket rust-axum-app.service
}

the_unit_is_ready_with_its_hardening_and_its_key() {
  equal state active "$(property ActiveState)"
  inside curl --silent --fail http://127.0.0.1:8080/ready
  # The data that alerts need is not hidden from it.
  inside curl --silent http://127.0.0.1:8080/metrics | grep '^process_start_time_seconds [0-9]'
  local pid
  pid=$(property MainPID)
  inside grep '^CapEff:.*0000000000000000$' "/proc/$pid/status"
  inside grep '^NoNewPrivs:.*1$' "/proc/$pid/status"
  inside grep '^Seccomp:.*2$' "/proc/$pid/status"
}

# One request after another, each over its own connection, while the unit restarts.
whoever_connects_during_a_restart_of_the_unit_is_served() {
  local before
  before=$(property MainPID)
  docker exec --detach machine sh -c 'n=0; while [ ! -e /tmp/enough ]; do
    curl --silent --fail --max-time 10 --output /dev/null http://127.0.0.1:8080/ || echo lost >>/tmp/lost
    n=$((n + 1)); echo $n >/tmp/asked; done; touch /tmp/over'
  eventually 10 inside test -s /tmp/asked
  inside systemctl restart rust-axum-app.service
  inside systemctl restart rust-axum-app.service
  inside touch /tmp/enough
  [[ $before != "$(property MainPID)" ]]
  seen "$(inside cat /tmp/asked) requests beside two restarts"
  # The last request may still be waiting.
  eventually 15 inside test -e /tmp/over
  inside test ! -e /tmp/lost
}

systemd_ends_the_unit_with_status_0() {
  inside systemctl stop rust-axum-app.socket rust-axum-app.service
  equal result success "$(property Result)"
  equal status 0 "$(property ExecMainStatus)"
  inside systemctl start rust-axum-app.socket rust-axum-app.service
}

was_started_again() {
  [[ $(property NRestarts) -ge 1 && $(property ActiveState) == active ]]
}

a_unit_that_shows_no_sign_of_life_is_started_again() {
  inside kill -STOP "$(property MainPID)"
  eventually 60 was_started_again
  inside curl --silent --fail http://127.0.0.1:8080/ready
}
