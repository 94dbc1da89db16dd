"""The recipe for Django: a management command that every host starts, and one does."""

import os
import unittest

from recipe_case import RECIPES, RecipeCase

FILL = """
import django, sys
from django.core.management import call_command
django.setup()
call_command("migrate", run_syncdb=True, verbosity=0)
from shop.models import Invoice
for order in range(int(sys.argv[1])):
    Invoice(order=order).save()
"""


class Django(RecipeCase):
    def setUp(self):
        super().setUp()
        self.environment |= {"DJANGO_SETTINGS_MODULE": "shop.settings",
                             "PYTHONPATH": f"{RECIPES}{os.pathsep}{self.environment['PYTHONPATH']}",
                             "DATABASE": str(self.directory / "shop.db")}

    def manage(self, *arguments):
        return self.python("-m", "django", *arguments)

    def test_each_invoice_is_sent_once(self):
        self.outputs([self.python("-c", FILL, "20")])
        said = "".join(self.outputs([self.manage("send_invoices") for _ in range(4)]))
        self.assertEqual(sorted(map(int, self.sent())), list(range(20)))
        self.assertEqual(said.count("sent "), 20)

    def test_a_command_that_loses_its_lock_stops(self):
        self.outputs([self.python("-c", FILL, "3")])
        self.outbox.unlink()
        os.mkfifo(self.outbox)  # a mail server that takes nothing until somebody reads
        command = self.manage("send_invoices")
        self.assertTrue(self.eventually_held("send_invoices"))
        self.assertEqual(self.dlock("break", "send_invoices", "--current").returncode, 0)
        self.assertEqual(self.outbox.read_text(), "0\n")
        self.assertEqual(command.wait(), 1)
        self.assertIn("stopped: ", command.stderr)


if __name__ == "__main__":
    unittest.main()
