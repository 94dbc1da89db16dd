/* What dlock.h promises, in plain C: each test is a subcommand, run by interface_test.py against
 * the server of $DLOCK_URL. */
#include "support.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>

static void leases(void) {
  dlock_client* one = new_client();
  dlock_client* two = new_client();
  dlock_lock* ours = new_mutex(one, "a");
  dlock_lock* theirs = new_mutex(two, "a");
  dlock_lease* lease = acquire(ours);
  size_t length = 0;
  CHECK(strcmp(dlock_lease_name(lease, &length), "a") == 0 && length == 1);
  CHECK(strlen(dlock_lease_token(lease)) > 10);
  CHECK(dlock_lease_valid_for_ms(lease) > 20000 && dlock_lease_valid_for_ms(lease) <= 30000);
  CHECK(dlock_lease_ensure_held(lease) == DLOCK_OK);
  CHECK(!dlock_lease_is_lost(lease));

  dlock_lease* other = (dlock_lease*)&length;
  CHECK(try_acquire(theirs, &other) == DLOCK_TIMED_OUT && other == NULL);
  CHECK(strstr(dlock_last_error(), "not free") != NULL);
  CHECK(dlock_acquire(theirs, 20, NULL, &other) == DLOCK_TIMED_OUT && other == NULL);

  CHECK(dlock_lease_release(lease) == DLOCK_OK);
  CHECK(dlock_lease_release(lease) == DLOCK_OK);
  CHECK(dlock_lease_ensure_held(lease) == DLOCK_USAGE);
  CHECK(dlock_lease_valid_for_ms(lease) == 0);
  CHECK(!dlock_lease_is_lost(lease));
  CHECK(dlock_acquire(theirs, LONG_MS, NULL, &other) == DLOCK_OK);
  CHECK(dlock_lease_fence(other) > dlock_lease_fence(lease));
  CHECK(strcmp(dlock_lease_name(lease, NULL), "a") == 0);
  dlock_lease_free(lease);
  dlock_lease_free(other); /* releases */
  lease = NULL;
  CHECK(try_acquire(ours, &lease) == DLOCK_OK);

  /* In any order; the lease still holds after its client is gone. */
  dlock_client_free(one);
  dlock_lock_free(ours);
  CHECK(dlock_lease_ensure_held(lease) == DLOCK_OK);
  CHECK(try_acquire(theirs, &other) == DLOCK_TIMED_OUT);
  dlock_lease_free(lease);
  CHECK(try_acquire(theirs, &other) == DLOCK_OK);
  dlock_lease_free(other);
  dlock_lock_free(theirs);
  dlock_client_free(two);
}

static void names(void) {
  static const char name[] = "with\0zero";
  dlock_client_options options = {
      .size = sizeof options, .drift_rate = 0.2, .prefix = "p:", .label = "here"};
  dlock_client* client = NULL;
  CHECK(dlock_client_new(NULL, &options, &client) == DLOCK_OK);
  dlock_lock* lock = NULL;
  CHECK(dlock_mutex_new(client, name, sizeof name - 1, NULL, &lock) == DLOCK_OK);
  dlock_lease* lease = acquire(lock);
  size_t length = 0;
  CHECK(memcmp(dlock_lease_name(lease, &length), name, sizeof name) == 0);
  CHECK(length == sizeof name - 1);
  CHECK(dlock_lease_valid_for_ms(lease) <= 24000);
  say("held");
  wait_for_line();
  dlock_lease_free(lease);
  dlock_lock_free(lock);
  dlock_client_free(client);
}

static void kinds(void) {
  dlock_client* client = new_client();
  dlock_lock* reader = NULL;
  dlock_lock* writer = NULL;
  dlock_lock* two = NULL;
  CHECK(dlock_reader_new(client, "rw", DLOCK_TEXT, NULL, &reader) == DLOCK_OK);
  CHECK(dlock_writer_new(client, "rw", DLOCK_TEXT, NULL, &writer) == DLOCK_OK);
  CHECK(dlock_permits_new(client, "gpu", DLOCK_TEXT, 3, 2, NULL, &two) == DLOCK_OK);
  dlock_lease* a = acquire(reader);
  dlock_lease* b = acquire(reader);
  dlock_lease* c = NULL;
  CHECK(try_acquire(writer, &c) == DLOCK_TIMED_OUT);
  dlock_lease_free(a);
  dlock_lease_free(b);
  a = acquire(writer);
  CHECK(try_acquire(reader, &c) == DLOCK_TIMED_OUT);
  dlock_lease_free(a);

  a = acquire(two);
  CHECK(try_acquire(two, &c) == DLOCK_TIMED_OUT);
  dlock_lock* one = NULL;
  CHECK(dlock_permits_new(client, "gpu", DLOCK_TEXT, 3, 1, NULL, &one) == DLOCK_OK);
  CHECK(try_acquire(one, &c) == DLOCK_OK);
  dlock_lease_free(c);
  dlock_lock* four = NULL;
  CHECK(dlock_permits_new(client, "gpu", DLOCK_TEXT, 3, 4, NULL, &four) == DLOCK_OK);
  CHECK(dlock_acquire(four, DLOCK_FOREVER, NULL, &c) == DLOCK_USAGE);
  dlock_lease_free(a);
  dlock_lock* mutex = new_mutex(client, "rw");
  a = acquire(reader);
  CHECK(try_acquire(mutex, &c) == DLOCK_NOT_A_LOCK);
  dlock_lease_free(a);
  dlock_lock* locks[] = {reader, writer, two, one, four, mutex};
  for (size_t i = 0; i < sizeof locks / sizeof *locks; i++) {
    dlock_lock_free(locks[i]);
  }
  dlock_client_free(client);
}

typedef struct {
  dlock_lock* lock;
  dlock_cancel* cancel;
  dlock_status status;
} waiter;

static void* wait_in_line(void* context) {
  waiter* self = context;
  dlock_lease* lease = NULL;
  self->status = dlock_acquire(self->lock, DLOCK_FOREVER, self->cancel, &lease);
  dlock_lease_free(lease);
  return NULL;
}

/* Two waits of one client for what another one holds; `end` ends them. */
static void ending_waits(dlock_client* client, dlock_lock* lock, waiter* blocked,
                         void (*end)(dlock_client* client, waiter* blocked)) {
  dlock_client* holder = new_client();
  dlock_lock* held = new_mutex(holder, "a");
  dlock_lease* lease = acquire(held);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, wait_in_line, blocked) == 0);
  answer later = ANSWER;
  CHECK(dlock_acquire_async(lock, DLOCK_FOREVER, blocked->cancel, on_acquired, &later) == DLOCK_OK);
  say("held");
  wait_for_line(); /* the test sees them in the queue */
  end(client, blocked);
  pthread_join(thread, NULL);
  CHECK(blocked->status == DLOCK_CANCELLED);
  await(&later);
  CHECK(later.status == DLOCK_CANCELLED && later.lease == NULL && later.message[0] != '\0');
  dlock_lease* other = NULL;
  CHECK(dlock_acquire(lock, LONG_MS, blocked->cancel, &other) == DLOCK_CANCELLED);
  dlock_lease_free(lease);
  dlock_lock_free(held);
  dlock_client_free(holder);
}

static void end_by_cancel(dlock_client* client, waiter* blocked) {
  (void)client;
  dlock_cancel_request(blocked->cancel);
}

static void cancelling(void) {
  dlock_client* client = new_client();
  dlock_lock* lock = new_mutex(client, "a");
  waiter blocked = {.lock = lock};
  CHECK(dlock_cancel_new(&blocked.cancel) == DLOCK_OK);
  ending_waits(client, lock, &blocked, end_by_cancel);
  dlock_cancel_free(blocked.cancel);
  dlock_lease_free(acquire(lock)); /* the client is none the worse */
  dlock_lock_free(lock);
  dlock_client_free(client);
}

static void end_by_free(dlock_client* client, waiter* blocked) {
  (void)blocked;
  dlock_client_free(client);
}

static void closing(void) {
  dlock_client* client = new_client();
  dlock_lock* lock = new_mutex(client, "a");
  waiter blocked = {.lock = lock};
  ending_waits(client, lock, &blocked, end_by_free);
  dlock_lock_free(lock);
}

static void without_waiting(void) {
  dlock_client* client = new_client();
  dlock_lock* lock = new_mutex(client, "a");
  answer first = ANSWER;
  answer second = ANSWER;
  answer tried = ANSWER;
  CHECK(dlock_acquire_async(lock, DLOCK_FOREVER, NULL, on_acquired, &first) == DLOCK_OK);
  await(&first);
  CHECK(first.status == DLOCK_OK && first.lease != NULL && first.message[0] == '\0');
  CHECK(dlock_acquire_async(lock, 0, NULL, on_acquired, &tried) == DLOCK_OK);
  await(&tried);
  CHECK(tried.status == DLOCK_TIMED_OUT && tried.lease == NULL);
  CHECK(dlock_acquire_async(lock, DLOCK_FOREVER, NULL, on_acquired, &second) == DLOCK_OK);
  answer released = ANSWER;
  CHECK(dlock_lease_release_async(first.lease, on_released, &released) == DLOCK_OK);
  await(&released);
  CHECK(released.status == DLOCK_OK && released.calls == 1);
  await(&second);
  CHECK(dlock_lease_fence(second.lease) > dlock_lease_fence(first.lease));
  CHECK(dlock_lease_release_async(first.lease, on_released, &released) == DLOCK_OK);
  CHECK(released.calls == 2 && released.status == DLOCK_OK); /* nothing to release */
  dlock_lease_free(first.lease);
  dlock_lease_free(second.lease);
  CHECK(dlock_acquire_async(lock, 0, NULL, NULL, NULL) == DLOCK_USAGE);
  dlock_lock_free(lock);
  dlock_client_free(client);
}

static void losing(void) {
  dlock_client* client = new_client();
  dlock_lock* lock = NULL;
  dlock_lock_options options = {.size = sizeof options, .ttl_ms = 600};
  CHECK(dlock_mutex_new(client, "a", DLOCK_TEXT, &options, &lock) == DLOCK_OK);
  dlock_lease* lease = acquire(lock);
  answer lost = ANSWER;
  answer removed = ANSWER;
  CHECK(dlock_lease_on_lost(lease, on_lost, &lost) == DLOCK_OK);
  dlock_lease* freed = NULL;
  dlock_lock* other = new_mutex(client, "b");
  CHECK(try_acquire(other, &freed) == DLOCK_OK);
  CHECK(dlock_lease_on_lost(freed, on_lost, &removed) == DLOCK_OK);
  dlock_lease_free(freed);
  dlock_stats stats = {.size = sizeof stats};
  while (stats.renewals + stats.reconnects == 0) {
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    CHECK(dlock_client_stats(client, &stats) == DLOCK_OK);
  }
  CHECK(stats.renewals > 0 && stats.reconnects == 0);
  say("held");
  await(&lost); /* the test deletes the keys */
  CHECK(dlock_lease_is_lost(lease));
  CHECK(dlock_lease_ensure_held(lease) == DLOCK_LOST);
  answer late = ANSWER;
  CHECK(dlock_lease_on_lost(lease, on_lost, &late) == DLOCK_OK && late.calls == 1);
  CHECK(dlock_lease_release(lease) == DLOCK_LOST);
  CHECK(strstr(dlock_last_error(), "\"a\"") != NULL);
  CHECK(dlock_lease_is_lost(lease));
  CHECK(lost.calls == 1 && removed.calls == 0);
  CHECK(dlock_lease_on_lost(lease, on_lost, &late) == DLOCK_USAGE);
  dlock_lease_free(lease);
  dlock_lock_free(other);
  dlock_lock_free(lock);

  /* Limits of their own. */
  const dlock_lock_options limits[] = {
      {.size = sizeof *limits, .ttl_ms = 300, .no_renew = 1},
      {.size = sizeof *limits, .max_hold_ms = 300},
  };
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    CHECK(dlock_mutex_new(client, "a", DLOCK_TEXT, &limits[i], &lock) == DLOCK_OK);
    lease = acquire(lock);
    answer ended = ANSWER;
    CHECK(dlock_lease_on_lost(lease, on_lost, &ended) == DLOCK_OK);
    await(&ended);
    dlock_lease_free(lease);
    dlock_lock_free(lock);
  }
  dlock_client_free(client);
}

static void in_child(dlock_client* client, dlock_lock* lock, dlock_lease* lease) {
  dlock_lease* other = NULL;
  dlock_lock* late = NULL;
  answer never = ANSWER;
  CHECK(dlock_acquire(lock, 0, NULL, &other) == DLOCK_FORKED && other == NULL);
  CHECK(dlock_acquire_async(lock, 0, NULL, on_acquired, &never) == DLOCK_FORKED);
  CHECK(dlock_lease_ensure_held(lease) == DLOCK_FORKED);
  CHECK(dlock_lease_release(lease) == DLOCK_FORKED);
  CHECK(dlock_lease_release_async(lease, on_released, &never) == DLOCK_FORKED);
  CHECK(dlock_lease_on_lost(lease, on_lost, &never) == DLOCK_FORKED);
  CHECK(dlock_lease_valid_for_ms(lease) == 0);
  CHECK(dlock_lease_is_lost(lease));
  CHECK(strstr(dlock_last_error(), "fork") != NULL);
  dlock_lease_free(lease);
  dlock_lock_free(lock);
  dlock_client_free(client);
  /* One of its own. */
  client = new_client();
  late = new_mutex(client, "b");
  dlock_lease_free(acquire(late));
  dlock_lock_free(late);
  dlock_client_free(client);
  CHECK(never.calls == 0);
  exit(0);
}

static void forking(void) {
  dlock_client* client = new_client();
  dlock_lock* lock = new_mutex(client, "a");
  dlock_lease* lease = acquire(lock);
  answer lost = ANSWER;
  CHECK(dlock_lease_on_lost(lease, on_lost, &lost) == DLOCK_OK);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    in_child(client, lock, lease);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  CHECK(dlock_lease_ensure_held(lease) == DLOCK_OK);
  CHECK(dlock_lease_release(lease) == DLOCK_OK);
  dlock_lease_free(lease);
  dlock_lock_free(lock);
  dlock_client_free(client);
}

static void on_log(void* context, dlock_log_level level, const char* text) {
  int* lines = context;
  *lines += level >= DLOCK_LOG_WARNING && text[0] != '\0';
}

static void errors(void) {
  dlock_client* client = (dlock_client*)&client;
  CHECK(dlock_client_new("nonsense://", NULL, &client) == DLOCK_USAGE && client == NULL);
  CHECK(strstr(dlock_last_error(), "store URL") != NULL);
  CHECK(dlock_client_new(NULL, NULL, NULL) == DLOCK_USAGE);
  CHECK(dlock_client_new("", NULL, &client) == DLOCK_USAGE);
  CHECK(strstr(dlock_last_error(), "the URL is empty") != NULL);
  CHECK(dlock_client_url(NULL) == NULL);

  client = new_client();
  CHECK(strncmp(dlock_client_url(client), "redis://", 8) == 0);
  dlock_lock* lock = NULL;
  CHECK(dlock_mutex_new(NULL, "a", DLOCK_TEXT, NULL, &lock) == DLOCK_USAGE);
  CHECK(dlock_mutex_new(client, NULL, DLOCK_TEXT, NULL, &lock) == DLOCK_USAGE);
  CHECK(dlock_mutex_new(client, "dlock1:a", DLOCK_TEXT, NULL, &lock) == DLOCK_USAGE);
  CHECK(dlock_permits_new(client, "a", DLOCK_TEXT, 0, 1, NULL, &lock) == DLOCK_USAGE);
  dlock_lock_options options = {.size = sizeof options, .ttl_ms = 1};
  CHECK(dlock_mutex_new(client, "a", DLOCK_TEXT, &options, &lock) == DLOCK_USAGE && lock == NULL);
  CHECK(strstr(dlock_last_error(), "ttl") != NULL);

  /* Options of an older header are shorter, those of a newer one longer. */
  struct {
    dlock_lock_options known;
    int64_t new_member;
  } longer = {.known = {.size = sizeof longer}};
  CHECK(dlock_mutex_new(client, "a", DLOCK_TEXT, &longer.known, &lock) == DLOCK_OK);
  dlock_lock_free(lock);
  longer.new_member = 1;
  CHECK(dlock_mutex_new(client, "a", DLOCK_TEXT, &longer.known, &lock) == DLOCK_USAGE);
  options.size = sizeof options.size; /* the ttl is not one of them */
  CHECK(dlock_mutex_new(client, "a", DLOCK_TEXT, &options, &lock) == DLOCK_OK);
  options.size = 0;
  dlock_lock* none = NULL;
  CHECK(dlock_mutex_new(client, "a", DLOCK_TEXT, &options, &none) == DLOCK_USAGE);

  CHECK(dlock_acquire(NULL, 0, NULL, NULL) == DLOCK_USAGE);
  CHECK(dlock_acquire(lock, 0, NULL, NULL) == DLOCK_USAGE);
  dlock_lease* lease = NULL;
  CHECK(dlock_acquire(NULL, 0, NULL, &lease) == DLOCK_USAGE);
  CHECK(dlock_lease_ensure_held(NULL) == DLOCK_USAGE);
  CHECK(dlock_lease_release(NULL) == DLOCK_USAGE);
  CHECK(dlock_lease_fence(NULL) == 0 && dlock_lease_valid_for_ms(NULL) == 0);
  dlock_lock_free(lock);
  dlock_client_free(client);

  int lines = 0;
  dlock_client_options there = {.size = sizeof there,
                                .connect_timeout_ms = 200,
                                .request_timeout_ms = 200,
                                .patience_ms = 20,
                                .log = on_log,
                                .log_context = &lines};
  CHECK(dlock_client_new("redis+unix:///nonexistent/redis.sock", &there, &client) == DLOCK_OK);
  lock = new_mutex(client, "a");
  CHECK(dlock_acquire(lock, 0, NULL, &lease) == DLOCK_UNREACHABLE && lease == NULL);
  CHECK(strstr(dlock_last_error(), "/nonexistent/redis.sock") != NULL);
  const time_t began = time(NULL);
  CHECK(dlock_acquire(lock, DLOCK_FOREVER, NULL, &lease) == DLOCK_UNREACHABLE);
  CHECK(time(NULL) - began < 8); /* not the 10 s without the option */
  dlock_lock_free(lock);
  dlock_client_free(client);
  CHECK(lines > 0);

  dlock_client_free(NULL);
  dlock_lock_free(NULL);
  dlock_cancel_free(NULL);
  dlock_lease_free(NULL);
  dlock_cancel_request(NULL);
  CHECK(strcmp(dlock_status_name(DLOCK_LOST), "DLOCK_LOST") == 0);
  CHECK(strcmp(dlock_status_name(DLOCK_NOT_REPLICATED), "DLOCK_NOT_REPLICATED") == 0);
  CHECK(strcmp(dlock_status_name(DLOCK_SYSTEM), "DLOCK_SYSTEM") == 0);
  CHECK(strcmp(dlock_status_name((dlock_status)55), "DLOCK_UNKNOWN") == 0);
  puts(dlock_version());
}

static const struct {
  const char* name;
  void (*run)(void);
} tests[] = {
    {"leases", leases},
    {"names", names},
    {"kinds", kinds},
    {"cancelling", cancelling},
    {"closing", closing},
    {"without_waiting", without_waiting},
    {"losing", losing},
    {"forking", forking},
    {"errors", errors},
    {"replication", replication},
    {"elections", elections},
    {"losing_elections", losing_elections},
    {"once", once},
    {"latches", latches},
    {"barriers", barriers},
    {"several_locks", several_locks},
    {"upgrades", upgrades},
    {"conditions", conditions},
    {"changing_permits", changing_permits},
    {"looking", looking},
    {"counting", counting},
    {"measuring", measuring},
    {"telling", telling},
    {"test_server", test_server},
    {"queued_calls", queued_calls},
    {"queued_elections", queued_elections},
    {"queued_log", queued_log},
    {"logging_in", logging_in},
    {"queued_logins", queued_logins},
    {"hanging_up_in_calls", hanging_up_in_calls},
    {"freeing_in_callbacks", freeing_in_callbacks},
    {"losing_in_callbacks", losing_in_callbacks},
    {"longest_times", longest_times},
    {"queued", queued},
    {"queued_end", queued_end},
    {"queued_losses", queued_losses},
    {"hanging_up", hanging_up},
    {"queue_errors", queue_errors},
    {"reading", reading},
    {"busy_reader", busy_reader},
};

int loops_read = 0;

int main(int argc, char** argv) {
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
    if (argc >= 2 && strcmp(argv[1], tests[i].name) == 0) {
      loops_read = argc == 3 && strcmp(argv[2], "reading") == 0;
      tests[i].run();
      return 0;
    }
  }
  return 64;
}
