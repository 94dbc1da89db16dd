/* Callbacks that use and free what they belong to, and the longest times. */
#include "support.h"

#include <stdint.h>

/* What a callback works with, and whether it is over. */
typedef struct {
  dlock_client* client;
  dlock_lock* lock;
  dlock_cancel* cancel;
  dlock_lease* lease;
  answer over;
} work;

#define WORK {.over = ANSWER}

static void free_all_then_signal(void* context, dlock_status status, dlock_lease* lease,
                                 const char* message) {
  work* self = context;
  dlock_lock_free(self->lock);
  dlock_cancel_free(self->cancel);
  dlock_lease_free(lease); /* releases */
  dlock_client_free(self->client);
  on_acquired(&self->over, status, NULL, message);
}

void freeing_in_callbacks(void) {
  /* Everything, by the callback of an acquisition. */
  work first = WORK;
  first.client = new_client();
  first.lock = new_mutex(first.client, "a");
  CHECK(dlock_cancel_new(&first.cancel) == DLOCK_OK);
  CHECK(dlock_acquire_async(first.lock, DLOCK_FOREVER, first.cancel, free_all_then_signal,
                            &first) == DLOCK_OK);
  await(&first.over);
  CHECK(first.over.status == DLOCK_OK);

  /* By that of one that was cancelled. */
  dlock_client* holder = new_client();
  dlock_lock* held = new_mutex(holder, "a");
  dlock_lease* lease = acquire(held);
  work second = WORK;
  second.client = new_client();
  second.lock = new_mutex(second.client, "a");
  CHECK(dlock_cancel_new(&second.cancel) == DLOCK_OK);
  dlock_cancel* cancel = second.cancel;
  CHECK(dlock_acquire_async(second.lock, DLOCK_FOREVER, cancel, free_all_then_signal, &second) ==
        DLOCK_OK);
  dlock_cancel_request(cancel);
  await(&second.over);
  CHECK(second.over.status == DLOCK_CANCELLED);
  CHECK(dlock_lease_release(lease) == DLOCK_OK);
  dlock_lease_free(lease);
  dlock_lock_free(held);
  dlock_client_free(holder);
}

static void release_and_free(void* context) {
  work* self = context;
  CHECK(dlock_lease_ensure_held(self->lease) == DLOCK_LOST ||
        dlock_lease_valid_for_ms(self->lease) > 0);
  dlock_lease_release(self->lease); /* it may just be in time */
  dlock_lease_free(self->lease);
  dlock_lease* next = NULL;
  CHECK(dlock_acquire(self->lock, LONG_MS, NULL, &next) == DLOCK_OK);
  dlock_lease_free(next);
  on_lost(&self->over);
}

void losing_in_callbacks(void) {
  work lost = WORK;
  dlock_lock_options options = {.size = sizeof options, .ttl_ms = 300, .no_renew = 1};
  lost.client = new_client();
  CHECK(dlock_mutex_new(lost.client, "a", DLOCK_TEXT, &options, &lost.lock) == DLOCK_OK);
  lost.lease = acquire(lost.lock);
  CHECK(dlock_lease_on_lost(lost.lease, release_and_free, &lost) == DLOCK_OK);
  await(&lost.over);
  dlock_lock_free(lost.lock);
  dlock_client_free(lost.client);
}

typedef dlock_status (*waits)(dlock_lock* lock, int64_t timeout, dlock_lease** lease);

static dlock_status blocking(dlock_lock* lock, int64_t timeout, dlock_lease** lease) {
  return dlock_acquire(lock, timeout, NULL, lease);
}

static dlock_status calling_back(dlock_lock* lock, int64_t timeout, dlock_lease** lease) {
  answer later = ANSWER;
  CHECK(dlock_acquire_async(lock, timeout, NULL, on_acquired, &later) == DLOCK_OK);
  await(&later);
  *lease = later.lease;
  return later.status;
}

static void* release_later(void* context) {
  nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* most often they wait by then */
  CHECK(dlock_lease_release(context) == DLOCK_OK);
  return NULL;
}

typedef struct {
  dlock_latch* latch;
  dlock_barrier* barrier;
  dlock_election* election;
  dlock_lease* leadership;
} party;

static void* arrive(void* context) {
  const party* self = context;
  nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* most often the others wait by then */
  CHECK(dlock_latch_count_down(self->latch, 1) == DLOCK_OK);
  CHECK(dlock_barrier_wait(self->barrier, INT64_MAX, NULL) == DLOCK_OK);
  CHECK(dlock_lease_release(self->leadership) == DLOCK_OK);
  return NULL;
}

/* Of all kinds of waits one. */
static void wait_for_others(dlock_client* client) {
  party others = {0};
  CHECK(dlock_latch_new(client, "l", DLOCK_TEXT, 1, NULL, &others.latch) == DLOCK_OK);
  CHECK(dlock_barrier_new(client, "g", DLOCK_TEXT, 2, NULL, &others.barrier) == DLOCK_OK);
  CHECK(dlock_election_new(client, "e", DLOCK_TEXT, NULL, &others.election) == DLOCK_OK);
  CHECK(dlock_election_campaign(others.election, "them", DLOCK_TEXT, 0, NULL, &others.leadership) ==
        DLOCK_OK);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, arrive, &others) == 0);
  CHECK(dlock_latch_wait(others.latch, INT64_MAX, NULL) == DLOCK_OK);
  CHECK(dlock_barrier_wait(others.barrier, INT64_MAX, NULL) == DLOCK_OK);
  dlock_lease* leadership = NULL;
  CHECK(dlock_election_campaign(others.election, "us", DLOCK_TEXT, INT64_MAX, NULL, &leadership) ==
        DLOCK_OK);
  CHECK(pthread_join(thread, NULL) == 0);
  dlock_lease_free(others.leadership);
  dlock_lease_free(leadership);
  dlock_election_free(others.election);
  dlock_barrier_free(others.barrier);
  dlock_latch_free(others.latch);
}

/* INT64_MAX and all that is negative wait for ever. */
void longest_times(void) {
  static const waits kinds[] = {blocking, calling_back};
  static const int64_t spans[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 1000, INT64_MIN, -2};
  dlock_client* client = new_client();
  dlock_client* other = new_client();
  dlock_lock* held = new_mutex(other, "a");
  dlock_lock* lock = NULL;
  dlock_lock_options options = {.size = sizeof options, .max_hold_ms = INT64_MAX};
  CHECK(dlock_mutex_new(client, "a", DLOCK_TEXT, &options, &lock) == DLOCK_OK);
  for (size_t i = 0; i < 2 * sizeof spans / sizeof *spans; i++) {
    dlock_lease* theirs = acquire(held);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, release_later, theirs) == 0);
    dlock_lease* lease = NULL;
    CHECK(kinds[i % 2](lock, spans[i / 2], &lease) == DLOCK_OK);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(dlock_lease_valid_for_ms(lease) > 0);
    dlock_lease_free(theirs);
    dlock_lease_free(lease);
  }
  dlock_lock_free(lock);
  dlock_lock_free(held);
  dlock_client_free(other);

  wait_for_others(client);

  dlock_latch* latch = NULL;
  dlock_barrier* barrier = NULL;
  static const int64_t busy_polls[] = {INT64_MIN, -1, 0, 1, 1000, 1001, INT64_MAX};
  for (size_t i = 0; i < sizeof busy_polls / sizeof *busy_polls; i++) {
    const dlock_client_options options = {.size = sizeof options, .busy_poll_us = busy_polls[i]};
    dlock_client* made = NULL;
    CHECK(dlock_client_new(NULL, &options, &made) == (i < 5 ? DLOCK_OK : DLOCK_USAGE));
    dlock_client_free(made);
  }
  static const int64_t in_options[] = {INT64_MAX, INT64_MIN, -1};
  for (size_t i = 0; i < sizeof in_options / sizeof *in_options; i++) {
    const int64_t ms = in_options[i];
    const dlock_status expected = ms > 0 ? DLOCK_OK : DLOCK_USAGE;
    const dlock_lock_options ttl = {.size = sizeof ttl, .ttl_ms = ms};
    const dlock_lock_options replicas = {.size = sizeof replicas, .replication_timeout_ms = ms};
    const dlock_latch_options keep = {.size = sizeof keep, .keep_ms = ms};
    const dlock_barrier_options part = {.size = sizeof part, .ttl_ms = ms};
    dlock_lock* locks[3] = {NULL, NULL, NULL};
    CHECK(dlock_mutex_new(client, "a", DLOCK_TEXT, &ttl, &locks[0]) == expected);
    CHECK(dlock_writer_new(client, "a", DLOCK_TEXT, &ttl, &locks[1]) == expected);
    CHECK(dlock_permits_new(client, "a", DLOCK_TEXT, 1, 1, &replicas, &locks[2]) == expected);
    for (size_t k = 0; k < 3; k++) dlock_lock_free(locks[k]);
    CHECK(dlock_latch_new(client, "l", DLOCK_TEXT, 1, &keep, &latch) == expected);
    dlock_latch_free(latch);
    latch = NULL;
    CHECK(dlock_barrier_new(client, "g", DLOCK_TEXT, 1, &part, &barrier) == expected);
    dlock_barrier_free(barrier);
    barrier = NULL;
    const dlock_client_options clients[] = {{.size = sizeof *clients, .connect_timeout_ms = ms},
                                            {.size = sizeof *clients, .request_timeout_ms = ms},
                                            {.size = sizeof *clients, .drift_floor_ms = ms},
                                            {.size = sizeof *clients, .safety_margin_ms = ms}};
    for (size_t k = 0; k < sizeof clients / sizeof *clients; k++) {
      dlock_client* made = NULL;
      CHECK(dlock_client_new(NULL, &clients[k], &made) == (k < 2 ? expected : DLOCK_USAGE));
      dlock_client_free(made);
    }
  }
  dlock_client_free(client);
}
