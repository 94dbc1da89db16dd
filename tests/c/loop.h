/* An event loop, for the tests of queues. */
#ifndef TESTS_C_LOOP_H
#define TESTS_C_LOOP_H

#include "support.h"

#include <poll.h>

typedef struct {
  dlock_queue* queue;
  int descriptor;
  dlock_client* client;
  dlock_lock* lock; /* a */
} loop;

static inline loop new_loop(const char* url) {
  loop made = {0};
  CHECK(dlock_queue_new(&made.queue, &made.descriptor) == DLOCK_OK);
  dlock_client_options options = {.size = sizeof options, .queue = made.queue};
  CHECK(dlock_client_new(url, &options, &made.client) == DLOCK_OK);
  made.lock = new_mutex(made.client, "a");
  return made;
}

/* Waits for the next event, as an event loop does. */
static inline dlock_event next_event(const loop* from) {
  dlock_event event = {.size = sizeof event};
  while (!dlock_queue_next(from->queue, &event)) {
    struct pollfd readable = {.fd = from->descriptor, .events = POLLIN};
    CHECK(poll(&readable, 1, LONG_MS) == 1);
    char byte = 0;
    CHECK(read(from->descriptor, &byte, 1) == 1);
  }
  return event;
}

static inline int is_empty(const loop* from) {
  dlock_event event = {.size = sizeof event};
  return !dlock_queue_next(from->queue, &event);
}

#endif
