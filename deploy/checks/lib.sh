# Shared by all parts: checks, their results, and the summary.
#
# A check is a function named after the property that it checks. `check NAME` runs it in a subshell,
# where the first failing command ends it. The contract names checks by these names.
# shellcheck shell=bash

passed=0
failures=()
not_run=()
began=$SECONDS

# check NAME: runs one check; its output is shown only if it fails, except lines `seen: …`.
check() {
  local name=$1 output status since=$SECONDS
  # Not as the condition of an `if`: bash would continue after failing commands in it.
  set +e
  output=$(
    set -e
    "$name" 2>&1
  )
  status=$?
  set -e
  if ((status == 0)); then
    passed=$((passed + 1))
    printf 'ok      %s (%d s)\n' "$name" "$((SECONDS - since))"
    grep '^seen: ' <<<"$output" | sed 's/^/          /' || true
  else
    failures+=("$name")
    printf 'FAILED  %s (%d s)\n' "$name" "$((SECONDS - since))"
    tail -n 60 <<<"$output" | sed 's/^/        | /'
  fi
}

# leave_out WHAT: reports, now and in the summary, a check that this run skips.
leave_out() {
  not_run+=("$1")
  printf 'NOT RUN %s\n' "$1"
}

# need WHAT COMMAND...: a step that all later steps require.
need() {
  local what=$1 since=$SECONDS status
  shift
  # As in `check`, for the same reason.
  set +e
  (
    set -e
    "$@"
  ) >"$STATE/need.log" 2>&1
  status=$?
  set -e
  if ((status != 0)); then
    tail -n 60 "$STATE/need.log" >&2
    printf 'deploy/test: cannot continue without: %s\n' "$what" >&2
    exit 1
  fi
  printf 'have    %s (%d s)\n' "$what" "$((SECONDS - since))"
}

seen() {
  printf 'seen: %s\n' "$*"
}

fail() {
  printf '%s\n' "$*" >&2
  return 1
}

# equal WHAT EXPECTED SEEN
equal() {
  [[ $2 == "$3" ]] || fail "$1: expected \"$2\", saw \"$3\""
}

# eventually SECONDS COMMAND...: retries until it succeeds, for a limited time.
eventually() {
  local until=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= until)); then
      fail "timed out: $*"
      # If the shell continues after a failure, the loop must still end.
      return 1
    fi
    sleep 0.1
  done
}

milliseconds() {
  date +%s%3N
}

# A port that is free at this moment.
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

at_exit() {
  local status=$?
  engine_stop
  if ((status != 0 && ${#failures[@]} == 0)); then
    printf '\ndeploy/test: aborted with status %d\n' "$status" >&2
  fi
}

closing() {
  local what
  printf '\n'
  for what in ${not_run[@]+"${not_run[@]}"}; do
    printf 'not run: %s\n' "$what"
  done
  for what in ${failures[@]+"${failures[@]}"}; do
    printf 'failed: %s\n' "$what"
  done
  printf 'after %d s\n' "$((SECONDS - began))"
  printf '%d passed, %d failed\n' "$passed" "${#failures[@]}"
  ((${#failures[@]} == 0))
}
