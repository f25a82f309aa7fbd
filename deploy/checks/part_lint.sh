# Static checks of the files.
# shellcheck shell=bash

part_lint() {
  need 'linters' python_tools
  check hadolint_finds_nothing
  check actionlint_finds_nothing
  check shellcheck_finds_nothing
  leave_out 'the release workflow: it takes GitHub to run it, and actionlint reads it only'
}

hadolint_finds_nothing() {
  "$STATE/venv/bin/hadolint" deploy/Dockerfile
}

actionlint_finds_nothing() {
  PATH=$STATE/venv/bin:$PATH "$STATE/venv/bin/actionlint"
}

shellcheck_finds_nothing() {
  "$STATE/venv/bin/shellcheck" --external-sources deploy/test deploy/checks/*.sh .ci/run bench/run
}
