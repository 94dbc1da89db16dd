"""A FastAPI application with several workers, of which one runs the scheduler: the leader. If that
worker ends, or loses its lease, another one goes on.

    uvicorn fastapi_app:app --workers 4
"""

import asyncio
import contextlib
import logging
import os
import pathlib
import socket

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from distributed_lock import DistributedLockError, Election
from fastapi import FastAPI

PERIOD = float(os.environ.get("PERIOD", 60))  # seconds
election = Election(os.environ["DLOCK_URL"], "scheduler", lock_ttl=10)
log = logging.getLogger("uvicorn.error")


def tick(leadership):
    """The job. The term grows with each leader: what it writes to can refuse an older one."""
    leadership.ensure_held()
    with pathlib.Path(os.environ["TICKS"]).open("a") as ticks:
        ticks.write(f"{leadership.term} {os.getpid()}\n")


async def schedule(leadership):
    """Runs the jobs until the leadership is lost, or this task is cancelled."""
    scheduler = AsyncIOScheduler()
    scheduler.add_job(tick, "interval", seconds=PERIOD, args=[leadership])
    scheduler.start()
    try:
        await leadership.lost.wait_async()
    finally:
        scheduler.shutdown(wait=False)


async def lead():
    while True:
        try:
            async with election.campaign_async(f"{socket.gethostname()}:{os.getpid()}") as leadership:
                await schedule(leadership)
        except DistributedLockError as error:
            log.warning("the scheduler pauses: %s", error)
            await asyncio.sleep(1)  # no server answers, or the leadership was lost


@contextlib.asynccontextmanager
async def lifespan(_):
    task = asyncio.create_task(lead())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task  # resigns, so that the next worker need not wait for the ttl


app = FastAPI(lifespan=lifespan)


@app.get("/leader")
def leader():
    found = election.leader()
    return {"leader": found and found.value, "me": os.getpid()}
