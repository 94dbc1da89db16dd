/* Queues: calls that end in an event loop, and what ends with it. */
#include "loop.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

static dlock_lease* acquire_queued(const loop* by, uint64_t context) {
  CHECK(dlock_acquire_queued(by->lock, DLOCK_FOREVER, context) == DLOCK_OK);
  const dlock_event event = next_event(by);
  CHECK(event.kind == DLOCK_EVENT_ACQUIRED && event.status == DLOCK_OK);
  CHECK(event.context == context && event.lease != NULL && event.message == NULL);
  return event.lease;
}

void queued(void) {
  loop by = new_loop(NULL);
  dlock_lease* lease = acquire_queued(&by, 7);
  CHECK(dlock_lease_ensure_held(lease) == DLOCK_OK);

  CHECK(dlock_acquire_queued(by.lock, 0, 8) == DLOCK_OK);
  dlock_event event = next_event(&by);
  CHECK(event.kind == DLOCK_EVENT_ACQUIRED && event.status == DLOCK_TIMED_OUT);
  CHECK(event.context == 8 && event.lease == NULL && event.message[0] != '\0');

  CHECK(dlock_acquire_queued(by.lock, DLOCK_FOREVER, 9) == DLOCK_OK);
  CHECK(dlock_acquire_queued(by.lock, DLOCK_FOREVER, 9) == DLOCK_USAGE); /* it has that number */
  dlock_queue_cancel(by.queue, 10);
  dlock_queue_cancel(by.queue, 9);
  event = next_event(&by);
  CHECK(event.context == 9 && event.status == DLOCK_CANCELLED && event.lease == NULL);

  CHECK(dlock_acquire_queued(by.lock, DLOCK_FOREVER, 9) == DLOCK_OK);
  CHECK(dlock_lease_release_queued(lease, 11) == DLOCK_OK);
  for (int i = 0; i < 2; i++) { /* in any order */
    event = next_event(&by);
    CHECK(event.status == DLOCK_OK);
    if (event.kind == DLOCK_EVENT_ACQUIRED) {
      CHECK(event.context == 9);
      lease = event.lease;
    } else {
      CHECK(event.kind == DLOCK_EVENT_RELEASED && event.context == 11 && event.lease == NULL);
    }
  }
  dlock_lease_free(lease);
  CHECK(is_empty(&by));

  /* Its waits end with the client, and a lease goes on. */
  lease = acquire_queued(&by, 12);
  CHECK(dlock_acquire_queued(by.lock, DLOCK_FOREVER, 13) == DLOCK_OK);
  CHECK(dlock_client_free_queued(by.client, 14) == DLOCK_OK);
  for (int i = 0; i < 2; i++) {
    event = next_event(&by);
    if (event.kind == DLOCK_EVENT_ACQUIRED) {
      CHECK(event.context == 13 && event.status == DLOCK_CANCELLED);
    } else {
      CHECK(event.kind == DLOCK_EVENT_CLOSED && event.context == 14 && event.status == DLOCK_OK);
    }
  }
  CHECK(dlock_lease_ensure_held(lease) == DLOCK_OK);
  CHECK(dlock_lease_release(lease) == DLOCK_OK);
  dlock_lease_free(lease);
  dlock_lock_free(by.lock);
  close(by.descriptor);
}

/* A client ends, though the thread that ends it cannot take the events of its waits meanwhile. */
void queued_end(void) {
  loop by = new_loop(NULL);
  dlock_client_options options = {
      .size = sizeof options, .queue = by.queue, .request_timeout_ms = LONG_MS};
  dlock_client* client = NULL;
  CHECK(dlock_client_new(NULL, &options, &client) == DLOCK_OK);
  dlock_lock* lock = new_mutex(client, "b");
  dlock_lease* lease = acquire(lock);
  CHECK(dlock_acquire_queued(lock, DLOCK_FOREVER, 1) == DLOCK_OK);
  const time_t start = time(NULL);
  dlock_client_free(client);
  CHECK((time(NULL) - start) * 1000 < LONG_MS);
  const dlock_event event = next_event(&by);
  CHECK(event.context == 1 && event.status == DLOCK_CANCELLED && event.lease == NULL);
  CHECK(dlock_lease_release(lease) == DLOCK_OK);
  dlock_lease_free(lease);
  dlock_lock_free(lock);
  dlock_lock_free(by.lock);
  dlock_client_free(by.client);
  close(by.descriptor);
}

void queued_losses(void) {
  loop by = new_loop(NULL);
  dlock_lock_free(by.lock);
  dlock_lock_options options = {.size = sizeof options, .ttl_ms = 600};
  CHECK(dlock_mutex_new(by.client, "a", DLOCK_TEXT, &options, &by.lock) == DLOCK_OK);
  dlock_lease* lease = acquire_queued(&by, 1);
  say("held");
  const dlock_event event = next_event(&by); /* the test deletes the key */
  CHECK(event.kind == DLOCK_EVENT_LOST && event.context == 1 && event.lease == NULL);
  CHECK(dlock_lease_ensure_held(lease) == DLOCK_LOST);
  CHECK(dlock_lease_release_queued(lease, 2) == DLOCK_OK);
  const dlock_event released = next_event(&by);
  CHECK(released.kind == DLOCK_EVENT_RELEASED && released.status == DLOCK_LOST);
  CHECK(released.message[0] != '\0');
  dlock_lock_free(by.lock);
  dlock_client_free(by.client);
  close(by.descriptor);
}

/* Its waits and leases end, and all handles are freed; `log` says so. */
void hanging_up(void) {
  dlock_client* other = new_client();
  dlock_lock* held = new_mutex(other, "b");
  dlock_lock* next = new_mutex(other, "a");
  dlock_lease* theirs = acquire(held);
  loop by = new_loop(NULL);
  acquire_queued(&by, 1);
  dlock_lock* reader = NULL; /* of all kinds of handles one */
  dlock_election* election = NULL;
  dlock_latch* latch = NULL;
  dlock_barrier* barrier = NULL;
  dlock_lease* part = NULL;
  dlock_lease* leadership = NULL;
  CHECK(dlock_reader_new(by.client, "r", DLOCK_TEXT, NULL, &reader) == DLOCK_OK);
  CHECK(dlock_election_new(by.client, "e", DLOCK_TEXT, NULL, &election) == DLOCK_OK);
  CHECK(dlock_election_campaign(election, "us", DLOCK_TEXT, 0, NULL, &leadership) == DLOCK_OK);
  CHECK(dlock_latch_new(by.client, "l", DLOCK_TEXT, 2, NULL, &latch) == DLOCK_OK);
  CHECK(dlock_barrier_new(by.client, "g", DLOCK_TEXT, 2, NULL, &barrier) == DLOCK_OK);
  CHECK(dlock_latch_join(latch, &part) == DLOCK_OK);
  CHECK(dlock_acquire_queued(reader, 0, 2) == DLOCK_OK); /* nobody takes its event */
  dlock_lock* waits = new_mutex(by.client, "b");
  CHECK(dlock_acquire_queued(waits, DLOCK_FOREVER, 3) == DLOCK_OK);
  say("held");
  wait_for_line(); /* the test sees it in the queue */
  close(by.descriptor);
  dlock_lease* lease = NULL;
  CHECK(dlock_acquire(next, LONG_MS, NULL, &lease) == DLOCK_OK);
  dlock_lease_free(lease);
  say("over");
  wait_for_line(); /* the test sees nothing of it */
  CHECK(dlock_lease_release(theirs) == DLOCK_OK);
  dlock_lease_free(theirs);
  dlock_lock_free(held);
  dlock_lock_free(next);
  dlock_client_free(other);
}

void queue_errors(void) {
  dlock_queue* queue = NULL;
  int descriptor = 0;
  CHECK(dlock_queue_new(NULL, &descriptor) == DLOCK_USAGE);
  CHECK(dlock_queue_new(&queue, NULL) == DLOCK_USAGE && queue == NULL);
  dlock_event event = {.size = sizeof event};
  CHECK(!dlock_queue_next(NULL, &event));
  CHECK(!dlock_queue_read(NULL));
  CHECK(dlock_queue_sockets(NULL, &descriptor) == DLOCK_USAGE);
  dlock_queue_cancel(NULL, 1);
  CHECK(dlock_acquire_queued(NULL, 0, 1) == DLOCK_USAGE);
  CHECK(dlock_lease_release_queued(NULL, 1) == DLOCK_USAGE);
  CHECK(dlock_client_free_queued(NULL, 1) == DLOCK_USAGE);

  dlock_client* client = new_client(); /* without a queue */
  dlock_lock* lock = new_mutex(client, "a");
  dlock_lease* lease = acquire(lock);
  CHECK(dlock_acquire_queued(lock, 0, 1) == DLOCK_USAGE);
  CHECK(dlock_lease_release_queued(lease, 1) == DLOCK_USAGE);
  CHECK(dlock_client_free_queued(client, 1) == DLOCK_USAGE);
  dlock_lease_free(lease);
  dlock_lock_free(lock);
  dlock_client_free(client);

  loop by = new_loop(NULL);
  CHECK(!dlock_queue_next(by.queue, NULL));
  CHECK(!dlock_queue_read(by.queue));
  CHECK(dlock_queue_sockets(by.queue, NULL) == DLOCK_USAGE);
  lease = acquire_queued(&by, 1);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    CHECK(!dlock_queue_next(by.queue, &event));
    CHECK(!dlock_queue_read(by.queue));
    CHECK(dlock_queue_sockets(by.queue, &descriptor) == DLOCK_FORKED);
    CHECK(dlock_acquire_queued(by.lock, 0, 2) == DLOCK_FORKED);
    CHECK(dlock_lease_release_queued(lease, 2) == DLOCK_FORKED);
    CHECK(dlock_client_free_queued(by.client, 2) == DLOCK_FORKED);
    dlock_queue_cancel(by.queue, 2);
    dlock_lease_free(lease);
    dlock_lock_free(by.lock);
    dlock_client_free(by.client);
    close(by.descriptor);
    exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  CHECK(dlock_lease_ensure_held(lease) == DLOCK_OK);
  CHECK(dlock_lease_release(lease) == DLOCK_OK);
  dlock_lock_free(by.lock);
  dlock_client_free(by.client);
  shutdown(by.descriptor, SHUT_RDWR);
  close(by.descriptor);
}
