"""The collector for prometheus_client: it shows what the library's own text says."""

import shutil
import subprocess
import unittest

from package_case import PackageCase  # isort: split

from prometheus_client import CollectorRegistry, generate_latest

from distributed_lock import (
    Client,
    Election,
    Mutex,
    Semaphore,
    SharedMutex,
    UsageError,
    prometheus_text,
)
from distributed_lock.prometheus import Collector

HOSTILE = 'a"b\\"c\\nd\ne}{ # f=","\u2028 \u00fc 1\\'


def lines_of(text):
    """The lines, with numbers as such."""
    return [line if line.startswith("#") else (line.rpartition(" ")[0], float(line.split(" ")[-1]))
            for line in text.split("\n") if line]


class Prometheus(PackageCase):
    def registry(self, collector):
        registry = CollectorRegistry(auto_describe=True)
        registry.register(collector)
        return registry

    def test_it_shows_the_names_and_values_of_the_librarys_text(self):
        client = Client(self.redis, group={"job": "", "map": HOSTILE, "gpu": "g"}.get)
        with SharedMutex(client, "map").write, Semaphore(client, "gpu", permits=2).acquire(weight=2):
            Mutex(client, "job").acquire().release()
        collector = Collector(client)
        text, shown = client.prometheus_text(), generate_latest(self.registry(collector)).decode()
        self.assertEqual(lines_of(shown), lines_of(text))
        groups = {sample.labels["group"] for metric in collector.collect()
                  for sample in metric.samples if "group" in sample.labels}
        # The library escapes control characters itself, as in a terminal.
        self.assertEqual(groups, {"", HOSTILE.replace("\\", "\\\\").replace("\n", "\\n").replace(
            "\u2028", "\\u2028"), "g"})

    def test_promtool_and_the_registry_take_it(self):
        client = Client(self.redis)
        registry = self.registry(Collector(client))
        with Election(client, "web").campaign():
            self.assertEqual(registry.get_sample_value("leader_election_master_status",
                                                       {"name": "web"}), 1)
            self.assertEqual(registry.get_sample_value("dlock_client_leases_held", {"group": ""}), 1)
        self.assertEqual(registry.get_sample_value("dlock_client_wait_seconds_bucket",
                                                   {"group": "", "le": "+Inf"}), 1)
        self.assertTrue(shutil.which("promtool"), "promtool is not installed: run scripts/setup")
        checked = subprocess.run(["promtool", "check", "metrics"], input=generate_latest(registry),
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual((checked.returncode, checked.stdout), (0, b""))

    def test_several_clients_need_one_collector_together(self):
        orders, mail = Client(self.redis), Client(self.redis, prefix="m:")
        for automatic in (True, False):
            registry = CollectorRegistry(auto_describe=automatic)
            registry.register(Collector(orders))
            with self.assertRaisesRegex(ValueError, "Duplicated"):  # else nobody could scrape it
                registry.register(Collector(mail))
        registry = CollectorRegistry()
        registry.register(Collector({"orders": orders, 'ma"il': mail, "shared": self.redis}))
        with Mutex(orders, "job"), Election(mail, "web").campaign():
            for client, held in (("orders", 1), ('ma"il', 1), ("shared", 0)):
                self.assertEqual(registry.get_sample_value(
                    "dlock_client_leases_held", {"client": client, "group": ""}), held)
            self.assertEqual(registry.get_sample_value(
                "leader_election_master_status", {"client": 'ma"il', "name": "web"}), 1)
            shown = generate_latest(registry)
            self.assertEqual(lines_of(shown.decode()), lines_of(prometheus_text(
                {"orders": orders, 'ma"il': mail, "shared": self.redis})))
        checked = subprocess.run(["promtool", "check", "metrics"], input=shown,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual((checked.returncode, checked.stdout), (0, b""))
        self.assertRaises(UsageError, Collector, {"": orders})

    def test_without_prometheus_client_the_error_says_what_to_do(self):
        process = self.start("import sys; sys.modules['prometheus_client'] = None\n"
                             "from distributed_lock.prometheus import Collector\n"
                             "try: Collector()\n"
                             "except ImportError as error: sys.exit(str(error))")
        _, error = self.assert_ends(process, 1)
        self.assertIn("pip install prometheus_client", error)


if __name__ == "__main__":
    unittest.main()
