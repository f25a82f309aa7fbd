"""The id of the request that the current context serves, in all records."""

import contextvars
import logging
import uuid

current = contextvars.ContextVar("request_id", default="-")


def begin(request):
    """Keeps the id of the client, or generates one. Returns the token that ends it."""
    return current.set(request.headers.get("X-Request-ID") or uuid.uuid4().hex)


class RequestIdFilter(logging.Filter):
    def filter(self, record):
        record.request_id = current.get()
        return True
