/** @file
 * Help for the tests of programs in C, and for bindings: a server that ends with the test, and a
 * lease that the test takes away. Not included by dlock/dlock.h.
 */
#ifndef DLOCK_TESTING_H
#define DLOCK_TESTING_H

#include <stdint.h>

#include "dlock/dlock.h"
#include "dlock/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A Redis server of its own, for one test: empty, fast to start, on a unix socket in a temporary
 * directory, without persistence. It ends when it is freed, and also when the process is killed. */
typedef struct dlock_test_server dlock_test_server;

/** Starts a server, and returns when it answers. DLOCK_UNREACHABLE if there is neither
 * `redis-server` nor `valkey-server` in `$PATH`, nor `$DLOCK_REDIS_SERVER`, or if it does not
 * answer within 10 s. */
DLOCK_API dlock_status dlock_test_server_new(dlock_test_server** server);
/** The URL for dlock_client_new(), `--url` or `$DLOCK_URL`. Valid as long as the server; NULL
 * without one. */
DLOCK_API const char* dlock_test_server_url(const dlock_test_server* server);
/** Stops the server's process, so that it answers nothing until dlock_test_server_resume(): clients
 * see a server that hangs, and leases run out. Does not block. */
DLOCK_API dlock_status dlock_test_server_pause(dlock_test_server* server);
/** Lets a paused server go on. Does nothing for one that is not paused. */
DLOCK_API dlock_status dlock_test_server_resume(dlock_test_server* server);
/** Ends the server and removes its directory. */
DLOCK_API void dlock_test_server_free(dlock_test_server* server);

/** Takes the lock of `lease` away, as `dlock break` does, and returns when the lease knows that it
 * is lost. `client`: any client of the same server and prefix. DLOCK_USAGE if the lease was
 * released, or is one of dlock_upgradeable_new(); DLOCK_LOST if it was lost before;
 * DLOCK_UNREACHABLE if the server or the holder does not answer within 10 s. */
DLOCK_API dlock_status dlock_lease_lose(dlock_client* client, dlock_lease* lease);
/** The same, into the queue of the lease: DLOCK_EVENT_DONE. The lease's DLOCK_EVENT_LOST may come
 * before or after it. See dlock/queue.h. */
DLOCK_API dlock_status dlock_lease_lose_queued(dlock_client* client, dlock_lease* lease,
                                               uint64_t context);

#ifdef __cplusplus
}
#endif

#endif
