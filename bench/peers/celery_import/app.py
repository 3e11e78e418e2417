"""Celery with Redis as broker and for results, otherwise as it comes."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")

from celery import Celery  # noqa: E402

app = Celery("flights", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
app.conf.broker_connection_retry_on_startup = True
app.autodiscover_tasks(["flights"])
