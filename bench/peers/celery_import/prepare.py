"""Makes the table, and waits for the workers: as many as the argument says."""

import json
import sys
import time

import app  # noqa: F401  names Django's settings

import django

django.setup()

from django.db import connection  # noqa: E402

from flights.models import Flight  # noqa: E402

with connection.schema_editor() as schema:
    schema.create_model(Flight)
deadline = time.monotonic() + 60
while len(app.app.control.ping(timeout=1)) < int(sys.argv[1]):
    if time.monotonic() > deadline:
        sys.exit("the workers do not answer")
print(json.dumps({"table": Flight._meta.db_table}))
