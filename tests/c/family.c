/* The rest of what dlock.h promises: replicas, elections, work once in a period, latches, barriers.
 */
#include "support.h"

#include <dlock/testing.h>
#include <stdlib.h>
#include <sys/wait.h>

void replication(void) {
  dlock_client* client = new_client();
  dlock_lock_options options = {
      .size = sizeof options, .min_replicas = 1, .replication_timeout_ms = 20};
  dlock_lock* locks[3] = {NULL};
  CHECK(dlock_mutex_new(client, "a", DLOCK_TEXT, &options, &locks[0]) == DLOCK_OK);
  CHECK(dlock_reader_new(client, "b", DLOCK_TEXT, &options, &locks[1]) == DLOCK_OK);
  CHECK(dlock_permits_new(client, "c", DLOCK_TEXT, 2, 1, &options, &locks[2]) == DLOCK_OK);
  const dlock_once_options period = {
      .size = sizeof period, .min_replicas = 1, .replication_timeout_ms = 20};
  dlock_lease* lease = NULL;
  CHECK(dlock_once_begin(client, "d", DLOCK_TEXT, &period, &lease) == DLOCK_NOT_REPLICATED);
  for (int i = 0; i < 3; i++) {
    CHECK(try_acquire(locks[i], &lease) == DLOCK_NOT_REPLICATED && lease == NULL);
    CHECK(strstr(dlock_last_error(), "0 of 1 replicas") != NULL);
    dlock_lock_free(locks[i]);
  }
  say("free");
  wait_for_line(); /* there is a replica now */
  options.replication_timeout_ms = LONG_MS;
  CHECK(dlock_mutex_new(client, "a", DLOCK_TEXT, &options, &locks[0]) == DLOCK_OK);
  CHECK(try_acquire(locks[0], &lease) == DLOCK_OK);
  dlock_lease_free(lease);
  dlock_lock_free(locks[0]);
  dlock_client_free(client);
}

static dlock_election* new_election(dlock_client* client) {
  dlock_election* election = NULL;
  CHECK(dlock_election_new(client, "e", DLOCK_TEXT, NULL, &election) == DLOCK_OK);
  return election;
}

static int leads(dlock_election* election, const char* value, size_t length, int64_t term,
                 int64_t revision) {
  dlock_leader* leader = NULL;
  size_t size = 0;
  CHECK(dlock_election_leader(election, &leader) == DLOCK_OK && leader != NULL);
  const char* said = dlock_leader_value(leader, &size);
  const int same = size == length && memcmp(said, value, length + 1) == 0 &&
                   dlock_leader_term(leader) == term && dlock_leader_revision(leader) == revision;
  dlock_leader_free(leader);
  return same;
}

/* Two answers: that somebody says "second", and that nobody leads. */
static void on_leader(void* context, const dlock_leader* leader) {
  answer* told = context;
  if (leader == NULL) {
    on_lost(&told[1]);
  } else if (strcmp(dlock_leader_value(leader, NULL), "second") == 0) {
    on_lost(&told[0]);
  }
}

static void in_child(dlock_election* election, dlock_lease* leadership) {
  dlock_leader* leader = NULL;
  dlock_lease* other = NULL;
  CHECK(dlock_election_leader(election, &leader) == DLOCK_FORKED && leader == NULL);
  CHECK(dlock_election_campaign(election, "", 0, 0, NULL, &other) == DLOCK_FORKED);
  CHECK(dlock_lease_proclaim(leadership, "", 0) == DLOCK_FORKED);
  CHECK(dlock_lease_release(leadership) == DLOCK_FORKED);
  dlock_lease_free(leadership);
  dlock_election_free(election);
  exit(0);
}

void elections(void) {
  static const char first[] = "with\0zero";
  dlock_client* client = new_client();
  dlock_election* ours = new_election(client);
  dlock_election* theirs = new_election(client);
  dlock_leader* nobody = NULL;
  CHECK(dlock_election_leader(ours, &nobody) == DLOCK_OK && nobody == NULL);
  dlock_lease* won = NULL;
  dlock_lease* other = NULL;
  CHECK(dlock_election_campaign(ours, first, sizeof first - 1, DLOCK_FOREVER, NULL, &won) ==
        DLOCK_OK);
  const int64_t term = dlock_lease_fence(won);
  CHECK(term > 0 && leads(theirs, first, sizeof first - 1, term, 1));
  CHECK(dlock_election_campaign(theirs, "b", DLOCK_TEXT, 0, NULL, &other) == DLOCK_TIMED_OUT);
  CHECK(dlock_election_campaign(theirs, "b", DLOCK_TEXT, 20, NULL, &other) == DLOCK_TIMED_OUT);
  dlock_cancel* cancel = NULL;
  CHECK(dlock_cancel_new(&cancel) == DLOCK_OK);
  dlock_cancel_request(cancel);
  CHECK(dlock_election_campaign(theirs, "b", DLOCK_TEXT, DLOCK_FOREVER, cancel, &other) ==
        DLOCK_CANCELLED);
  dlock_cancel_free(cancel);

  answer told[2] = {ANSWER, ANSWER};
  dlock_observer* observer = NULL;
  CHECK(dlock_election_observe(theirs, on_leader, told, &observer) == DLOCK_OK);
  CHECK(dlock_lease_proclaim(won, "second", DLOCK_TEXT) == DLOCK_OK);
  CHECK(leads(theirs, "second", 6, term, 2));
  await(&told[0]);
  answer never = ANSWER;
  CHECK(dlock_lease_release_async(won, on_released, &never) == DLOCK_USAGE && never.calls == 0);
  CHECK(dlock_lease_ensure_held(won) == DLOCK_OK && dlock_lease_valid_for_ms(won) > 0);
  CHECK(!dlock_lease_is_lost(won) && strcmp(dlock_lease_name(won, NULL), "e") == 0);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    in_child(ours, won);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && status == 0);

  CHECK(dlock_lease_release(won) == DLOCK_OK && dlock_lease_release(won) == DLOCK_OK);
  CHECK(dlock_lease_proclaim(won, "late", DLOCK_TEXT) == DLOCK_USAGE);
  CHECK(dlock_lease_valid_for_ms(won) == 0 && !dlock_lease_is_lost(won));
  await(&told[1]);
  dlock_observer_free(observer);
  CHECK(dlock_election_leader(ours, &nobody) == DLOCK_OK && nobody == NULL);
  CHECK(dlock_election_campaign(theirs, NULL, 0, DLOCK_FOREVER, NULL, &other) == DLOCK_OK);
  CHECK(dlock_lease_fence(other) > term);
  dlock_lease_free(other); /* resigns */
  dlock_lock* mutex = new_mutex(client, "e");
  CHECK(try_acquire(mutex, &other) == DLOCK_OK);
  CHECK(dlock_lease_proclaim(other, "", 0) == DLOCK_USAGE);
  dlock_lease_free(other);
  dlock_lock_free(mutex);
  dlock_lease_free(won);

  dlock_election_free(theirs);
  CHECK(dlock_election_new(NULL, "e", DLOCK_TEXT, NULL, &theirs) == DLOCK_USAGE && theirs == NULL);
  CHECK(dlock_election_campaign(NULL, "", 0, 0, NULL, &other) == DLOCK_USAGE && other == NULL);
  CHECK(dlock_election_campaign(ours, NULL, 1, 0, NULL, &other) == DLOCK_USAGE);
  CHECK(dlock_election_observe(ours, NULL, NULL, &observer) == DLOCK_USAGE && observer == NULL);
  CHECK(dlock_leader_term(NULL) == 0 && dlock_leader_revision(NULL) == 0);
  dlock_election_free(ours);
  dlock_election_free(NULL);
  dlock_leader_free(NULL);
  dlock_observer_free(NULL);
  dlock_client_free(client);
}

void losing_elections(void) {
  dlock_client* client = new_client();
  dlock_election* election = NULL;
  CHECK(dlock_election_new(client, "e", DLOCK_TEXT, NULL, &election) == DLOCK_OK);
  dlock_lease* won = NULL;
  CHECK(dlock_election_campaign(election, "a", DLOCK_TEXT, 0, NULL, &won) == DLOCK_OK);
  answer lost = ANSWER;
  CHECK(dlock_lease_on_lost(won, on_lost, &lost) == DLOCK_OK);
  CHECK(dlock_lease_lose(client, won) == DLOCK_OK);
  await(&lost);
  CHECK(dlock_lease_is_lost(won) && dlock_lease_ensure_held(won) == DLOCK_LOST);
  CHECK(dlock_lease_proclaim(won, "b", DLOCK_TEXT) == DLOCK_LOST);
  CHECK(dlock_lease_release(won) == DLOCK_LOST);
  dlock_lease_free(won);
  dlock_election_free(election);
  dlock_client_free(client);
}

void once(void) {
  dlock_client* client = new_client();
  dlock_lease* lease = NULL;
  dlock_lease* second = NULL;
  CHECK(dlock_once_begin(client, "nightly", DLOCK_TEXT, NULL, &lease) == DLOCK_OK);
  CHECK(dlock_lease_valid_for_ms(lease) > 3000000);
  CHECK(dlock_lease_release(lease) == DLOCK_OK);
  dlock_lease_free(lease);
  CHECK(dlock_once_begin(client, "nightly", DLOCK_TEXT, NULL, &second) == DLOCK_TIMED_OUT);
  CHECK(second == NULL);

  dlock_once_options options = {.size = sizeof options, .at_least_ms = 50, .at_most_ms = LONG_MS};
  CHECK(dlock_once_begin(client, "often", DLOCK_TEXT, &options, &lease) == DLOCK_OK);
  dlock_lease_free(lease);
  dlock_lock* after = new_mutex(client, "often");
  CHECK(dlock_acquire(after, LONG_MS, NULL, &lease) == DLOCK_OK);
  dlock_lease_free(lease);
  dlock_lock_free(after);
  options.at_least_ms = LONG_MS + 1;
  CHECK(dlock_once_begin(client, "often", DLOCK_TEXT, &options, &lease) == DLOCK_USAGE);
  CHECK(dlock_once_begin(NULL, "often", DLOCK_TEXT, NULL, &lease) == DLOCK_USAGE);
  dlock_client_free(client);
}

typedef struct {
  dlock_latch* latch;
  dlock_barrier* barrier;
  dlock_status status;
} party;

static void* wait_at_gate(void* context) {
  party* self = context;
  self->status = self->latch != NULL ? dlock_latch_wait(self->latch, LONG_MS, NULL)
                                     : dlock_barrier_wait(self->barrier, LONG_MS, NULL);
  return NULL;
}

void latches(void) {
  dlock_client* client = new_client();
  dlock_latch* latch = NULL;
  CHECK(dlock_latch_new(client, "l", DLOCK_TEXT, 3, NULL, &latch) == DLOCK_OK);
  CHECK(dlock_latch_wait(latch, 0, NULL) == DLOCK_TIMED_OUT);
  party waiting = {.latch = latch};
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, wait_at_gate, &waiting) == 0);
  CHECK(dlock_latch_count_down(latch, 2) == DLOCK_OK);
  CHECK(dlock_latch_wait(latch, 20, NULL) == DLOCK_TIMED_OUT);
  dlock_lease* part = NULL;
  CHECK(dlock_latch_join(latch, &part) == DLOCK_OK && dlock_lease_fence(part) > 0);
  CHECK(dlock_latch_count_down_part(latch, part) == DLOCK_OK);
  dlock_lease_free(part);
  pthread_join(thread, NULL);
  CHECK(waiting.status == DLOCK_OK);
  CHECK(dlock_latch_wait(latch, 0, NULL) == DLOCK_OK);
  CHECK(dlock_latch_wait(latch, DLOCK_FOREVER, NULL) == DLOCK_OK);
  dlock_latch_free(latch);

  const dlock_latch_options options = {.size = sizeof options, .ttl_ms = 5000, .keep_ms = 10000};
  dlock_lease* more = NULL;
  dlock_cancel* cancel = NULL;
  CHECK(dlock_latch_new(client, "m", DLOCK_TEXT, 1, &options, &latch) == DLOCK_OK);
  CHECK(dlock_latch_join(latch, &part) == DLOCK_OK && dlock_lease_valid_for_ms(part) <= 5000);
  CHECK(dlock_latch_join(latch, &more) == DLOCK_USAGE && more == NULL);
  CHECK(dlock_cancel_new(&cancel) == DLOCK_OK);
  dlock_cancel_request(cancel);
  CHECK(dlock_latch_wait(latch, DLOCK_FOREVER, cancel) == DLOCK_CANCELLED);
  dlock_cancel_free(cancel);
  dlock_lease_free(part); /* dead */
  CHECK(dlock_latch_wait(latch, LONG_MS, NULL) == DLOCK_BROKEN);
  CHECK(dlock_latch_count_down(latch, 0) == DLOCK_USAGE);
  dlock_latch_free(latch);
  CHECK(dlock_latch_new(client, "m", DLOCK_TEXT, 0, NULL, &latch) == DLOCK_USAGE);
  CHECK(latch == NULL && dlock_latch_count_down(latch, 1) == DLOCK_USAGE);
  CHECK(dlock_latch_wait(NULL, 0, NULL) == DLOCK_USAGE);
  dlock_latch_free(NULL);
  dlock_client_free(client);
}

static void pass_together(dlock_barrier* barrier) {
  party other = {.barrier = barrier};
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, wait_at_gate, &other) == 0);
  CHECK(dlock_barrier_wait(barrier, LONG_MS, NULL) == DLOCK_OK);
  pthread_join(thread, NULL);
  CHECK(other.status == DLOCK_OK);
}

void barriers(void) {
  dlock_client* client = new_client();
  dlock_barrier* barrier = NULL;
  const dlock_barrier_options options = {.size = sizeof options, .ttl_ms = 5000};
  CHECK(dlock_barrier_new(client, "b", DLOCK_TEXT, 2, &options, &barrier) == DLOCK_OK);
  pass_together(barrier);
  pass_together(barrier);
  dlock_barrier_free(barrier);

  party other = {.status = DLOCK_OK};
  CHECK(dlock_barrier_new(client, "c", DLOCK_TEXT, 3, NULL, &other.barrier) == DLOCK_OK);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, wait_at_gate, &other) == 0);
  CHECK(dlock_barrier_wait(other.barrier, 20, NULL) == DLOCK_TIMED_OUT);
  pthread_join(thread, NULL);
  CHECK(other.status == DLOCK_BROKEN);
  CHECK(dlock_barrier_wait(other.barrier, DLOCK_FOREVER, NULL) == DLOCK_BROKEN);
  dlock_barrier_free(other.barrier);

  dlock_lease* parts[3] = {NULL};
  CHECK(dlock_barrier_new(client, "b", DLOCK_TEXT, 2, &options, &barrier) == DLOCK_OK);
  CHECK(dlock_barrier_join(barrier, &parts[0]) == DLOCK_OK);
  CHECK(dlock_barrier_join(barrier, &parts[1]) == DLOCK_OK);
  CHECK(dlock_barrier_join(barrier, &parts[2]) == DLOCK_USAGE && parts[2] == NULL);
  CHECK(dlock_lease_valid_for_ms(parts[0]) <= 5000);
  CHECK(dlock_barrier_leave(barrier, parts[0]) == DLOCK_OK);
  CHECK(dlock_barrier_join(barrier, &parts[2]) == DLOCK_OK);
  pass_together(barrier);
  CHECK(dlock_lease_release(parts[1]) == DLOCK_OK); /* without leaving */
  CHECK(dlock_barrier_wait(barrier, LONG_MS, NULL) == DLOCK_BROKEN);
  CHECK(dlock_barrier_reset(barrier) == DLOCK_OK);
  for (int i = 0; i < 3; i++) {
    dlock_lease_free(parts[i]);
  }
  dlock_barrier_free(barrier);
  CHECK(dlock_barrier_new(client, "b", DLOCK_TEXT, 0, NULL, &barrier) == DLOCK_USAGE);
  CHECK(barrier == NULL && dlock_barrier_reset(barrier) == DLOCK_USAGE);
  CHECK(dlock_barrier_wait(NULL, 0, NULL) == DLOCK_USAGE);
  dlock_barrier_free(NULL);
  dlock_client_free(client);
}
