/* An LD_PRELOAD library that freezes a process' real-time clock at the value in a file.
 *
 * The file named by DLOCK_CLOCK_FILE holds one int64_t, microseconds since 1970; whoever maps it can
 * set it (tests/support/frozen_clock.hpp). Monotonic clocks stay real, so timeouts and event loops
 * go on. Without the variable nothing is changed. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t *frozen_us;

__attribute__((constructor)) static void map_clock(void) {
  const char *name = getenv("DLOCK_CLOCK_FILE");
  if (name == NULL) return;
  int fd = open(name, O_RDWR | O_CLOEXEC);
  void *memory = mmap(NULL, sizeof *frozen_us, PROT_READ, MAP_SHARED, fd, 0);
  if (fd < 0 || memory == MAP_FAILED) abort();
  close(fd);
  frozen_us = memory;
}

int clock_gettime(clockid_t id, struct timespec *result) {
  if (frozen_us == NULL || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)) {
    return (int)syscall(SYS_clock_gettime, id, result);
  }
  int64_t now = atomic_load(frozen_us);
  result->tv_sec = now / 1000000;
  result->tv_nsec = now % 1000000 * 1000;
  return 0;
}

int gettimeofday(struct timeval *restrict result, void *restrict zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  result->tv_sec = now.tv_sec;
  result->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *result) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (result != NULL) *result = now.tv_sec;
  return now.tv_sec;
}
