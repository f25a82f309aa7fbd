"""The routes."""

from django.urls import path

from infra import views

urlpatterns = [
    path("", views.root),
    path("info", views.info),
    path("health", views.health),
    path("ready", views.ready),
    path("metrics", views.metrics),
]
