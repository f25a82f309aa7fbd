"""Logs the start of each worker."""

import logging

from django.apps import AppConfig


class InfraConfig(AppConfig):
    name = "infra"

    def ready(self):
        logging.getLogger("infra").info("infra_app_ready")
