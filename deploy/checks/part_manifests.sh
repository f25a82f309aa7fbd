# Kubernetes: overlays built by kustomize, checked against the schemas and against the binary.
# shellcheck shell=bash

part_manifests() {
  need 'kubectl and the schemas of Kubernetes' python_tools
  need 'the service, for its --check-config' cargo build --locked --quiet --package rust-axum-app
  check kustomize_builds_every_overlay
  check every_object_fits_the_schemas_of_kubernetes
  check pods_meet_the_restricted_standard
  check what_objects_say_of_each_other_is_so
  check the_service_accepts_the_settings_of_every_overlay
  leave_out 'the manifests on a cluster: this test brings none; they were built, and checked against schemas and the binary'
  leave_out 'the schema of ServiceMonitor: it comes with the Prometheus operator, and only its references were checked'
}

kustomize_builds_every_overlay() {
  local overlay
  for overlay in dev int prod; do
    "$STATE/venv/bin/kubectl" kustomize "deploy/kubernetes/overlays/$overlay" >"$STATE/$overlay.yaml"
    seen "$overlay: $(grep -c '^kind:' "$STATE/$overlay.yaml") objects"
  done
  seen "$("$STATE/venv/bin/kubectl" version --client | tr '\n' ' ')"
}

# manifests CHECK: runs a check on the output of kustomize.
manifests() {
  local overlay
  for overlay in dev int prod; do
    "$PYTHON" deploy/checks/manifests.py "$1" "$STATE/$overlay.yaml" "$BINARY"
  done
}

every_object_fits_the_schemas_of_kubernetes() {
  manifests schemas
}

pods_meet_the_restricted_standard() {
  manifests restricted
}

what_objects_say_of_each_other_is_so() {
  manifests references
}

the_service_accepts_the_settings_of_every_overlay() {
  manifests settings
}
