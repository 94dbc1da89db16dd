"""A real Prometheus that scrapes programs of this machine."""

import json
import pathlib
import subprocess
import urllib.parse
import urllib.request

from eventually import eventually
from redis_server import free_port

CONFIG = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["{program}"]}}]
  - job_name: dlock
    static_configs: [{{targets: ["{store}"]}}]
"""


class PrometheusServer:
    def __init__(self, directory, rules, program, store):
        directory = pathlib.Path(directory)
        config = directory / "prometheus.yml"
        config.write_text(CONFIG.format(rules=rules, program=program, store=store))
        self.address = f"127.0.0.1:{free_port()}"
        self.log = open(directory / "prometheus.log", "w+")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory / 'data'}",
             f"--web.listen-address={self.address}"], stdout=self.log, stderr=subprocess.STDOUT)
        if not eventually(self._is_ready, 30):
            self.log.seek(0)
            raise RuntimeError(self.log.read())

    def _is_ready(self):
        try:
            return len(self.query("up == 1")) == 2
        except OSError:
            return False

    def ask(self, path, **parameters):
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        """The values of an expression: pairs of labels and a number."""
        return [(sample["metric"], float(sample["value"][1]))
                for sample in self.ask("query", query=expression)["result"]]

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()
