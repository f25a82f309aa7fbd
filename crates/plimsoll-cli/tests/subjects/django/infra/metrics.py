"""The metrics of this process: each worker of gunicorn has its own."""

from django.conf import settings
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, exposition

LABELS = ["service", "method", "path", "status"]

registry = CollectorRegistry()
requests = Counter("http_requests_total", "Requests", LABELS, registry=registry)
durations = Histogram(
    "http_request_duration_seconds", "Duration of requests", LABELS, registry=registry
)
build_info = Gauge(
    "build_info", "This build", ["service", "version", "build_time"], registry=registry
)
build_info.labels(settings.SERVICE_NAME, settings.VERSION, settings.BUILD_TIME).set(1)


def observe(method, path, status, seconds):
    labels = (settings.SERVICE_NAME, method, path, str(status))
    requests.labels(*labels).inc()
    durations.labels(*labels).observe(seconds)


def scrape(accept):
    """Returns the samples in a format that the client accepts, and its media type."""
    encode, media_type = exposition.choose_encoder(accept)
    return encode(registry), media_type
