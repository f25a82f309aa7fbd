# Substitutes for the base images, built from Debian's packages and this machine's toolchain, since no
# image registry is used. The Dockerfile accepts them as build arguments.
# shellcheck shell=bash

rust_version() {
  sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml
}

# builder_standin: replaces the official image of Rust, slim, on Debian.
builder_standin() {
  local version name root sysroot triple
  version=$(rust_version)
  name=stand-in/rust:$version
  if docker image inspect "$name" >/dev/null 2>&1; then
    return 0
  fi
  triple=$(uname -m)-unknown-linux-gnu
  root=$STATE/rootfs-rust
  rm -rf "$root"
  debootstrap --variant=minbase --include=ca-certificates,gcc,libc6-dev bookworm "$root"
  rm -rf "$root"/var/cache/apt/archives/*.deb
  sysroot=$(readlink -f "$(rustc "+$version" --print sysroot)")
  mkdir -p "$root/usr/local/rustup/toolchains/$version-$triple" "$root/usr/local/cargo/bin"
  tar -C "$sysroot" --exclude=./share/doc -c . |
    tar -C "$root/usr/local/rustup/toolchains/$version-$triple" -x
  cp "$(rustup_program)" "$root/usr/local/cargo/bin/rustup"
  ln -s rustup "$root/usr/local/cargo/bin/cargo"
  ln -s rustup "$root/usr/local/cargo/bin/rustc"
  ln -s rustup "$root/usr/local/cargo/bin/rustdoc"
  printf 'version = "12"\ndefault_toolchain = "%s-%s"\nprofile = "minimal"\n' \
    "$version" "$triple" >"$root/usr/local/rustup/settings.toml"
  # The authorities that this machine trusts, for crates that are fetched during the build.
  mkdir "$root/usr/local/share/stand-in"
  cp /etc/ssl/certs/ca-certificates.crt "$root/usr/local/share/stand-in/"
  tar -C "$root" -c . | docker import \
    --change "ENV PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin RUSTUP_HOME=/usr/local/rustup CARGO_HOME=/usr/local/cargo SSL_CERT_FILE=/usr/local/share/stand-in/ca-certificates.crt CARGO_HTTP_CAINFO=/usr/local/share/stand-in/ca-certificates.crt" \
    - "$name"
  rm -rf "$root"
}

# `rustc` and `cargo` are links to it, too.
rustup_program() {
  readlink -f "$(command -v rustup)"
}

# build_image ARGUMENT...: builds the real Dockerfile on the substitute.
# It uses this machine's network, since the engine's own network is not forwarded.
build_image() {
  docker build --network host --progress plain --file deploy/Dockerfile \
    --build-arg "BUILDER=stand-in/rust:$(rust_version)" "$@" .
}

# The image that all parts check, and its build arguments.
readonly TESTED=deploy-test/service:image
readonly SERVICE=deploy-test VERSION=9.8.7 BUILD_TIME=2026-01-02T03:04:05Z REVISION=0123abcd
readonly BUILD_ARGUMENTS=(--build-arg "SERVICE_NAME=$SERVICE" --build-arg "VERSION=$VERSION"
  --build-arg "BUILD_TIME=$BUILD_TIME" --build-arg "REVISION=$REVISION")

# image_under_test: built unless it exists with the same sources.
image_under_test() {
  builder_standin
  build_image --tag "$TESTED" "${BUILD_ARGUMENTS[@]}"
}

# systemd_standin: a machine started by systemd, in Debian's smallest variant.
systemd_standin() {
  local root=$STATE/rootfs-systemd
  if docker image inspect stand-in/systemd >/dev/null 2>&1; then
    return 0
  fi
  rm -rf "$root"
  debootstrap --variant=minbase --include=systemd,dbus,curl,procps bookworm "$root"
  rm -rf "$root"/var/cache/apt/archives/*.deb
  tar -C "$root" -c . | docker import - stand-in/systemd
  rm -rf "$root"
}

# watchers_standin: replaces the official images of nginx, Prometheus and Alertmanager, with the same
# paths and commands.
watchers_standin() {
  systemd_standin
  docker build --network host --tag stand-in/watchers - <<'DOCKERFILE'
FROM stand-in/systemd
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        nginx-light prometheus prometheus-alertmanager \
    && rm -f /etc/nginx/sites-enabled/default
DOCKERFILE
  docker build --tag stand-in/nginx - <<'DOCKERFILE'
FROM stand-in/watchers
CMD ["/usr/sbin/nginx", "-g", "daemon off;"]
DOCKERFILE
  docker build --tag stand-in/prometheus - <<'DOCKERFILE'
FROM stand-in/watchers
CMD ["/usr/bin/prometheus", "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
DOCKERFILE
  docker build --tag stand-in/alertmanager - <<'DOCKERFILE'
FROM stand-in/watchers
CMD ["/usr/bin/prometheus-alertmanager", "--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/tmp"]
DOCKERFILE
}
