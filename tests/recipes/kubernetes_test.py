"""The recipes for Kubernetes: its schemas accept them, and what they run does what they say."""

import json
import subprocess
import unittest

from recipe_case import PYTHON, RECIPES, RecipeCase, eventually

MANIFESTS = RECIPES / "kubernetes"

CHECK = """
import json, sys
import kubernetes_validate, yaml
manifest = yaml.safe_load(sys.stdin)
kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
print(json.dumps(manifest))
"""


def checked(text):
    """The manifest, which its schema accepts; all words in it must be known there."""
    done = subprocess.run([PYTHON, "-c", CHECK], input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


class Kubernetes(RecipeCase):
    def pod(self, template, program, **values):
        """Starts the container of a pod as Kubernetes would, with this program in it."""
        container, = template["spec"]["containers"]
        environment = {one["name"]: one.get("value", values.get(one["name"])) for one in container["env"]}
        environment["DLOCK_URL"] = self.server.url
        words = [*container["command"], *container["args"]]
        for name, value in environment.items():
            words = [word.replace(f"$({name})", str(value)) for word in words]
        self.assertTrue(words[-1].startswith("/app/"))
        return self.start_program(*words[:-1], program, env={**self.environment, **environment})

    def test_a_manifest_that_is_wrong_is_seen(self):
        text = (MANIFESTS / "cronjob.yaml").read_text()
        for wrong in (text.replace("restartPolicy:", "restartPolice:"), text.replace("batch/v1", "batch/v0")):
            with self.assertRaises(AssertionError):
                checked(wrong)

    def test_a_cron_job_that_starts_several_pods_runs_once(self):
        job = checked((MANIFESTS / "cronjob.yaml").read_text())
        template = job["spec"]["jobTemplate"]["spec"]["template"]
        program = self.program("nightly", f"echo ran >>{self.outbox}")
        self.outputs([self.pod(template, program) for _ in range(3)])
        self.assertEqual(self.sent(), ["ran"])

    def test_one_pod_of_a_deployment_leads_and_another_follows_it(self):
        deployment = checked((MANIFESTS / "leader.yaml").read_text())
        program = self.program("worker", f"echo $DLOCK_FENCE >>{self.outbox}", "exec sleep 1000")
        pods = {f"10.0.0.{n}:8080": self.pod(deployment["spec"]["template"], program, POD_IP=f"10.0.0.{n}")
                for n in range(deployment["spec"]["replicas"])}

        def leader():
            done = self.dlock("elect", "--show", "worker")
            return done.stdout.decode().strip()
        self.assertTrue(eventually(lambda: len(self.sent()) == 1))
        self.assertTrue(eventually(leader))
        first = leader()
        pods[first].process.terminate()
        self.assertEqual(pods.pop(first).wait(), 128 + 15)
        self.assertTrue(eventually(lambda: len(self.sent()) == 2))
        self.assertTrue(eventually(lambda: leader() in pods))
        old, new = map(int, self.sent())
        self.assertLess(old, new)


if __name__ == "__main__":
    unittest.main()
