"""The alerts for Prometheus and the dashboard for Grafana: they use metrics that exist, and work."""

import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.request

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
sys.path[:0] = [str(SOURCE / "tests/cli"), str(SOURCE / "tests/support")]

from cli_case import CliCase, DLOCK, PATIENCE, eventually  # noqa: E402
from prometheus_server import PrometheusServer  # noqa: E402
from watched_program import WatchedProgram  # noqa: E402

ALERTS = SOURCE / "packaging/prometheus/alerts.yml"
ALERTS_TEST = SOURCE / "packaging/prometheus/alerts_test.yml"
DASHBOARD = SOURCE / "packaging/grafana/dlock.json"
OBSERVABILITY = SOURCE / "docs/observability.md"
METRIC = re.compile(r"\b(?:dlock|leader_election)_\w+")
SAMPLE = re.compile(r"^(\w+)[{ ]", re.MULTILINE)


def promtool(*arguments):
    """What it says, and nothing if all is well."""
    done = subprocess.run(["promtool", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    return "" if done.returncode == 0 else done.stdout


def expressions():
    """Those of the dashboard, for series that have the labels by which people choose."""
    found = [target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"]
             for target in panel.get("targets", ())]
    return [re.sub(r"\$(job|instance|group)\b", ".+", expression).replace("$__rate_interval", "10s")
            for expression in found]


class Alerts(unittest.TestCase):
    def test_promtool_accepts_the_rules_and_their_tests_pass(self):
        self.assertEqual(promtool("check", "rules", ALERTS), "")
        self.assertEqual(promtool("test", "rules", ALERTS_TEST), "")

    def test_each_alert_is_tested_and_says_what_to_do(self):
        rules = re.split(r"^ +- alert: ", ALERTS.read_text(), flags=re.MULTILINE)[1:]
        fired = set(re.findall(r'alertname="(\w+)", alertstate="firing"', ALERTS_TEST.read_text()))
        self.assertEqual({rule.split()[0] for rule in rules}, fired)
        listed = re.findall(r"^\| `(Dlock\w+)` \| (\w+) \|", OBSERVABILITY.read_text(), flags=re.MULTILINE)
        self.assertEqual(set(listed), {(rule.split()[0], re.search(r"severity: (\w+)", rule)[1]) for rule in rules})
        for rule in rules:
            self.assertRegex(rule, r"severity: (critical|warning)\n +annotations:\n +summary: .+\n +description: >-\n")


class Dashboard(unittest.TestCase):
    def test_each_panel_says_what_it_shows_and_has_a_place_of_its_own(self):
        dashboard = json.loads(DASHBOARD.read_text())
        self.assertGreaterEqual(dashboard["schemaVersion"], 38)  # of Grafana 10
        self.assertIsNone(dashboard["id"])  # or another dashboard would be overwritten
        self.assertEqual([variable["name"] for variable in dashboard["templating"]["list"]],
                         ["datasource", "job", "instance", "group"])
        panels = dashboard["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        taken = set()
        for panel in panels:
            self.assertTrue(panel["title"])
            place = panel["gridPos"]
            cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
            self.assertFalse(taken & cells, panel["title"])
            self.assertLessEqual(place["x"] + place["w"], 24)
            taken |= cells
            if panel["type"] == "row":
                continue
            self.assertIn("Normal: ", panel["description"])
            self.assertTrue(panel["fieldConfig"]["defaults"]["unit"])
            for part in (panel, *panel["targets"]):
                self.assertEqual(part["datasource"], {"type": "prometheus", "uid": "${datasource}"})

    def test_promtool_accepts_each_expression(self):
        rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(expressions())]
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory) / "rules.yml"  # JSON is YAML
            file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
            self.assertEqual(promtool("check", "rules", file), "")


class Watched(CliCase):
    """A program and dlock serve, at the same real store."""

    def setUp(self):
        super().setUp()
        self.program = WatchedProgram(self.server.url)
        self.addCleanup(self.program.close)
        serve = self.start("serve", "--listen", "127.0.0.1:0")
        serve.expect("serving ")
        self.store = re.search(r"http://([^/\s]+)/", serve.stdout).group(1)
        self.program.take_turns(self.wait_for_waiters)
        self.holder = self.hold("order:2")
        self.addCleanup(self.holder.close_stdin)
        self.leaves_keys = True  # the leader leads on

    def metrics_of_the_store(self):
        def read():
            with urllib.request.urlopen(f"http://{self.store}/metrics", timeout=PATIENCE) as answer:
                return answer.read().decode()
        self.assertTrue(eventually(lambda: 'dlock_election_led{name="web"} 1' in read()
                                   and 'dlock_lock_waiters{name="order:2"}' in read(), PATIENCE), read())
        return read()

    def test_each_metric_that_is_used_exists_and_each_that_exists_is_documented(self):
        program, store = self.program.second.metrics(), self.metrics_of_the_store()
        self.assertIn('way="grant"} 1\n', program)
        self.assertIn('way="passing"} 1\n', program)
        exist = set(SAMPLE.findall(program + store))
        used = set(METRIC.findall(ALERTS.read_text() + " ".join(expressions())))
        self.assertEqual({name for name in used - exist if not name.endswith("_")}, set())  # "dlock_client_*"
        families = set(re.findall(r"^# TYPE (\w+)", program + store, re.MULTILINE))
        documented = set(METRIC.findall(OBSERVABILITY.read_text()))
        self.assertEqual(families - documented, set())

    def test_prometheus_finds_a_figure_for_each_panel_and_evaluates_the_alerts(self):
        quick = re.sub(r"> 180\b|> 3600\b", "> 0", ALERTS.read_text())
        quick = re.sub(r"^( +)for: .*", r"\1for: 0s", quick, flags=re.MULTILINE)
        rules = self.directory / "rules.yml"
        rules.write_text(quick)
        prometheus = PrometheusServer(self.directory, rules, self.program.address, self.store)
        self.addCleanup(prometheus.close)
        self.program.take_turns(self.wait_for_waiters)

        empty = expressions()

        def all_have_figures():
            empty[:] = [expression for expression in empty
                        if not any(math.isfinite(value) for _, value in prometheus.query(expression))]
            return not empty
        self.assertTrue(eventually(all_have_figures, PATIENCE), empty)

        def summaries():
            return {alert["annotations"]["summary"].partition(" for ")[0]
                    for alert in prometheus.ask("alerts")["alerts"]}
        self.assertTrue(eventually(lambda: "a program has held the lock order:2" in summaries(), PATIENCE), summaries())
        for group in prometheus.ask("rules")["groups"]:
            for rule in group["rules"]:
                self.assertEqual((rule["health"], rule.get("lastError")), ("ok", None), rule["name"])


if __name__ == "__main__":
    if not shutil.which("prometheus") or not pathlib.Path(DLOCK).with_name("dlock-serve").exists():
        print("no Prometheus here, or dlock was built without cpp-httplib")
        sys.exit(77)
    unittest.main()
