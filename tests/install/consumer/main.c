/* A user's program in C, which needs no server to run. */
#include <dlock/dlock.h>
#include <stdio.h>

int main(void) {
  dlock_client* client = NULL;
  dlock_lock* lock = NULL;
  dlock_lease* lease = NULL;
  if (dlock_client_new("redis+unix:///nonexistent/redis.sock", NULL, &client) != DLOCK_OK ||
      dlock_mutex_new(client, "consumer", DLOCK_TEXT, NULL, &lock) != DLOCK_OK) {
    return 1;
  }
  const dlock_status status = dlock_acquire(lock, 0, NULL, &lease);
  puts(dlock_last_error());
  dlock_lock_free(lock);
  dlock_client_free(client);
  return status == DLOCK_UNREACHABLE ? 0 : 2;
}
