/* What the tests of the C interface share. */
#ifndef TESTS_C_SUPPORT_H
#define TESTS_C_SUPPORT_H

#include <dlock/dlock.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition)                                                                      \
  do {                                                                                        \
    if (!(condition)) {                                                                       \
      fprintf(stderr, "%s:%d: %s; %s\n", __FILE__, __LINE__, #condition, dlock_last_error()); \
      _exit(1);                                                                               \
    }                                                                                         \
  } while (0)

enum { LONG_MS = 30000 };

static inline dlock_client* new_client(void) {
  dlock_client* client = NULL;
  CHECK(dlock_client_new(NULL, NULL, &client) == DLOCK_OK);
  return client;
}

static inline dlock_lock* new_mutex(dlock_client* client, const char* name) {
  dlock_lock* lock = NULL;
  CHECK(dlock_mutex_new(client, name, DLOCK_TEXT, NULL, &lock) == DLOCK_OK);
  return lock;
}

static inline dlock_lease* acquire(dlock_lock* lock) {
  dlock_lease* lease = NULL;
  CHECK(dlock_acquire(lock, DLOCK_FOREVER, NULL, &lease) == DLOCK_OK);
  return lease;
}

static inline dlock_status try_acquire(dlock_lock* lock, dlock_lease** lease) {
  return dlock_acquire(lock, 0, NULL, lease);
}

/* What a callback leaves for the test's thread. */
typedef struct {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int calls;
  dlock_status status;
  dlock_lease* lease;
  char message[200];
} answer;

#define ANSWER {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER}

static inline void on_acquired(void* context, dlock_status status, dlock_lease* lease,
                               const char* message) {
  answer* to = context;
  pthread_mutex_lock(&to->mutex);
  to->calls++;
  to->status = status;
  to->lease = lease;
  snprintf(to->message, sizeof to->message, "%s", message != NULL ? message : "");
  pthread_cond_signal(&to->changed);
  pthread_mutex_unlock(&to->mutex);
}

static inline void on_released(void* context, dlock_status status, const char* message) {
  on_acquired(context, status, NULL, message);
}

static inline void on_lost(void* context) { on_acquired(context, DLOCK_LOST, NULL, NULL); }

static inline void await(answer* from) {
  struct timespec end;
  timespec_get(&end, TIME_UTC);
  end.tv_sec += LONG_MS / 1000;
  pthread_mutex_lock(&from->mutex);
  int failed = 0;
  while (from->calls == 0 && failed == 0) {
    failed = pthread_cond_timedwait(&from->changed, &from->mutex, &end);
  }
  pthread_mutex_unlock(&from->mutex);
  CHECK(failed == 0);
}

static inline void say(const char* word) {
  puts(word);
  fflush(stdout);
}

/* Waits for a line of the test that runs this. */
static inline void wait_for_line(void) {
  int c = 0;
  while ((c = getchar()) != '\n') {
    CHECK(c != EOF);
  }
}

/* Whether event loops read the sockets. */
extern int loops_read;

/* The tests in family.c. */
void replication(void);
void elections(void);
void losing_elections(void);
void once(void);
void latches(void);
void barriers(void);

/* The tests in more_than_one.c. */
void several_locks(void);
void upgrades(void);
void conditions(void);
void changing_permits(void);

/* The tests in looking.c. */
void looking(void);
void counting(void);
void measuring(void);
void telling(void);
void test_server(void);

/* The tests in queued_calls.c. */
void queued_calls(void);
void queued_elections(void);
void queued_log(void);
void hanging_up_in_calls(void);

/* The tests in logging_in.c. */
void logging_in(void);
void queued_logins(void);

/* The tests in callbacks.c. */
void freeing_in_callbacks(void);
void losing_in_callbacks(void);
void longest_times(void);

/* The tests in queue.c. */
void queued(void);
void queued_end(void);
void queued_losses(void);
void hanging_up(void);
void queue_errors(void);

/* The tests in reading.c. */
void reading(void);
void busy_reader(void);

#endif
