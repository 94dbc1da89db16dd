"""What the tests with many processes share: the command's test case, and counting under a lock."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))

from cli_case import DLOCK, PATIENCE, CliCase, eventually  # noqa: E402,F401

# Adds one to a number in a file, slowly enough that two at once lose an addition.
ADD_ONE = 'read -r n < "$0"; sleep 0.002; echo $((n + 1)) > "$0"'


class ProcessCase(CliCase):
    def count_together(self, workers, times, *options, meanwhile=None):
        """So many processes add one so often, each time under the lock `sum`; returns the sum. Calls
        `meanwhile` again and again until they have finished; each must end well."""
        number = self.directory / "number"
        number.write_text("0\n")
        loop = (f'i=0; while [ $i -lt {times} ]; do '
                '"$0" run "$@" sum -- sh -c "$ADD_ONE" "$NUMBER" || exit; i=$((i + 1)); done')
        environment = {**self.environment, "ADD_ONE": ADD_ONE, "NUMBER": str(number)}
        running = [self.start_program("sh", "-c", loop, DLOCK, *options, env=environment)
                   for _ in range(workers)]

        def finished():
            if meanwhile:
                meanwhile()
            return all(worker.is_over() for worker in running)
        self.assertTrue(eventually(finished, 4 * PATIENCE), "they do not come to an end")
        self.assertEqual([(worker.wait(), worker.stderr) for worker in running],
                         [(0, "")] * workers)
        return int(number.read_text())

    def wait_in_line(self, name, *options):
        """A `dlock run` that stands in the queue of `name`, and says `mine` when it has it."""
        before = self.server.command("ZCARD", self.queue(name))
        waiter = self.start("run", *options, name, "--", "sh", "-c", "echo mine; cat")
        self.assertTrue(eventually(
            lambda: self.server.command("ZCARD", self.queue(name)) > before, PATIENCE))
        return waiter

    @staticmethod
    def queue(name):
        return "dlock1:qw:{%s}" % name

    def assert_ends_well(self, running):
        running.close_stdin()
        self.assertEqual(running.wait(), 0, running.stderr)

    def forget_registrations(self):
        """Those of killed processes would only vanish with time."""
        for key in self.server.command("KEYS", "dlock1:client:*"):
            self.server.command("DEL", key)
