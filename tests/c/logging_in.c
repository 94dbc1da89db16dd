/* Credentials that a function gives, or the reader of a queue. The server takes any password. */
#include "loop.h"

#include <stdatomic.h>

typedef struct {
  atomic_int calls;
  int refuses;
} given;

static void give(void* context, dlock_login* login) {
  given* to = context;
  to->calls++;
  if (to->refuses) {
    dlock_login_refuse(login, "the token service is down");
  } else {
    dlock_login_answer(login, NULL, "any", 100);
  }
}

static void wait_for_calls(given* from, int calls) {
  for (int i = 0; from->calls < calls; i++) {
    CHECK(i < LONG_MS / 10);
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
  }
}

void logging_in(void) {
  static given by; /* it may be asked for a moment longer than the client lives */
  dlock_client_options options = {
      .size = sizeof options, .credentials = give, .credentials_context = &by};
  dlock_client* client = NULL;
  CHECK(dlock_client_new(NULL, &options, &client) == DLOCK_OK);
  dlock_lock* lock = new_mutex(client, "a");
  dlock_lease* lease = acquire(lock);
  wait_for_calls(&by, 4); /* again and again, on the same connection */
  dlock_stats stats = {.size = sizeof stats};
  CHECK(dlock_client_stats(client, &stats) == DLOCK_OK && stats.reconnects == 0);
  CHECK(dlock_lease_release(lease) == DLOCK_OK);
  dlock_lease_free(lease);
  dlock_lock_free(lock);
  dlock_client_free(client);

  static given refusing = {.refuses = 1};
  options.credentials_context = &refusing;
  CHECK(dlock_client_new(NULL, &options, &client) == DLOCK_OK);
  lock = new_mutex(client, "a");
  CHECK(try_acquire(lock, &lease) == DLOCK_UNREACHABLE);
  CHECK(strstr(dlock_last_error(), "the token service is down") != NULL);
  dlock_lock_free(lock);
  dlock_client_free(client);
  dlock_login_answer(NULL, NULL, NULL, 0);
  dlock_login_refuse(NULL, NULL);
}

void queued_logins(void) {
  loop by = {0};
  CHECK(dlock_queue_new(&by.queue, &by.descriptor) == DLOCK_OK);
  dlock_client_options options = {
      .size = sizeof options, .credentials_to_queue = 1, .credentials_context = (void*)77};
  CHECK(dlock_client_new(NULL, &options, &by.client) == DLOCK_USAGE); /* to which queue? */
  options.queue = by.queue;
  CHECK(dlock_client_new(NULL, &options, &by.client) == DLOCK_OK);
  CHECK(dlock_mutex_new(by.client, "a", DLOCK_TEXT, NULL, &by.lock) == DLOCK_OK);
  CHECK(dlock_acquire_queued(by.lock, DLOCK_FOREVER, 1) == DLOCK_OK);
  dlock_event event = next_event(&by);
  CHECK(event.kind == DLOCK_EVENT_LOGIN && event.context == 77 && event.login != NULL);
  dlock_login_answer(event.login, "default", "any", 0);
  event = next_event(&by);
  CHECK(event.kind == DLOCK_EVENT_ACQUIRED && event.context == 1 && event.status == DLOCK_OK);
  CHECK(dlock_lease_release(event.lease) == DLOCK_OK);
  dlock_lease_free(event.lease);
  dlock_lock_free(by.lock);
  dlock_client_free(by.client);
  close(by.descriptor);
}
