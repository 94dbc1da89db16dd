"""The recipe for FastAPI: of several workers of uvicorn one runs the scheduler."""

import json
import os
import signal
import unittest
import urllib.request

from recipe_case import PATIENCE, RecipeCase, eventually, free_port


class FastApi(RecipeCase):
    def terms(self):
        """The pids that ticked in each term, in order."""
        found = {}
        for line in self.sent():
            term, pid = map(int, line.split())
            found.setdefault(term, set()).add(pid)
        return found

    def test_one_worker_schedules_and_another_follows_it(self):
        self.environment |= {"TICKS": str(self.outbox), "PERIOD": "0.05"}
        port = free_port()
        server = self.python("-m", "uvicorn", "fastapi_app:app", "--workers", "3", "--port", str(port))
        self.assertTrue(eventually(lambda: len(self.sent()) >= 3, PATIENCE), server.stderr)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/leader", timeout=PATIENCE) as answer:
            leader = int(json.load(answer)["leader"].rpartition(":")[2])
        (term, pids), = self.terms().items()
        self.assertEqual(pids, {leader})
        os.kill(leader, signal.SIGKILL)
        self.assertTrue(eventually(lambda: len(self.terms()) > 1, PATIENCE), server.stderr)
        (first, _), (second, followers) = self.terms().items()
        self.assertEqual((first, len(followers)), (term, 1))
        self.assertGreater(second, first)
        self.assertNotIn(leader, followers)
        server.process.terminate()
        self.assertEqual(server.wait(), 0)
        self.assertTrue(eventually(lambda: b"scheduler" not in self.keys()))  # it resigned


if __name__ == "__main__":
    unittest.main()
