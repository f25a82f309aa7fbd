"""Checks the output of kustomize for one overlay.

manifests.py schemas|restricted|references|settings RENDERED BINARY
"""

import re
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

# Hooks and the flush of the log.
HARD_LIMIT = "# hard limit: "

what, rendered, binary = sys.argv[1:]
with open(rendered, encoding="utf-8") as file:
    objects = list(yaml.safe_load_all(file))
by_kind = {item["kind"]: item for item in objects}
assert len(by_kind) == len(objects), "one object of each kind"
namespace = by_kind["Namespace"]["metadata"]["name"]
deployment = by_kind["Deployment"]["spec"]
labels = deployment["template"]["metadata"]["labels"]
pod = deployment["template"]["spec"]
(container,) = pod["containers"]


def schemas():
    """Each object is valid in the newest known Kubernetes, without unknown fields."""
    version = kubernetes_validate.latest_version()
    checked = 0
    for item in objects:
        if item["kind"] == "ServiceMonitor":
            continue
        kubernetes_validate.validate(item, version, strict=True)
        checked += 1
    print(f"seen: {namespace}: {checked} objects fit Kubernetes {version}")


def restricted():
    """The pod security standard "restricted", and a read-only root file system."""
    assert by_kind["Namespace"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for name in ["hostNetwork", "hostPID", "hostIPC"]:
        assert not pod.get(name), name
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] == context["runAsGroup"] == 10001
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    context = container["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert pod["automountServiceAccountToken"] is False
    kinds = {kind for volume in pod.get("volumes", []) for kind in volume if kind != "name"}
    assert kinds <= {"secret", "configMap", "projected"}, kinds
    for kind in ["requests", "limits"]:
        assert set(container["resources"][kind]) == {"cpu", "memory"}, kind


def selects(selector):
    assert selector.items() <= labels.items(), selector


def references():
    """Names that refer to other objects are names of existing objects."""
    for item in objects:
        if item["kind"] != "Namespace":
            assert item["metadata"]["namespace"] == namespace, item["kind"]
    ports = {port["name"] for port in container["ports"]}
    selects(deployment["selector"]["matchLabels"])
    for constraint in pod["topologySpreadConstraints"]:
        selects(constraint["labelSelector"]["matchLabels"])
    service = by_kind["Service"]
    selects(service["spec"]["selector"])
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    selects(by_kind["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"])
    policy = by_kind["NetworkPolicy"]["spec"]
    selects(policy["podSelector"]["matchLabels"])
    assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} <= ports
    target = by_kind["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert target["name"] == by_kind["Deployment"]["metadata"]["name"]
    # A number here would replace that of the autoscaler at every apply.
    assert "replicas" not in deployment
    monitor = by_kind["ServiceMonitor"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    named = {port["name"] for port in service["spec"]["ports"]}
    assert {endpoint["port"] for endpoint in monitor["endpoints"]} <= named
    (source,) = container["envFrom"]
    # The generated name, with the hash of its content.
    assert source["configMapRef"]["name"] == by_kind["ConfigMap"]["metadata"]["name"]
    assert re.search(r"-[a-z0-9]{10}$", source["configMapRef"]["name"])
    assert pod["serviceAccountName"] == by_kind["ServiceAccount"]["metadata"]["name"]
    for name in ["startupProbe", "livenessProbe", "readinessProbe"]:
        assert container[name]["httpGet"]["port"] in ports
    # The secret is referenced, and is not in version control.
    assert "Secret" not in by_kind
    assert namespace != "rust-axum-app-prod" or "SECRET_KEY" not in by_kind["ConfigMap"]["data"]


def seconds(text):
    number, unit = re.fullmatch(r"([0-9.]+)(ms|s|m)", text).groups()
    return float(number) * {"ms": 0.001, "s": 1, "m": 60}[unit]


def settings():
    """The service starts with the environment of the pod, as the kubelet creates it."""
    environment = dict(by_kind["ConfigMap"]["data"])
    environment |= {item["name"]: item["value"] for item in container["env"]}
    environment["KUBERNETES_SERVICE_HOST"] = "10.0.0.1"
    with tempfile.NamedTemporaryFile("w") as key:
        key.write("a key of a test")
        key.flush()
        if "SECRET_KEY_FILE" in environment:
            paths = [mount["mountPath"] for mount in container["volumeMounts"]]
            assert environment["SECRET_KEY_FILE"].rsplit("/", 1)[0] in paths
            environment["SECRET_KEY_FILE"] = key.name
        run = subprocess.run(
            [binary, "--check-config"], env=environment, capture_output=True, text=True, check=False
        )
    assert run.returncode == 0, run.stderr
    # The development overlay sets DEBUG=true, which `--check-config` warns about.
    warnings = [line for line in run.stderr.splitlines() if not line.startswith("warning: DEBUG=true: ")]
    assert not warnings, run.stderr
    lines = run.stdout.splitlines()
    pairs = (line.split(" # ")[0].split("=", 1) for line in lines if not line.startswith("#"))
    found = {name: value.strip() for name, value in pairs}
    (limit,) = (line for line in lines if line.startswith(HARD_LIMIT))
    budget = seconds(limit.removeprefix(HARD_LIMIT))
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": int(found["PORT"]), "admin": int(found["ADMIN_ADDR"].rsplit(":", 1)[1])}
    grace = pod["terminationGracePeriodSeconds"]
    print(f"seen: {namespace}: the end may take {budget:g} s, the cluster waits {grace} s")
    assert grace >= budget


{"schemas": schemas, "restricted": restricted, "references": references, "settings": settings}[what]()
