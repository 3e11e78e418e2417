"""Waits for the workers, hands in the tasks NAME/1 to NAME/COUNT, prints when it began.

    python send.py NAME COUNT WORKERS
"""

import json
import sys
import time

from app import app, work

name, count, workers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
deadline = time.monotonic() + 60
while len(app.control.ping(timeout=1)) < workers:
    if time.monotonic() > deadline:
        sys.exit("the workers do not answer")
began = time.time_ns()
for item in range(1, count + 1):
    work.delay(f"{name}/{item}")
print(json.dumps({"began": began}))
