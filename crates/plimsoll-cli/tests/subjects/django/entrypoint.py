"""Replaces this process by gunicorn, which gets its options from the environment."""

import os
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))


def gunicorn(environ):
    """Returns the command."""
    host = environ.get("HOST", "0.0.0.0")
    port = environ.get("PORT", "8080")
    options = {
        "bind": f"{host}:{port}",
        "workers": environ.get("GUNICORN_WORKERS", "2"),
        "worker-class": environ.get("GUNICORN_WORKER_CLASS", "gthread"),
        "threads": environ.get("GUNICORN_THREADS", "4"),
        "timeout": environ.get("GUNICORN_TIMEOUT", "30"),
        "keep-alive": environ.get("GUNICORN_KEEPALIVE", "5"),
        "graceful-timeout": environ.get("GUNICORN_GRACEFUL_TIMEOUT", "5"),
        "chdir": FOLDER,
    }
    command = [sys.executable, "-u", "-m", "gunicorn", "django_app.wsgi:application"]
    for name, value in options.items():
        command += [f"--{name}", value]
    return command


if __name__ == "__main__":
    COMMAND = gunicorn(os.environ)
    os.execv(COMMAND[0], COMMAND)
