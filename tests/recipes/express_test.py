"""The recipe for Express: of many requests to several hosts one at a time works on an order."""

import concurrent.futures
import json
import shutil
import unittest
import urllib.error
import urllib.request

from recipe_case import BUILD, INSTALLED, PATIENCE, RECIPES, RecipeCase

PROGRAM = INSTALLED / "node/express_app.mjs"


def post(port, order):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/orders/{order}/invoice", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class Express(RecipeCase):
    def setUp(self):
        super().setUp()
        shutil.copy(RECIPES / "express_app.mjs", PROGRAM)  # modules are looked for beside it
        self.environment |= {"PORT": "0", "DLOCK_LIBRARY": str(BUILD / "libdlock.so.1")}

    def host(self):
        program = self.start_program("node", PROGRAM)
        return program, int(program.word_after("listening on"))

    def test_requests_for_an_order_exclude_each_other(self):
        hosts = [self.host() for _ in range(2)]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda number: post(hosts[number % 2][1], number % 3), range(60)))
        done = [answer for status, answer in answers if status == 200]
        self.assertTrue(done)
        self.assertEqual({status for status, _ in answers} - {200, 409}, set())
        self.assertEqual(len({answer["fence"] for answer in done}), len(done))
        for order in range(3):
            lines = [line.split()[0] for line in self.sent() if line.endswith(f" {order}")]
            self.assertEqual(lines, ["begin", "end"] * (len(lines) // 2))
        self.assertEqual(len(self.sent()), 2 * len(done))
        for program, _ in hosts:
            program.process.terminate()
        self.outputs([program for program, _ in hosts])

    def test_an_order_that_is_locked_elsewhere_is_409(self):
        _, port = self.host()
        holder = self.hold("order:7")
        self.assertEqual(post(port, 7)[0], 409)
        self.assertEqual(post(port, 8)[0], 200)
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)
        self.assertEqual(post(port, 7)[0], 200)

    def test_without_a_url_it_does_not_start(self):
        del self.environment["DLOCK_URL"]
        program = self.start_program("node", PROGRAM)
        self.assertEqual(program.wait(), 1)
        self.assertIn("DLOCK_REQUIRE_URL", program.stderr)


if __name__ == "__main__":
    unittest.main()
