"""The checker finds each kind of violation in a history made by hand, and none in a sound one."""

import pathlib
import unittest

import checker
import history

SECOND = 1_000_000


class Made:
    """A history in seconds. Processes that were not said to be stuck or killed come to their end."""

    def __init__(self):
        self.records = {}
        self.resource = []
        self.driver = []
        self.unfinished = set()

    def _say(self, process, at, e, **more):
        records = self.records.setdefault(process, [
            {"e": "start", "at": 0, "pid": len(self.records) + 1, "command": process.startswith("command")}])
        records.append({"e": e, "at": int(at * SECOND), **more})

    def ask(self, process, at, lock="lock"):
        self._say(process, at, "ask", id=f"{process}@{at}", lock=lock)
        return f"{process}@{at}"

    def hold(self, process, since, until, fence, asked=None, lock="lock", weight=1, capacity=1):
        """Returns the id of the lease."""
        asked = since if asked is None else asked
        id = f"{process}@{since}"
        self._say(process, since, "acquired", id=id, lock=lock, fence=fence, weight=weight, capacity=capacity,
                  asked=int(asked * SECOND), until=int(until * SECOND))
        return id

    def renew(self, id, at, until):
        self._say(id.split("@")[0], at, "valid", id=id, until=int(until * SECOND))

    def release(self, id, at):
        self._say(id.split("@")[0], at, "releasing", id=id)

    def lose(self, id, at):
        self._say(id.split("@")[0], at, "lost", id=id)

    def fail(self, id, at, why):
        self._say(id.split("@")[0], at, "failed", id=id, why=why)

    def stall(self, process, since, until):
        self._say(process, until, "stall", since=int(since * SECOND))

    def write(self, id, at, fence, accepted, lock="lock"):
        self.resource.append({"e": "write", "at": int(at * SECOND), "id": id, "lock": lock, "fence": fence,
                              "accepted": accepted})

    def kill(self, process):
        self.unfinished.add(process)
        pid = self.records[process][0]["pid"]
        self.driver.append({"e": "killed", "at": 0, "pid": pid})

    def stick(self, process):
        self.unfinished.add(process)

    def leave(self, key):
        self.driver.append({"e": "left", "at": 0, "key": key, "why": "no expiry"})

    def violations(self):
        made = history.History()
        for process, records in self.records.items():
            done = [] if process in self.unfinished else [{"e": "end", "at": 1000 * SECOND}]
            made.add(process, records + done)
        made.add(history.RESOURCE, self.resource)
        made.add(history.DRIVER, self.driver)
        return checker.check(made)


class Checker(unittest.TestCase):
    def setUp(self):
        self.made = Made()

    def assert_found(self, *kinds):
        found = self.made.violations()
        self.assertEqual([violation.kind for violation in found], list(kinds), [str(v) for v in found])

    def two_in_turn(self):
        first = self.made.hold("a", since=1, until=4, fence=10)
        self.made.renew(first, at=2, until=5)
        self.made.write(first, at=2, fence=10, accepted=True)
        self.made.release(first, at=3)
        second = self.made.hold("b", since=3.1, until=6, fence=11, asked=1.5)
        self.made.write(second, at=3.5, fence=11, accepted=True)
        self.made.release(second, at=4)
        return first, second

    def test_holders_in_turn_are_sound(self):
        self.two_in_turn()
        self.assert_found()

    def came_late(self):
        """A lease that was over when its holder got it, while another held."""
        self.made.release(self.made.hold("b", since=4, until=12, fence=11), at=11)
        late = self.made.hold("a", since=10, until=9.999, fence=10, asked=1)
        self.made.lose(late, at=10.001)

    def test_a_process_that_was_stopped_gets_a_lease_that_is_over_and_held_nothing(self):
        self.made.stall("a", since=2, until=9.9)
        self.came_late()
        self.assert_found()

    def test_a_process_that_runs_gets_no_lease_that_is_over(self):
        self.came_late()
        self.assert_found("late_loss")

    def test_different_locks_have_nothing_to_do_with_each_other(self):
        self.made.release(self.made.hold("a", since=1, until=9, fence=10, lock="x"), at=5)
        self.made.release(self.made.hold("b", since=2, until=9, fence=3, lock="y"), at=5)
        self.assert_found()

    def test_a_lease_that_begins_before_the_other_is_released_overlaps(self):
        self.made.release(self.made.hold("a", since=1, until=4, fence=10), at=3)
        self.made.release(self.made.hold("b", since=2.9, until=6, fence=11), at=4)
        self.assert_found("overlap")

    def test_a_lease_within_a_long_one_overlaps_though_another_lies_between(self):
        self.made.release(self.made.hold("a", since=1, until=9, fence=10), at=8)
        self.made.release(self.made.hold("b", since=2, until=9, fence=11), at=3)
        self.made.release(self.made.hold("c", since=5, until=9, fence=12), at=6)
        self.assert_found("overlap", "overlap")

    def test_holders_of_parts_overlap_only_beyond_the_capacity(self):
        def hold(process, since, until, fence, weight):
            self.made.release(self.made.hold(process, since, 9, fence, weight=weight, capacity=3), at=until)
        hold("a", 1, 4, 10, weight=1)
        hold("b", 2, 6, 11, weight=2)
        hold("c", 4.1, 5, 12, weight=1)
        self.assert_found()
        hold("d", 5.1, 7, 13, weight=2)
        self.assert_found("overlap")

    def test_a_renewal_moves_the_end(self):
        first = self.made.hold("a", since=1, until=2, fence=10)
        self.made.renew(first, at=1.5, until=3)
        self.made.release(first, at=2.9)
        self.made.release(self.made.hold("b", since=2.5, until=6, fence=11), at=4)
        self.assert_found("overlap")

    def test_a_loss_ends_a_lease_before_its_time(self):
        self.made.lose(self.made.hold("a", since=1, until=9, fence=10), at=2)
        self.made.release(self.made.hold("b", since=2.1, until=6, fence=11), at=4)
        self.assert_found()

    def test_a_holder_that_was_killed_keeps_what_it_was_promised(self):
        self.made.hold("a", since=1, until=4, fence=10)
        self.made.kill("a")
        self.made.release(self.made.hold("b", since=3.9, until=6, fence=11), at=5)
        self.assert_found("overlap")

    def test_a_command_claims_only_the_time_it_was_seen_alive(self):
        held = self.made.hold("command", since=1, until=1, fence=10)
        self.made.renew(held, at=2, until=2)
        self.made.kill("command")
        self.made.release(self.made.hold("b", since=2.1, until=6, fence=11), at=5)
        self.assert_found()

    def test_commands_alive_at_once_overlap(self):
        self.made.renew(self.made.hold("command1", since=1, until=1, fence=10), at=2, until=2)
        self.made.renew(self.made.hold("command2", since=1.9, until=1.9, fence=11), at=3, until=3)
        self.assert_found("overlap")

    def test_a_fence_that_does_not_grow_from_lease_to_lease_is_out_of_order(self):
        for fence in (10, 9):
            self.setUp()
            self.made.release(self.made.hold("a", since=2, until=4, fence=10), at=3)
            self.made.release(self.made.hold("b", since=3.1, until=6, fence=fence, asked=1), at=4)
            self.assert_found("fence_order")

    def test_fences_of_leases_that_exclude_each_other_are_in_order(self):
        for weight, found in ((1, []), (2, ["fence_order"])):
            self.setUp()
            self.made.release(self.made.hold("a", since=2, until=4, fence=10, weight=2, capacity=3), at=3)
            self.made.release(self.made.hold("b", since=3.1, until=6, fence=9, asked=1, weight=weight,
                                             capacity=3), at=4)
            self.assert_found(*found)

    def test_a_fence_below_one_known_when_the_wait_began_regressed(self):
        self.made.release(self.made.hold("a", since=1, until=9, fence=10), at=3)
        self.made.release(self.made.hold("b", since=4, until=9, fence=9, asked=2), at=5)
        self.assert_found("fence_regressed", "fence_order")

    def test_a_stale_write_that_was_refused_would_have_been_accepted_without_fences(self):
        first, _ = self.two_in_turn()
        self.made.write(first, at=5, fence=10, accepted=False)
        self.assert_found("stale_unfenced")

    def test_a_stale_write_that_was_accepted(self):
        first, _ = self.two_in_turn()
        self.made.write(first, at=5, fence=10, accepted=True)
        self.assert_found("stale_accepted")

    def test_a_stale_write_is_seen_also_if_its_fence_lies(self):
        first = self.made.hold("a", since=1, until=2, fence=10)
        self.made.lose(first, at=1.9)
        second = self.made.hold("b", since=2, until=6, fence=11, asked=1.5)
        self.made.write(second, at=3, fence=11, accepted=True)
        self.made.release(second, at=4)
        self.made.write(first, at=5, fence=11, accepted=True)
        self.assert_found("stale_accepted")

    def test_a_holder_may_write_after_one_who_was_never_known_to_be_later(self):
        first, second = self.two_in_turn()
        self.made.write(second, at=5, fence=11, accepted=True)
        self.assert_found()

    def test_a_wait_without_end(self):
        self.made.ask("a", at=1)
        self.made.stick("a")
        self.assert_found("endless_wait")

    def test_a_release_without_end(self):
        self.made.release(self.made.hold("a", since=1, until=4, fence=10), at=3)
        self.made.stick("a")
        self.assert_found("endless_wait")

    def test_a_killed_process_need_not_come_to_an_end(self):
        self.made.ask("a", at=1)
        self.made.kill("a")
        self.assert_found()

    def test_a_wait_that_fails_while_servers_answer(self):
        self.made.fail(self.made.ask("a", at=1), at=2, why="store not usable: moved")
        self.assert_found("failed_wait")

    def test_a_wait_that_fails_as_nobody_answers(self):
        self.made.fail(self.made.ask("a", at=1), at=2, why="store unreachable: no connection")
        self.assert_found()

    def test_a_loss_told_after_the_end_is_late(self):
        self.made.lose(self.made.hold("a", since=1, until=4, fence=10), at=4.1)
        self.assert_found("late_loss")

    def test_a_loss_told_before_the_end_is_in_time(self):
        self.made.lose(self.made.hold("a", since=1, until=4, fence=10), at=3.9)
        self.assert_found()

    def test_a_holder_that_releases_after_its_end_without_being_told_was_not_told(self):
        self.made.release(self.made.hold("a", since=1, until=4, fence=10), at=4.1)
        self.assert_found("late_loss")

    def test_a_loss_that_was_never_told(self):
        self.made.hold("a", since=1, until=4, fence=10)
        self.assert_found("late_loss")

    def test_a_stopped_process_cannot_be_told(self):
        held = self.made.hold("a", since=1, until=4, fence=10)
        self.made.stall("a", since=3.7, until=9)
        self.made.lose(held, at=9.1)
        self.assert_found()

    def test_a_process_that_runs_again_is_told_at_once(self):
        held = self.made.hold("a", since=1, until=4, fence=10)
        self.made.stall("a", since=3.7, until=9)
        self.made.lose(held, at=9.5)
        self.assert_found("late_loss")

    def test_a_key_left_on_the_server(self):
        self.made.leave("dlock1:qw:{lock}")
        self.assert_found("leftover")

    def test_a_line_that_was_cut_off_does_not_count(self):
        self.assertEqual(history.records_of('{"e": "end"}\n{"e": "en'), [{"e": "end"}])

    def test_each_kind_has_its_explanation(self):
        source = pathlib.Path(checker.__file__).read_text()
        for kind in checker.KINDS:
            self.assertGreaterEqual(source.count(f'"{kind}"'), 2, kind)


if __name__ == "__main__":
    unittest.main()
