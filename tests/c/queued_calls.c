/* Calls other than plain acquisitions that end in an event loop. */
#include "loop.h"

#include <dlock/testing.h>
#include <inttypes.h>

/* The next event, which must be that of a call, and how it ended. */
static dlock_event expect(const loop* by, dlock_event_kind kind, uint64_t context,
                          dlock_status status) {
  const dlock_event event = next_event(by);
  if (event.kind != kind || event.context != context || event.status != status) {
    fprintf(stderr, "kind %d, context %" PRIu64 ", %s: %s\n", (int)event.kind, event.context,
            dlock_status_name(event.status), event.message != NULL ? event.message : "");
  }
  CHECK(event.kind == kind && event.context == context && event.status == status);
  CHECK((event.message == NULL) == (status == DLOCK_OK));
  return event;
}

static dlock_lease* expect_lease(const loop* by, uint64_t context) {
  const dlock_event event = expect(by, DLOCK_EVENT_ACQUIRED, context, DLOCK_OK);
  CHECK(event.lease != NULL);
  return event.lease;
}

static void release_queued(const loop* by, dlock_lease* lease, uint64_t context) {
  CHECK(dlock_lease_release_queued(lease, context) == DLOCK_OK);
  expect(by, DLOCK_EVENT_RELEASED, context, DLOCK_OK);
}

static void end_loop(const loop* by) {
  dlock_lock_free(by->lock);
  dlock_client_free(by->client);
  close(by->descriptor);
}

static void locks(const loop* by) {
  static const char* const names[] = {"x", "y"};
  dlock_lock* all = NULL;
  dlock_lock* upgradeable = NULL;
  dlock_lock* permits = NULL;
  CHECK(dlock_all_new(by->client, names, NULL, 2, NULL, &all) == DLOCK_OK);
  CHECK(dlock_upgradeable_new(by->client, "rw", DLOCK_TEXT, NULL, &upgradeable) == DLOCK_OK);
  CHECK(dlock_permits_new(by->client, "gpu", DLOCK_TEXT, 1, 1, NULL, &permits) == DLOCK_OK);
  CHECK(dlock_acquire_queued(all, DLOCK_FOREVER, 1) == DLOCK_OK);
  dlock_lease* both = expect_lease(by, 1);
  CHECK(dlock_lease_count(both) == 2);
  dlock_client* stranger = new_client();
  dlock_lock* theirs = new_mutex(stranger, "z");
  dlock_lease* held = acquire(theirs);
  static const char* const others[] = {"z", "w"};
  dlock_lock* missing = NULL;
  CHECK(dlock_all_new(by->client, others, NULL, 2, NULL, &missing) == DLOCK_OK);
  CHECK(dlock_acquire_queued(missing, 300, 2) == DLOCK_OK);
  const dlock_event late = expect(by, DLOCK_EVENT_ACQUIRED, 2, DLOCK_TIMED_OUT);
  CHECK(late.number == 1 && late.lock_length == 1 && strcmp(late.lock, "z") == 0);
  CHECK(dlock_acquire_queued(missing, 0, 2) == DLOCK_OK);
  const dlock_event busy = expect(by, DLOCK_EVENT_ACQUIRED, 2, DLOCK_TIMED_OUT);
  CHECK(busy.number == 0 && busy.lock == NULL && busy.lock_length == 0);
  dlock_lease_free(held);
  dlock_lock_free(missing);
  dlock_lock_free(theirs);
  dlock_client_free(stranger);
  CHECK(dlock_acquire_queued(all, DLOCK_FOREVER, 2) == DLOCK_OK);
  dlock_queue_cancel(by->queue, 2);
  expect(by, DLOCK_EVENT_ACQUIRED, 2, DLOCK_CANCELLED);
  CHECK(dlock_lease_lose_queued(by->client, both, 3) == DLOCK_OK);
  for (int i = 0; i < 2; i++) { /* in any order */
    const dlock_event event = next_event(by);
    CHECK(event.status == DLOCK_OK);
    CHECK(event.context == (event.kind == DLOCK_EVENT_LOST ? 1 : 3));
  }
  CHECK(dlock_lease_release_queued(both, 4) == DLOCK_OK);
  expect(by, DLOCK_EVENT_RELEASED, 4, DLOCK_LOST);

  CHECK(dlock_acquire_queued(upgradeable, 0, 5) == DLOCK_OK);
  dlock_lease* lease = expect_lease(by, 5);
  CHECK(dlock_lease_upgrade_queued(lease, 0, 6) == DLOCK_OK);
  expect(by, DLOCK_EVENT_DONE, 6, DLOCK_OK);
  CHECK(dlock_lease_is_upgraded(lease));
  CHECK(dlock_lease_downgrade_queued(lease, 7) == DLOCK_OK);
  expect(by, DLOCK_EVENT_DONE, 7, DLOCK_OK);
  CHECK(dlock_lease_downgrade_queued(lease, 8) == DLOCK_OK);
  expect(by, DLOCK_EVENT_DONE, 8, DLOCK_USAGE);
  CHECK(dlock_lease_downgrade_to_reader_queued(lease, 9) == DLOCK_OK);
  dlock_lease* reader = expect_lease(by, 9);
  dlock_lease_free(lease);
  release_queued(by, reader, 10);

  CHECK(dlock_permits_resize_queued(permits, 2, 11) == DLOCK_OK);
  expect(by, DLOCK_EVENT_DONE, 11, DLOCK_OK);
  CHECK(dlock_permits_resize_queued(by->lock, 2, 11) == DLOCK_USAGE);
  CHECK(dlock_once_begin_queued(by->client, "o", DLOCK_TEXT, NULL, 12) == DLOCK_OK);
  dlock_lease* once = expect_lease(by, 12);
  CHECK(dlock_once_begin_queued(by->client, "o", DLOCK_TEXT, NULL, 13) == DLOCK_OK);
  expect(by, DLOCK_EVENT_ACQUIRED, 13, DLOCK_TIMED_OUT);
  release_queued(by, once, 14);
  dlock_lock_free(all);
  dlock_lock_free(upgradeable);
  dlock_lock_free(permits);
}

static void gates(const loop* by) {
  dlock_latch* latch = NULL;
  dlock_barrier* barrier = NULL;
  CHECK(dlock_latch_new(by->client, "l", DLOCK_TEXT, 2, NULL, &latch) == DLOCK_OK);
  CHECK(dlock_barrier_new(by->client, "g", DLOCK_TEXT, 2, NULL, &barrier) == DLOCK_OK);
  CHECK(dlock_latch_join_queued(latch, 1) == DLOCK_OK);
  dlock_lease* part = expect_lease(by, 1);
  CHECK(dlock_latch_count_down_queued(latch, 1, 2) == DLOCK_OK);
  expect(by, DLOCK_EVENT_DONE, 2, DLOCK_OK);
  CHECK(dlock_latch_wait_queued(latch, 20, 3) == DLOCK_OK);
  expect(by, DLOCK_EVENT_DONE, 3, DLOCK_TIMED_OUT);
  CHECK(dlock_latch_count_down_part_queued(latch, part, 4) == DLOCK_OK);
  dlock_lease_free(part); /* while it goes on */
  expect(by, DLOCK_EVENT_DONE, 4, DLOCK_OK);
  CHECK(dlock_latch_wait_queued(latch, DLOCK_FOREVER, 5) == DLOCK_OK);
  dlock_latch_free(latch);
  expect(by, DLOCK_EVENT_DONE, 5, DLOCK_OK);

  CHECK(dlock_barrier_join_queued(barrier, 6) == DLOCK_OK);
  part = expect_lease(by, 6);
  CHECK(dlock_barrier_leave_queued(barrier, part, 7) == DLOCK_OK);
  expect(by, DLOCK_EVENT_DONE, 7, DLOCK_OK);
  dlock_lease_free(part);
  CHECK(dlock_barrier_wait_queued(barrier, DLOCK_FOREVER, 8) == DLOCK_OK);
  dlock_queue_cancel(by->queue, 8);
  expect(by, DLOCK_EVENT_DONE, 8, DLOCK_CANCELLED);
  CHECK(dlock_barrier_reset_queued(barrier, 9) == DLOCK_OK);
  expect(by, DLOCK_EVENT_DONE, 9, DLOCK_OK);
  dlock_barrier_free(barrier);
}

static void conditions_queued(const loop* by) {
  dlock_condition* condition = NULL;
  CHECK(dlock_condition_new(by->client, "a", DLOCK_TEXT, &condition) == DLOCK_OK);
  CHECK(dlock_acquire_queued(by->lock, 0, 1) == DLOCK_OK);
  dlock_lease* lease = expect_lease(by, 1);
  CHECK(dlock_condition_wait_queued(condition, lease, 20, 2) == DLOCK_OK);
  lease = expect(by, DLOCK_EVENT_ACQUIRED, 2, DLOCK_TIMED_OUT).lease;
  CHECK(lease != NULL && dlock_lease_ensure_held(lease) == DLOCK_OK);
  CHECK(dlock_condition_wait_queued(condition, lease, DLOCK_FOREVER, 3) == DLOCK_OK);
  dlock_lease* other = acquire(by->lock); /* the waiter stands in the queue */
  dlock_lease_free(other);
  CHECK(dlock_condition_notify_one_queued(condition, 4) == DLOCK_OK);
  CHECK(dlock_condition_notify_all_queued(condition, 5) == DLOCK_OK);
  lease = NULL;
  for (int i = 0; i < 3; i++) { /* in any order */
    const dlock_event event = next_event(by);
    CHECK(event.status == DLOCK_OK && event.context >= 3 && event.context <= 5);
    lease = event.lease != NULL ? event.lease : lease;
  }
  CHECK(dlock_lease_ensure_held(lease) == DLOCK_OK);
  release_queued(by, lease, 6);
  dlock_condition_free(condition);
}

static void inspecting(const loop* by) {
  CHECK(dlock_acquire_queued(by->lock, 0, 1) == DLOCK_OK);
  dlock_lease* lease = expect_lease(by, 1);
  CHECK(dlock_inspect_queued(by->client, DLOCK_SUBJECT_LOCKS, "", 0, 2) == DLOCK_OK);
  CHECK(strstr(expect(by, DLOCK_EVENT_DONE, 2, DLOCK_OK).text, "[{\"name\":\"a\"") != NULL);
  CHECK(dlock_break_lock_queued(by->client, "a", 1, 1, 0, 3) == DLOCK_OK);
  CHECK(expect(by, DLOCK_EVENT_DONE, 3, DLOCK_OK).number == 0);
  CHECK(dlock_break_lock_queued(by->client, "a", 1, dlock_lease_fence(lease), 0, 4) == DLOCK_OK);
  for (int i = 0; i < 2; i++) { /* in any order */
    const dlock_event event = next_event(by);
    CHECK(event.kind == DLOCK_EVENT_LOST ? event.context == 1 : event.number == 1);
  }
  dlock_lease_free(lease);
}

void queued_calls(void) {
  const loop by = new_loop(NULL);
  locks(&by);
  gates(&by);
  conditions_queued(&by);
  inspecting(&by);
  CHECK(is_empty(&by));
  end_loop(&by);

  dlock_client* client = new_client(); /* without a queue */
  CHECK(dlock_inspect_queued(client, DLOCK_SUBJECT_LOCKS, "", 0, 1) == DLOCK_USAGE);
  CHECK(dlock_once_begin_queued(client, "o", DLOCK_TEXT, NULL, 1) == DLOCK_USAGE);
  CHECK(dlock_latch_wait_queued(NULL, 0, 1) == DLOCK_USAGE);
  CHECK(dlock_barrier_leave_queued(NULL, NULL, 1) == DLOCK_USAGE);
  CHECK(dlock_lease_upgrade_queued(NULL, 0, 1) == DLOCK_USAGE);
  CHECK(dlock_condition_wait_queued(NULL, NULL, 0, 1) == DLOCK_USAGE);
  dlock_client_free(client);
}

void queued_elections(void) {
  const loop by = new_loop(NULL);
  dlock_election* election = NULL;
  dlock_observer* observer = NULL;
  CHECK(dlock_election_new(by.client, "e", DLOCK_TEXT, NULL, &election) == DLOCK_OK);
  CHECK(dlock_election_leader_queued(election, 1) == DLOCK_OK);
  CHECK(expect(&by, DLOCK_EVENT_DONE, 1, DLOCK_OK).leader == NULL);
  CHECK(dlock_election_observe_queued(election, 2, &observer) == DLOCK_OK);
  CHECK(expect(&by, DLOCK_EVENT_LEADER, 2, DLOCK_OK).leader == NULL);

  CHECK(dlock_election_campaign_queued(election, "us", 2, 0, 3) == DLOCK_OK);
  dlock_lease* won = NULL;
  int seen = 0;
  for (int i = 0; i < 2; i++) { /* in any order */
    const dlock_event event = next_event(&by);
    won = event.lease != NULL ? event.lease : won;
    if (event.kind == DLOCK_EVENT_LEADER) {
      CHECK(event.context == 2 && strcmp(dlock_leader_value(event.leader, NULL), "us") == 0);
      seen++;
    }
  }
  CHECK(seen == 1 && dlock_lease_fence(won) > 0);
  dlock_client* stranger = new_client();
  dlock_election* theirs = NULL;
  CHECK(dlock_election_new(stranger, "e", DLOCK_TEXT, NULL, &theirs) == DLOCK_OK);
  dlock_lease* none = NULL;
  CHECK(dlock_election_campaign(theirs, "too", 3, 200, NULL, &none) == DLOCK_TIMED_OUT);
  CHECK(none == NULL && dlock_last_place() == 1 && strcmp(dlock_last_lock(NULL), "e") == 0);
  CHECK(dlock_election_campaign_queued(election, "too", 3, 20, 4) == DLOCK_OK);
  CHECK(strcmp(expect(&by, DLOCK_EVENT_ACQUIRED, 4, DLOCK_TIMED_OUT).lock, "e") == 0);
  dlock_election_free(theirs);
  dlock_client_free(stranger);
  CHECK(dlock_lease_proclaim_queued(won, "we", 2, 5) == DLOCK_OK);
  for (int i = 0; i < 2; i++) {
    const dlock_event event = next_event(&by);
    CHECK(event.kind == DLOCK_EVENT_DONE
              ? event.context == 5
              : strcmp(dlock_leader_value(event.leader, NULL), "we") == 0);
  }
  CHECK(dlock_election_leader_queued(election, 6) == DLOCK_OK);
  dlock_event event = next_event(&by);
  CHECK(dlock_leader_revision(event.leader) == 2);
  CHECK(dlock_leader_term(event.leader) == dlock_lease_fence(won));
  CHECK(dlock_observer_free_queued(observer, 7) == DLOCK_OK);
  expect(&by, DLOCK_EVENT_CLOSED, 7, DLOCK_OK);
  release_queued(&by, won, 8); /* resigns */
  CHECK(is_empty(&by));
  dlock_election_free(election);
  end_loop(&by);
}

void queued_log(void) {
  loop by = new_empty_loop();
  dlock_client_options options = {
      .size = sizeof options, .log_to_queue = 1, .log_context = (void*)77};
  CHECK(dlock_client_new(NULL, &options, &by.client) == DLOCK_USAGE); /* to which queue? */
  options.queue = by.queue;
  CHECK(dlock_client_new(NULL, &options, &by.client) == DLOCK_OK);
  const dlock_lock_options terms = {.size = sizeof terms, .ttl_ms = 600};
  CHECK(dlock_mutex_new(by.client, "a", DLOCK_TEXT, &terms, &by.lock) == DLOCK_OK);
  dlock_lease* lease = acquire(by.lock);
  CHECK(dlock_lease_lose(by.client, lease) == DLOCK_OK); /* which is reported */
  dlock_event event = {.kind = 0};
  do {
    event = next_event(&by);
    CHECK(event.kind == DLOCK_EVENT_LOG && event.context == 77 && event.text != NULL);
  } while (event.number < DLOCK_LOG_WARNING);
  CHECK(strstr(event.text, "lost") != NULL);
  dlock_lease_free(lease);
  end_loop(&by);
}

/* Calls of all kinds that wait end with the queue, and give back what they got. */
void hanging_up_in_calls(void) {
  dlock_client* other = new_client();
  dlock_lock* held = new_mutex(other, "b");
  dlock_lease* theirs = acquire(held);
  const loop by = new_loop(NULL);
  static const char* const names[] = {"a", "b"};
  dlock_lock* all = NULL;
  dlock_latch* latch = NULL;
  dlock_barrier* barrier = NULL;
  dlock_election* election = NULL;
  dlock_observer* observer = NULL;
  dlock_condition* condition = NULL;
  CHECK(dlock_all_new(by.client, names, NULL, 2, NULL, &all) == DLOCK_OK);
  CHECK(dlock_latch_new(by.client, "l", DLOCK_TEXT, 2, NULL, &latch) == DLOCK_OK);
  CHECK(dlock_barrier_new(by.client, "g", DLOCK_TEXT, 2, NULL, &barrier) == DLOCK_OK);
  CHECK(dlock_election_new(by.client, "b", DLOCK_TEXT, NULL, &election) == DLOCK_OK);
  CHECK(dlock_condition_new(by.client, "c", DLOCK_TEXT, &condition) == DLOCK_OK);
  dlock_lock* mutex = new_mutex(by.client, "c");
  CHECK(dlock_acquire_queued(mutex, 0, 1) == DLOCK_OK);
  dlock_lease* lease = expect_lease(&by, 1);
  CHECK(dlock_acquire_queued(all, DLOCK_FOREVER, 2) == DLOCK_OK);
  CHECK(dlock_latch_wait_queued(latch, DLOCK_FOREVER, 3) == DLOCK_OK);
  CHECK(dlock_barrier_wait_queued(barrier, DLOCK_FOREVER, 4) == DLOCK_OK);
  CHECK(dlock_election_campaign_queued(election, "us", 2, DLOCK_FOREVER, 5) == DLOCK_OK);
  CHECK(dlock_condition_wait_queued(condition, lease, DLOCK_FOREVER, 6) == DLOCK_OK);
  CHECK(dlock_election_observe_queued(election, 7, &observer) == DLOCK_OK);
  CHECK(dlock_inspect_queued(by.client, DLOCK_SUBJECT_LOCKS, "", 0, 8) == DLOCK_OK);
  say("waits");
  wait_for_line(); /* the test sees them wait */
  close(by.descriptor);
  say("over");
  wait_for_line(); /* the test sees them go */
  CHECK(dlock_lease_release(theirs) == DLOCK_OK);
  dlock_lease_free(theirs);
  dlock_lock_free(held);
  dlock_client_free(other);
}
