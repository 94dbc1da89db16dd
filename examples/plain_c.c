/* plain_c: the C interface. Several of these at once, here or on other machines, never mix their
 * letters; one that is not served within 10 s gives up.
 *
 *   cc -std=c11 plain_c.c $(pkg-config --cflags --libs dlock) -o plain_c */
#include <dlock/dlock.h>
#include <inttypes.h>
#include <stdio.h>

static int complain(void) {
  fprintf(stderr, "plain_c: %s\n", dlock_last_error());
  return 1;
}

/* What the lock guards. */
static int work(dlock_lease* lease) {
  for (char letter = 'a'; letter <= 'd'; letter++) {
    putchar(letter);
  }
  if (dlock_lease_ensure_held(lease) != DLOCK_OK) { /* it was lost meanwhile */
    return complain();
  }
  printf(" fence %" PRId64 "\n", dlock_lease_fence(lease));
  return 0;
}

int main(void) {
  dlock_client* client = NULL; /* of $DLOCK_URL, or a private server on this machine */
  dlock_lock* lock = NULL;
  dlock_lease* lease = NULL;
  const dlock_lock_options options = {.size = sizeof options, .ttl_ms = 10000};
  int status = 1;
  if (dlock_client_new(NULL, NULL, &client) != DLOCK_OK ||
      dlock_mutex_new(client, "register_user", DLOCK_TEXT, &options, &lock) != DLOCK_OK) {
    complain();
  } else {
    switch (dlock_acquire(lock, 10000, NULL, &lease)) {
      case DLOCK_OK:
        status = work(lease);
        break;
      case DLOCK_TIMED_OUT:
        fputs("plain_c: somebody else is at it\n", stderr);
        break;
      default:
        complain();
    }
  }
  dlock_lease_free(lease); /* released, and the next in line woken */
  dlock_lock_free(lock);
  dlock_client_free(client);
  return status;
}
