"""The recipe for Celery: workers and a broker that deliver a task several times run it once."""

import unittest

from recipe_case import PYTHON, RecipeCase

ASK = """
import sys
from celery_app import app, report, send_invoice
asked = [report.delay() for _ in range(4)] + [send_invoice.delay(order) for order in (1, 2) * 3]
for one in asked:
    print(one.get(timeout=60))
"""


class Celery(RecipeCase):
    def test_tasks_that_are_delivered_again_run_once(self):
        self.environment["BROKER_URL"] = self.server.url
        workers = [self.python("-m", "celery", "-A", "celery_app", "worker", "--loglevel", "info", "--concurrency", "2",
                               "--hostname", f"{name}@host", "--without-mingle", "--without-gossip")
                   for name in ("one", "two")]
        for worker in workers:
            worker.expect_error("ready.")
        said, = self.outputs([self.python("-c", ASK)])
        reports, invoices = said.splitlines()[:4], said.splitlines()[4:]
        self.assertEqual(sorted(reports), ["another worker sends it, or did so just now"] * 3 + ["sent"])
        self.assertEqual(sorted(invoices), ["sent"] * 2 + ["sent already"] * 4)
        self.assertEqual(sorted(self.sent()), ["1", "2", "report"])
        for worker in workers:
            worker.process.terminate()
        self.outputs(workers)


if __name__ == "__main__":
    assert PYTHON.exists()
    unittest.main()
