"""Tasks of Celery that run once: though every host has a beat, and though a broker delivers a task
again, after a worker died or was slow.

    celery -A celery_app worker --beat
"""

import os
import pathlib
import time

from celery import Celery
from distributed_lock import DistributedLock, LockBusy, run_once

LOCKS = os.environ["DLOCK_URL"]
OUTBOX = pathlib.Path(os.environ["OUTBOX"])

app = Celery("shop", broker=os.environ["BROKER_URL"], backend=os.environ["BROKER_URL"])
app.conf.task_acks_late = True  # a task is delivered again if its worker dies
app.conf.beat_schedule = {"report": {"task": "celery_app.report", "schedule": 3600}}


@app.task
def report():
    """Each beat sends it. One in five minutes runs; that is longer than the clocks of hosts differ."""
    done = run_once(LOCKS, "report", lambda: mail("report"), at_least=300, at_most=1800)
    return "sent" if done else "another worker sends it, or did so just now"


@app.task(bind=True, max_retries=None)
def send_invoice(self, order):
    """The lock keeps two workers apart. That the order is done stands where its result is."""
    try:
        with DistributedLock(LOCKS, lock_name=f"invoice:{order}", wait=0) as lock:
            if is_sent(order):
                return "sent already"
            lock.ensure_held()  # a worker that stood still for too long stops here
            mail(order)
            return "sent"
    except LockBusy:
        raise self.retry(countdown=1)  # the worker is free for other tasks meanwhile


def is_sent(order):
    return str(order) in OUTBOX.read_text().split()


def mail(what):
    time.sleep(0.1)  # about as long as a mail server takes
    with OUTBOX.open("a") as outbox:
        outbox.write(f"{what}\n")
