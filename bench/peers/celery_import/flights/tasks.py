"""One task writes one batch of rows."""

from datetime import datetime

from celery import shared_task

from flights.models import Flight

NULLS = {"", "NA"}


def integer(cell):
    return None if cell in NULLS else int(cell)


def text(cell):
    return None if cell in NULLS else cell


# Of each column: its name, and how a cell of the file becomes its value.
COLUMNS = [
    ("year", integer),
    ("month", integer),
    ("day", integer),
    ("dep_time", integer),
    ("sched_dep_time", integer),
    ("dep_delay", integer),
    ("arr_time", integer),
    ("sched_arr_time", integer),
    ("arr_delay", integer),
    ("carrier", text),
    ("flight", integer),
    ("tailnum", text),
    ("origin", text),
    ("dest", text),
    ("air_time", integer),
    ("distance", integer),
    ("hour", integer),
    ("minute", integer),
    ("time_hour", datetime.fromisoformat),
]


@shared_task
def insert(rows):
    flights = [Flight(**{name: value(cell) for (name, value), cell in zip(COLUMNS, row)}) for row in rows]
    Flight.objects.bulk_create(flights)
    return len(flights)
