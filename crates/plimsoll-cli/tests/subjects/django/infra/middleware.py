"""Gives each request an id, a count and an access record."""

import ipaddress
import logging
import time

from django.conf import settings

from infra import metrics, request_id

INFRA = {"/health", "/ready", "/metrics"}

log = logging.getLogger("http")


def client_ip(request):
    """Returns the left-most forwarded address if the peer is a trusted proxy."""
    peer = request.META.get("REMOTE_ADDR", "")
    forwarded = request.headers.get("X-Forwarded-For", "")
    if forwarded and is_trusted(peer):
        return forwarded.split(",")[0].strip()
    return peer


def is_trusted(peer):
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return any(address in network for network in settings.TRUSTED_PROXIES)


def route_of(request):
    match = request.resolver_match
    return f"/{match.route}" if match else "__unmatched__"


def level_of(status):
    if status >= 500:
        return logging.ERROR
    return logging.WARNING if status >= 400 else logging.INFO


class ObservedRequest:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        token = request_id.begin(request)
        began = time.perf_counter()
        try:
            response = self.get_response(request)
            response["X-Request-ID"] = request_id.current.get()
            self.finish(request, response, time.perf_counter() - began)
            return response
        finally:
            request_id.current.reset(token)

    def finish(self, request, response, seconds):
        path = route_of(request)
        metrics.observe(request.method, path, response.status_code, seconds)
        if path in INFRA:
            return
        log.log(level_of(response.status_code), "http_request", extra={
            "service": settings.SERVICE_NAME,
            "version": settings.VERSION,
            "buildTime": settings.BUILD_TIME,
            "status": response.status_code,
            "method": request.method,
            "path": path,
            "rawPath": request.path,
            "query": request.META.get("QUERY_STRING", ""),
            "ip": client_ip(request),
            "latencyMs": round(seconds * 1000, 3),
            "userAgent": request.headers.get("User-Agent", ""),
        })
