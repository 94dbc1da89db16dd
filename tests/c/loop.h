/* An event loop, for the tests of queues. */
#ifndef TESTS_C_LOOP_H
#define TESTS_C_LOOP_H

#include "support.h"

#include <poll.h>

typedef struct {
  dlock_queue* queue;
  int descriptor;
  int sockets; /* -1: it does not read them */
  dlock_client* client;
  dlock_lock* lock; /* a */
} loop;

/* Without a client. Where the test's name is followed by "reading", it reads the sockets. */
static inline loop new_empty_loop(void) {
  loop made = {.sockets = -1};
  CHECK(dlock_queue_new(&made.queue, &made.descriptor) == DLOCK_OK);
  CHECK(!loops_read || dlock_queue_sockets(made.queue, &made.sockets) == DLOCK_OK);
  return made;
}

static inline loop new_loop(const char* url) {
  loop made = new_empty_loop();
  dlock_client_options options = {.size = sizeof options, .queue = made.queue};
  CHECK(dlock_client_new(url, &options, &made.client) == DLOCK_OK);
  made.lock = new_mutex(made.client, "a");
  return made;
}

/* Waits for the next event, as an event loop does. */
static inline dlock_event next_event(const loop* from) {
  dlock_event event = {.size = sizeof event};
  while (!dlock_queue_next(from->queue, &event)) {
    struct pollfd readable[] = {{.fd = from->descriptor, .events = POLLIN},
                                {.fd = from->sockets, .events = POLLIN}};
    CHECK(poll(readable, 2, LONG_MS) > 0);
    char byte = 0;
    CHECK(readable[0].revents == 0 || read(from->descriptor, &byte, 1) == 1);
    if (readable[1].revents != 0) {
      dlock_queue_read(from->queue);
    }
  }
  return event;
}

static inline int is_empty(const loop* from) {
  dlock_event event = {.size = sizeof event};
  return !dlock_queue_next(from->queue, &event);
}

#endif
