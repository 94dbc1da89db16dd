/* An event loop that reads the sockets of its clients itself. Run with "reading". */
#include "loop.h"

#include <limits.h>
#include <sys/resource.h>

static dlock_lease* take(const loop* by, uint64_t context) {
  const dlock_event event = next_event(by);
  CHECK(event.context == context && event.status == DLOCK_OK);
  return event.lease;
}

static long switches(void) {
  struct rusage used;
  CHECK(getrusage(RUSAGE_SELF, &used) == 0);
  return used.ru_nvcsw;
}

/* No other thread takes the answers and wakes it. */
void reading(void) {
  enum { ROUNDS = 10, PAIRS = 50 };
  const loop by = new_loop(NULL);
  long least = LONG_MAX; /* the machine may be busy, and give it no core for 10 ms */
  for (int round = 0; round < ROUNDS; round++) {
    const long before = switches();
    for (uint64_t i = 1; i <= PAIRS; i++) {
      CHECK(dlock_acquire_queued(by.lock, DLOCK_FOREVER, i) == DLOCK_OK);
      CHECK(dlock_lease_release_queued(take(&by, i), i) == DLOCK_OK);
      take(&by, i);
    }
    const long these = switches() - before;
    least = these < least ? these : least;
  }
  CHECK(least < 3 * PAIRS); /* for two calls each; four where another thread reads */
  dlock_lock_free(by.lock);
  dlock_client_free(by.client);
  close(by.descriptor);
}

static void sleep_ms(long ms) {
  struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
  while (nanosleep(&left, &left) != 0) {
  }
}

static void* use(void* of) {
  dlock_lock* lock = of;
  for (int i = 0; i < 20; i++) {
    dlock_lease* lease = acquire(lock);
    CHECK(dlock_lease_release(lease) == DLOCK_OK);
    dlock_lease_free(lease);
  }
  return NULL;
}

/* It does not come for twice the ttl. Its leases are kept, also one of which it does not know yet,
 * and nobody else waits. */
void busy_reader(void) {
  enum { TTL_MS = 500 };
  const loop by = new_loop(NULL);
  const dlock_lock_options options = {.size = sizeof options, .ttl_ms = TTL_MS};
  dlock_lock* known = NULL;
  dlock_lock* unknown = NULL;
  CHECK(dlock_mutex_new(by.client, "known", DLOCK_TEXT, &options, &known) == DLOCK_OK);
  CHECK(dlock_mutex_new(by.client, "unknown", DLOCK_TEXT, &options, &unknown) == DLOCK_OK);
  CHECK(dlock_acquire_queued(known, DLOCK_FOREVER, 1) == DLOCK_OK);
  dlock_lease* lease = next_event(&by).lease;
  CHECK(lease != NULL);

  CHECK(dlock_acquire_queued(unknown, DLOCK_FOREVER, 2) == DLOCK_OK);
  pthread_t other;
  CHECK(pthread_create(&other, NULL, use, by.lock) == 0);
  answer asynchronous = ANSWER;
  dlock_lock* own = new_mutex(by.client, "own");
  CHECK(dlock_acquire_async(own, DLOCK_FOREVER, NULL, on_acquired, &asynchronous) == DLOCK_OK);
  CHECK(pthread_join(other, NULL) == 0);
  await(&asynchronous);
  CHECK(asynchronous.lease != NULL);
  sleep_ms(2 * TTL_MS);

  dlock_client* rival = new_client();
  const char* const names[] = {"known", "unknown"};
  for (int i = 0; i < 2; i++) {
    dlock_lock* lock = new_mutex(rival, names[i]);
    dlock_lease* theirs = NULL;
    CHECK(try_acquire(lock, &theirs) == DLOCK_TIMED_OUT);
    dlock_lock_free(lock);
  }
  CHECK(dlock_lease_ensure_held(lease) == DLOCK_OK);
  const dlock_event event = next_event(&by);
  CHECK(event.context == 2 && event.status == DLOCK_OK);
  CHECK(dlock_lease_ensure_held(event.lease) == DLOCK_OK);
  dlock_lease* const all[] = {lease, event.lease, asynchronous.lease};
  for (int i = 0; i < 3; i++) {
    CHECK(dlock_lease_release(all[i]) == DLOCK_OK);
    dlock_lease_free(all[i]);
  }
  dlock_lock_free(known);
  dlock_lock_free(unknown);
  dlock_lock_free(own);
  dlock_lock_free(by.lock);
  dlock_client_free(rival);
  dlock_client_free(by.client);
  close(by.descriptor);
}
