"""Tasks of 50 ms that leave a row, with the settings that Celery has for work that must not get lost: a task is
acknowledged when it is done, a worker keeps no more tasks than it works on, and what a lost process had goes back."""

import functools
import os
import time

import psycopg
from celery import Celery

app = Celery("recovery", broker=os.environ["REDIS_URL"])
app.conf.task_acks_late = True
app.conf.task_reject_on_worker_lost = True
app.conf.worker_prefetch_multiplier = 1
app.conf.task_ignore_result = True
app.conf.broker_connection_retry_on_startup = True


@functools.cache
def database():
    return psycopg.connect("", autocommit=True)  # of each process, kept; PGHOST and the others say where


@functools.cache
def journal():
    return os.open(os.environ["STARTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


@app.task
def work(item):
    os.write(journal(), f"{item} {time.time_ns()}\n".encode())
    time.sleep(0.05)
    database().execute("INSERT INTO bench.effect (item) VALUES (%s)", (item,))
