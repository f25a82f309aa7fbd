"""The settings, all from the environment. A wrong value ends the start."""

import ipaddress
import logging
import os
import re

from django.core.exceptions import ImproperlyConfigured

UNITS = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600}
BOOLEANS = {
    "1": True, "true": True, "yes": True, "on": True,
    "0": False, "false": False, "no": False, "off": False,
}


def env(name, default):
    """Returns the value of a variable. An empty one is a missing one."""
    return os.environ.get(name) or default


def env_bool(name, default):
    value = env(name, default).strip().lower()
    if value not in BOOLEANS:
        raise ImproperlyConfigured(f"{name}={value!r} is no boolean; set true or false")
    return BOOLEANS[value]


def env_duration_seconds(name, default):
    value = env(name, default).strip()
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|)", value)
    seconds = float(match[1]) * UNITS[match[2]] if match else 0
    if seconds <= 0:
        raise ImproperlyConfigured(f"{name}={value!r} is no duration above 0, such as 5s")
    return seconds


def env_port(name, default):
    value = env(name, default).strip()
    if not value.isdecimal() or not 1 <= int(value) <= 65535:
        raise ImproperlyConfigured(f"{name}={value!r} is no port from 1 to 65535")
    return int(value)


def env_level(name, default):
    value = env(name, default).strip().upper()
    if value not in logging.getLevelNamesMapping():
        raise ImproperlyConfigured(f"{name}={value!r} is no level, such as INFO")
    return value


def env_networks(name):
    items = [item.strip() for item in env(name, "").split(",")]
    try:
        return [ipaddress.ip_network(item) for item in items if item]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error


SERVICE_NAME = env("SERVICE_NAME", "python-django-app")
VERSION = env("VERSION", "0.0.0-dev")
BUILD_TIME = env("BUILD_TIME", "unknown")

HOST = env("HOST", "0.0.0.0")
PORT = env_port("PORT", "8080")
READ_TIMEOUT = env_duration_seconds("READ_TIMEOUT", "5s")
IDLE_TIMEOUT = env_duration_seconds("IDLE_TIMEOUT", "120s")
SHUTDOWN_TIMEOUT = env_duration_seconds("SHUTDOWN_TIMEOUT", "5s")
TRUSTED_PROXIES = env_networks("TRUSTED_PROXIES")
LOG_LEVEL = env_level("LOG_LEVEL", "INFO")

TIME_ZONE = "UTC"
DEBUG = env_bool("DEBUG", "false")
SECRET_KEY = env("DJANGO_SECRET_KEY", "insecure-dev-secret")
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "django_app.urls"
INSTALLED_APPS = ["infra"]
MIDDLEWARE = [
    "infra.middleware.ObservedRequest",
    "django.middleware.security.SecurityMiddleware",
]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "infra.request_id.RequestIdFilter"}},
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "fmt": "%(asctime)s %(levelname)s %(name)s %(process)d %(threadName)s "
                   "%(message)s %(request_id)s",
        },
    },
    "handlers": {
        "stdout": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "formatter": "json",
            "filters": ["request_id"],
        },
    },
    "root": {"handlers": ["stdout"], "level": LOG_LEVEL},
    "loggers": {
        # Django's own record of a 404 would repeat the access record.
        "django.request": {"level": "ERROR"},
    },
}
