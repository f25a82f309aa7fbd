"""The endpoints."""

from django.conf import settings
from django.http import HttpResponse, JsonResponse

from infra import metrics as service_metrics
from infra.readiness import state


def root(request):
    text = f"{settings.SERVICE_NAME} is running (Python + Django)\n"
    return HttpResponse(text, content_type="text/plain")


def info(request):
    return JsonResponse({
        "service": settings.SERVICE_NAME,
        "version": settings.VERSION,
        "buildTime": settings.BUILD_TIME,
    })


def health(request):
    return HttpResponse("ok", content_type="text/plain")


def ready(request):
    if state.is_ready:
        return HttpResponse("ready", content_type="text/plain")
    return HttpResponse("not ready", status=503, content_type="text/plain")


def metrics(request):
    body, media_type = service_metrics.scrape(request.headers.get("Accept", ""))
    return HttpResponse(body, content_type=media_type)
