/* An LD_PRELOAD library that freezes a process' real-time clock at the value in a file, moves it by
 * that value, or makes the machine seem to have slept.
 *
 * The file named by DLOCK_CLOCK_FILE holds one int64_t, microseconds since 1970; a program that maps
 * it can set it (tests/support/frozen_clock.hpp). The file named by DLOCK_CLOCK_OFFSET_FILE holds
 * microseconds to add instead. The one named by DLOCK_BOOT_OFFSET_FILE holds those to add to
 * CLOCK_BOOTTIME: the time for which the machine slept, which CLOCK_MONOTONIC does not count.
 * Monotonic clocks stay real, so timeouts and event loops go on. Without the variables the library
 * changes nothing. */
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
static _Atomic int64_t *offset_us;
static _Atomic int64_t *slept_us;

static _Atomic int64_t *map_file(const char *variable) {
  const char *name = getenv(variable);
  if (name == NULL) return NULL;
  int fd = open(name, O_RDWR | O_CLOEXEC);
  void *memory = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
  if (fd < 0 || memory == MAP_FAILED) abort();
  close(fd);
  return memory;
}

__attribute__((constructor)) static void map_clock(void) {
  frozen_us = map_file("DLOCK_CLOCK_FILE");
  offset_us = map_file("DLOCK_CLOCK_OFFSET_FILE");
  slept_us = map_file("DLOCK_BOOT_OFFSET_FILE");
}

int clock_gettime(clockid_t id, struct timespec *result) {
  if (id == CLOCK_BOOTTIME && slept_us != NULL) {
    const int status = (int)syscall(SYS_clock_gettime, id, result);
    const int64_t us = result->tv_nsec / 1000 + atomic_load(slept_us);
    result->tv_sec += us / 1000000;
    result->tv_nsec = us % 1000000 * 1000 + result->tv_nsec % 1000;
    return status;
  }
  const int is_ours = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
  if (!is_ours || (frozen_us == NULL && offset_us == NULL)) {
    return (int)syscall(SYS_clock_gettime, id, result);
  }
  int64_t now;
  if (frozen_us != NULL) {
    now = atomic_load(frozen_us);
  } else {
    syscall(SYS_clock_gettime, id, result);
    now = result->tv_sec * INT64_C(1000000) + result->tv_nsec / 1000 + atomic_load(offset_us);
  }
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
