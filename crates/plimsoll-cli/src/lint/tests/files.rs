//! Files that keep every rule. Each test breaks one of them in one line.

/// A pod that keeps every rule. Lines are numbered in the tests.
pub(super) const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: shop, labels: {app: shop}}
spec:
  terminationGracePeriodSeconds: 30
  containers:
    - name: shop
      image: registry.example.com:5000/shop:1
      env:
        - {name: ADMIN_ADDR, value: '0.0.0.0:9090'}
        - {name: SHUTDOWN_TIMEOUT, value: 15s}
        - {name: MAX_CONNECTIONS, value: '1000'}
        - {name: MAX_BODY_BYTES, value: 64KiB}
        - {name: TRUSTED_PROXIES, value: 10.1.0.0/16}
        - {name: SECRET_KEY, valueFrom: {secretKeyRef: {name: a, key: b}}}
      ports:
        - {name: http, containerPort: 8080}
      livenessProbe: {httpGet: {path: /health, port: 9090}}
      readinessProbe:
        httpGet: {path: /ready, port: http}
        periodSeconds: 2
        failureThreshold: 2
      resources:
        limits:
          memory: 256Mi
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec:
  selector: {app: shop}
  ports:
    - {port: 80, targetPort: http}
";

/// A Compose file that keeps every rule.
pub(super) const STACK: &str = "\
services:
  app:
    image: shop
    env_file: prod.env
    environment:
      TRUSTED_PROXIES: 172.28.0.2
    ports: ['8084:8080']
    stop_grace_period: 15s
    mem_limit: 4G
    ulimits: {nofile: 8192}
";

pub(super) const ENV: &str = "MAX_CONNECTIONS=4096\nSHUTDOWN_TIMEOUT=5s\nMAX_BODY_BYTES=2MiB\n";

/// A configuration of nginx that keeps every rule for the Compose file.
pub(super) const NGINX: &str = "\
upstream shop {
    server app:8080;
    keepalive 8;
    keepalive_timeout 25s;
}
server {
    location / {
        proxy_pass http://shop;
        proxy_read_timeout 35s;
    }
    location ~ ^/(metrics|health|healthz|livez|ready|readyz|startupz)$ {
        return 404;
    }
}
";

pub(super) const HAPROXY: &str = "\
frontend public
    http-request deny if { path /metrics /health /healthz /livez /ready /readyz /startupz }
    default_backend shop
backend shop
    timeout server 35s
    option httpchk GET /ready
    server one app:8080 check inter 1s fall 2
";

pub(super) const UNIT: &str = "\
[Service]
ExecStart=/usr/bin/shop
Environment=MAX_CONNECTIONS=2048 MAX_BODY_BYTES=64KiB
LimitNOFILE=65536
MemoryMax=256M
TimeoutStopSec=15
Restart=on-failure
RestartPreventExitStatus=78
SuccessExitStatus=3
";

pub(super) const STACK_FILES: [(&str, &str); 2] = [("compose.yml", STACK), ("prod.env", ENV)];
pub(super) const PROXY_FILES: [(&str, &str); 3] =
    [("compose.yml", STACK), ("prod.env", ENV), ("a.conf", NGINX)];
pub(super) const BALANCER_FILES: [(&str, &str); 3] = [
    ("compose.yml", STACK),
    ("prod.env", "MAX_CONNECTIONS=4096\nDRAIN_DELAY=5s\n"),
    ("a.cfg", HAPROXY),
];
