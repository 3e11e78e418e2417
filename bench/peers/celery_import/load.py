"""Reads the file, hands its rows to the workers in batches, waits for them, and prints how long that took.

    python load.py FILE BATCH ROWS     ROWS = 0: all
"""

import csv
import gzip
import itertools
import json
import sys
import time

import app  # noqa: F401  names Django's settings

import django

django.setup()

from flights.tasks import insert  # noqa: E402


def main(path, batch, rows):
    began = time.monotonic()
    with gzip.open(path, "rt", newline="") as source:
        reader = csv.reader(source)
        next(reader)
        lines = itertools.islice(reader, rows or None)
        results = [insert.delay(part) for part in iter(lambda: list(itertools.islice(lines, batch)), [])]
    written = sum(result.get() for result in results)
    print(json.dumps({"rows": written, "seconds": time.monotonic() - began}))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
