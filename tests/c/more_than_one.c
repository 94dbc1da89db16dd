/* Several locks at once, upgrades, conditions, and the number of permits. */
#include "support.h"

void several_locks(void) {
  static const char* const names[] = {"b", "a\0x", "c"};
  static const size_t lengths[] = {1, 3, DLOCK_TEXT};
  dlock_client* client = new_client();
  dlock_lock* all = NULL;
  dlock_lock* one = new_mutex(client, "c");
  dlock_lease* lease = NULL;
  dlock_lease* other = NULL;
  CHECK(dlock_all_new(client, names, lengths, 3, NULL, &all) == DLOCK_OK);
  CHECK(dlock_acquire(all, 0, NULL, &lease) == DLOCK_OK);
  CHECK(dlock_lease_count(lease) == 3 && strcmp(dlock_lease_name(lease, NULL), "b") == 0);
  CHECK(dlock_lease_fence(lease) == dlock_lease_fence_at(lease, 0));
  CHECK(dlock_lease_fence_at(lease, 2) > 0 && dlock_lease_fence_at(lease, 3) == 0);
  CHECK(dlock_lease_ensure_held(lease) == DLOCK_OK && dlock_lease_valid_for_ms(lease) > 0);
  CHECK(try_acquire(one, &other) == DLOCK_TIMED_OUT && other == NULL);
  CHECK(try_acquire(all, &other) == DLOCK_TIMED_OUT);
  CHECK(dlock_acquire(all, 20, NULL, &other) == DLOCK_TIMED_OUT);
  CHECK(dlock_lease_release(lease) == DLOCK_OK && dlock_lease_release(lease) == DLOCK_OK);
  CHECK(dlock_lease_ensure_held(lease) == DLOCK_USAGE && dlock_lease_fence_at(lease, 1) > 0);
  dlock_lease_free(lease);

  /* Of the one that is missing, a failure has the name and the place. */
  size_t length = 7;
  dlock_client* stranger = new_client();
  dlock_lock* theirs = NULL;
  CHECK(dlock_mutex_new(stranger, "a\0x", 3, NULL, &theirs) == DLOCK_OK);
  lease = acquire(theirs);
  CHECK(dlock_acquire(all, 300, NULL, &other) == DLOCK_TIMED_OUT && dlock_last_place() == 1);
  CHECK(memcmp(dlock_last_lock(&length), "a\0x", 4) == 0 && length == 3);
  CHECK(strstr(dlock_last_error(), "number 1 in its queue") != NULL);
  CHECK(try_acquire(all, &other) == DLOCK_TIMED_OUT && dlock_last_place() == 0);
  CHECK(dlock_last_lock(&length)[0] == '\0' && length == 0); /* the server does not say */
  CHECK(dlock_acquire(theirs, DLOCK_FOREVER, NULL, NULL) == DLOCK_USAGE);
  CHECK(dlock_last_place() == 0 && dlock_last_lock(NULL)[0] == '\0');
  dlock_lease_free(lease);
  dlock_lock_free(theirs);
  dlock_client_free(stranger);

  /* It waits for the one that is missing; when it may not, the others are given back. */
  lease = acquire(one);
  dlock_cancel* cancel = NULL;
  CHECK(dlock_cancel_new(&cancel) == DLOCK_OK);
  dlock_cancel_request(cancel);
  CHECK(dlock_acquire(all, DLOCK_FOREVER, cancel, &other) == DLOCK_CANCELLED && other == NULL);
  dlock_cancel_free(cancel);
  dlock_lock* first = new_mutex(client, "b");
  CHECK(try_acquire(first, &other) == DLOCK_OK);
  CHECK(dlock_lease_count(other) == 1 && dlock_lease_count(NULL) == 0);
  dlock_lease_free(other);
  dlock_lease_free(lease);

  answer never = ANSWER;
  CHECK(dlock_acquire_async(all, 0, NULL, on_acquired, &never) == DLOCK_USAGE && never.calls == 0);
  lease = acquire(all);
  CHECK(dlock_lease_release_async(lease, on_released, &never) == DLOCK_USAGE && never.calls == 0);
  dlock_lease_free(lease); /* releases */
  CHECK(try_acquire(one, &lease) == DLOCK_OK);
  dlock_lease_free(lease);
  dlock_lock_free(first);
  dlock_lock_free(one);
  dlock_lock_free(all);

  static const char* const twice[] = {"a", "b", "a"};
  static const char* const missing[] = {"a", NULL};
  CHECK(dlock_all_new(client, twice, NULL, 3, NULL, &all) == DLOCK_OK);
  CHECK(try_acquire(all, &lease) == DLOCK_USAGE && strstr(dlock_last_error(), "\"a\"") != NULL);
  dlock_lock_free(all);
  CHECK(dlock_all_new(client, missing, NULL, 2, NULL, &all) == DLOCK_USAGE && all == NULL);
  CHECK(dlock_all_new(client, twice, NULL, 0, NULL, &all) == DLOCK_USAGE);
  CHECK(dlock_all_new(client, NULL, NULL, 1, NULL, &all) == DLOCK_USAGE);
  CHECK(dlock_all_new(NULL, twice, NULL, 1, NULL, &all) == DLOCK_USAGE);
  dlock_client_free(client);
}

static void* upgrade(void* context) {
  return dlock_lease_upgrade(context, DLOCK_FOREVER, NULL) == DLOCK_CANCELLED ? context : NULL;
}

static void* request_cancel(void* context) {
  dlock_cancel_request(context);
  return NULL;
}

void upgrades(void) {
  dlock_client* client = new_client();
  dlock_lock* lock = NULL;
  dlock_lock* readers = NULL;
  dlock_lock* writers = NULL;
  dlock_lease* reader = NULL;
  dlock_lease* other = NULL;
  CHECK(dlock_upgradeable_new(client, "rw", DLOCK_TEXT, NULL, &lock) == DLOCK_OK);
  CHECK(dlock_reader_new(client, "rw", DLOCK_TEXT, NULL, &readers) == DLOCK_OK);
  CHECK(dlock_writer_new(client, "rw", DLOCK_TEXT, NULL, &writers) == DLOCK_OK);
  dlock_lease* lease = acquire(lock);
  CHECK(try_acquire(lock, &other) == DLOCK_TIMED_OUT && other == NULL); /* one at a time */
  CHECK(try_acquire(readers, &reader) == DLOCK_OK);
  CHECK(dlock_lease_token(lease)[0] != '\0' && !dlock_lease_is_upgraded(lease));
  const int64_t fence = dlock_lease_fence(lease);
  CHECK(dlock_lease_upgrade(lease, 0, NULL) == DLOCK_TIMED_OUT);
  CHECK(dlock_lease_upgrade(lease, 200, NULL) == DLOCK_TIMED_OUT && dlock_last_place() == 1);
  CHECK(strcmp(dlock_last_lock(NULL), "rw") == 0);
  CHECK(dlock_lease_downgrade(lease) == DLOCK_USAGE);
  CHECK(dlock_lease_upgrade(reader, 0, NULL) == DLOCK_USAGE);
  dlock_lease_free(reader);
  CHECK(dlock_lease_upgrade(lease, DLOCK_FOREVER, NULL) == DLOCK_OK);
  CHECK(dlock_lease_is_upgraded(lease) && dlock_lease_fence(lease) > fence);
  CHECK(dlock_lease_ensure_held(lease) == DLOCK_OK && !dlock_lease_is_lost(lease));
  CHECK(try_acquire(readers, &reader) == DLOCK_TIMED_OUT);
  CHECK(dlock_lease_downgrade(lease) == DLOCK_OK && !dlock_lease_is_upgraded(lease));

  /* Another thread ends the wait: by a cancellation, and by a release. */
  CHECK(try_acquire(readers, &reader) == DLOCK_OK);
  pthread_t thread;
  dlock_cancel* cancel = NULL;
  CHECK(dlock_cancel_new(&cancel) == DLOCK_OK);
  CHECK(pthread_create(&thread, NULL, request_cancel, cancel) == 0);
  CHECK(dlock_lease_upgrade(lease, LONG_MS, cancel) == DLOCK_CANCELLED);
  CHECK(pthread_join(thread, NULL) == 0 && dlock_lease_ensure_held(lease) == DLOCK_OK);
  dlock_cancel_free(cancel);
  void* was_cancelled = NULL;
  CHECK(pthread_create(&thread, NULL, upgrade, lease) == 0);
  nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* most often it waits by then */
  const dlock_status released = dlock_lease_release(lease);
  CHECK(released == DLOCK_OK && pthread_join(thread, &was_cancelled) == 0);
  CHECK(was_cancelled == lease || dlock_lease_upgrade(lease, 0, NULL) == DLOCK_USAGE);
  dlock_lease_free(lease);
  dlock_lease_free(reader);

  /* From writer to reader. */
  lease = acquire(writers);
  CHECK(dlock_lease_downgrade_to_reader(lease, &reader) == DLOCK_OK);
  CHECK(dlock_lease_ensure_held(lease) == DLOCK_USAGE &&
        dlock_lease_ensure_held(reader) == DLOCK_OK);
  dlock_lease_free(lease);
  CHECK(dlock_lease_downgrade_to_reader(reader, &other) == DLOCK_USAGE && other == NULL);
  lease = acquire(lock);
  CHECK(dlock_lease_downgrade_to_reader(lease, &other) == DLOCK_OK);
  dlock_lease_free(lease);
  dlock_lease_free(other);
  dlock_lease_free(reader);
  CHECK(dlock_lease_downgrade_to_reader(NULL, &other) == DLOCK_USAGE);
  CHECK(dlock_lease_upgrade(NULL, 0, NULL) == DLOCK_USAGE && !dlock_lease_is_upgraded(NULL));
  dlock_lock_free(writers);
  dlock_lock_free(readers);
  dlock_lock_free(lock);
  dlock_client_free(client);
}

typedef struct {
  dlock_client* client;
  dlock_condition* condition;
  int jobs;    /* guarded by the mutex "jobs" */
  int waiting; /* likewise */
} shop;

static void* work(void* context) {
  shop* at = context;
  dlock_lock* mutex = new_mutex(at->client, "jobs");
  dlock_lease* lease = acquire(mutex);
  while (at->jobs == 0) {
    const int64_t fence = dlock_lease_fence(lease);
    at->waiting++;
    CHECK(dlock_condition_wait(at->condition, &lease, DLOCK_FOREVER, NULL) == DLOCK_OK);
    at->waiting--;
    CHECK(lease != NULL && dlock_lease_fence(lease) > fence);
  }
  at->jobs--;
  dlock_lease_free(lease);
  dlock_lock_free(mutex);
  return NULL;
}

/* Adds jobs when that many workers wait for one. */
static void add_jobs(shop* at, dlock_lock* mutex, int waiting, int jobs) {
  dlock_lease* lease = acquire(mutex);
  while (at->waiting != waiting || at->jobs != 0) {
    dlock_lease_free(lease);
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    lease = acquire(mutex);
  }
  at->jobs = jobs;
  dlock_lease_free(lease);
}

void conditions(void) {
  dlock_client* client = new_client();
  shop at = {.client = client};
  CHECK(dlock_condition_new(client, "jobs", DLOCK_TEXT, &at.condition) == DLOCK_OK);
  CHECK(dlock_condition_notify_one(at.condition) == DLOCK_OK); /* nobody waits */
  dlock_lock* mutex = new_mutex(client, "jobs");
  pthread_t workers[3];
  for (int i = 0; i < 3; i++) {
    CHECK(pthread_create(&workers[i], NULL, work, &at) == 0);
  }
  add_jobs(&at, mutex, 3, 1);
  CHECK(dlock_condition_notify_one(at.condition) == DLOCK_OK);
  add_jobs(&at, mutex, 2, 2);
  CHECK(dlock_condition_notify_all(at.condition) == DLOCK_OK);
  for (int i = 0; i < 3; i++) {
    CHECK(pthread_join(workers[i], NULL) == 0);
  }
  CHECK(at.jobs == 0);

  dlock_cancel* cancel = NULL;
  CHECK(dlock_cancel_new(&cancel) == DLOCK_OK);
  dlock_cancel_request(cancel);
  dlock_lease* lease = acquire(mutex);
  CHECK(dlock_condition_wait(at.condition, &lease, 20, NULL) == DLOCK_TIMED_OUT);
  CHECK(dlock_lease_ensure_held(lease) == DLOCK_OK);
  CHECK(dlock_condition_wait(at.condition, &lease, DLOCK_FOREVER, cancel) == DLOCK_CANCELLED);
  CHECK(dlock_lease_ensure_held(lease) == DLOCK_OK);
  dlock_cancel_free(cancel);
  const dlock_lease* before = lease;
  CHECK(dlock_condition_wait(NULL, &lease, 0, NULL) == DLOCK_USAGE && lease == before);
  CHECK(dlock_condition_wait(at.condition, NULL, 0, NULL) == DLOCK_USAGE);
  CHECK(dlock_lease_release(lease) == DLOCK_OK);
  CHECK(dlock_condition_wait(at.condition, &lease, 0, NULL) == DLOCK_USAGE && lease == before);
  dlock_lease_free(lease);
  CHECK(dlock_condition_notify_one(NULL) == DLOCK_USAGE);
  CHECK(dlock_condition_notify_all(NULL) == DLOCK_USAGE);
  dlock_condition_free(at.condition);
  dlock_condition_free(NULL);
  CHECK(dlock_condition_new(NULL, "a", DLOCK_TEXT, &at.condition) == DLOCK_USAGE);
  dlock_lock_free(mutex);
  dlock_client_free(client);
}

void changing_permits(void) {
  dlock_client* client = new_client();
  dlock_lock* gpus = NULL;
  CHECK(dlock_permits_new(client, "gpu", DLOCK_TEXT, 1, 1, NULL, &gpus) == DLOCK_OK);
  dlock_lease* first = acquire(gpus);
  dlock_lease* second = NULL;
  CHECK(try_acquire(gpus, &second) == DLOCK_TIMED_OUT);
  CHECK(dlock_permits_resize(gpus, 2) == DLOCK_OK);
  CHECK(try_acquire(gpus, &second) == DLOCK_OK);
  dlock_lease_free(second);
  dlock_lease_free(first);
  CHECK(dlock_permits_resize(gpus, 0) == DLOCK_USAGE);
  CHECK(dlock_permits_resize(NULL, 1) == DLOCK_USAGE);
  dlock_lock* mutex = new_mutex(client, "a");
  CHECK(dlock_permits_resize(mutex, 2) == DLOCK_USAGE);
  dlock_lock_free(mutex);
  dlock_lock_free(gpus);
  dlock_client_free(client);
}
