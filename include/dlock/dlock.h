/** @file
 * dlock for C, and for the bindings of other languages: a distributed lock on Redis.
 *
 *     dlock_client *client = NULL;
 *     dlock_lock *lock = NULL;
 *     dlock_lease *lease = NULL;
 *     if (dlock_client_new(NULL, NULL, &client) != DLOCK_OK ||
 *         dlock_mutex_new(client, "register_user", DLOCK_TEXT, NULL, &lock) != DLOCK_OK ||
 *         dlock_acquire(lock, DLOCK_FOREVER, NULL, &lease) != DLOCK_OK) {
 *       fprintf(stderr, "%s\n", dlock_last_error());
 *     } else {
 *       ...                                  // nobody else is here, on any machine
 *     }
 *     dlock_lease_free(lease);               // released, next in line woken
 *     dlock_lock_free(lock);
 *     dlock_client_free(client);
 *
 * Errors. What can fail returns a status. If it is not DLOCK_OK, what was to be made is NULL, and
 * dlock_last_error() says what to do.
 *
 * Threads. Any thread may call any function on any handle at any time, except that a handle is not
 * used while it is freed, nor after. A handle belongs to whoever got it; NULL may be freed.
 *
 * Callbacks run on one thread of the client, one after another: a slow one delays the others, never
 * a renewal. They may call all functions of this header, and must return: no exception, no longjmp.
 *
 * Forks. A child holds nothing: in it, calls on its parent's handles return DLOCK_FORKED, and
 * freeing them leaves the parent's locks alone. It makes a client of its own.
 *
 * Times are in milliseconds of real time, counted also while the machine sleeps.
 *
 * Versions. The shared library is libdlock.so.1, its symbols have the version DLOCK_1. What a
 * program uses today stays in it: functions are added, and members at the end of options.
 */
#ifndef DLOCK_DLOCK_H
#define DLOCK_DLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "dlock/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How a call ended. Numbers are never given a new meaning; expect new ones. */
typedef enum dlock_status {
  DLOCK_OK = 0,
  DLOCK_USAGE = 1,           /**< the call itself is wrong: a bad URL, ttl, name, or handle */
  DLOCK_UNREACHABLE = 2,     /**< no server answered */
  DLOCK_REFUSED = 3,         /**< the server does not let us: authentication, or a missing right */
  DLOCK_READ_ONLY = 4,       /**< the server is a read-only replica */
  DLOCK_LOADING = 5,         /**< the server is still loading its data */
  DLOCK_OUT_OF_MEMORY = 6,   /**< the server is at `maxmemory` and may not evict */
  DLOCK_NOT_A_LOCK = 7,      /**< the key holds something else, or a lock of another kind */
  DLOCK_STORE_UNUSABLE = 8,  /**< any other state in which the server does not take writes */
  DLOCK_TIMED_OUT = 9,       /**< the lock was not ours in time, or not free when only tried */
  DLOCK_CANCELLED = 10,      /**< dlock_cancel_request() or dlock_client_free() ended the wait */
  DLOCK_LOST = 11,           /**< the lease ended while it was still wanted */
  DLOCK_FORKED = 12,         /**< this process is a fork of the one that made the handle */
  DLOCK_DEADLOCK = 13,       /**< the wait would be for ever */
  DLOCK_BROKEN = 14,         /**< a latch or barrier will not open any more */
  DLOCK_NOT_REPLICATED = 15, /**< too few replicas had the lock in time; it was given back */
  DLOCK_SYSTEM = 100         /**< this machine has no memory or no thread to spare */
} dlock_status;

/** Its name, as "DLOCK_LOST"; "DLOCK_UNKNOWN" for a number that is none. Static. */
DLOCK_API const char* dlock_status_name(dlock_status status);
/** What went wrong in this thread's last call that failed, and what to do; never NULL. Valid until
 * the thread's next call that fails. Has no password. */
DLOCK_API const char* dlock_last_error(void);
/** The version of the library that runs, as "0.1.0". Static. */
DLOCK_API const char* dlock_version(void);

/** A connection to the lock store, shared by all locks and threads of a process. */
typedef struct dlock_client dlock_client;
/** What is to be acquired: a mutex, one side of a reader-writer lock, or permits. */
typedef struct dlock_lock dlock_lock;
/** The right to act as the holder of a lock, for a time. */
typedef struct dlock_lease dlock_lease;
/** Ends waits. */
typedef struct dlock_cancel dlock_cancel;
/** Where calls end whose caller has an event loop; see dlock_queue_new(). */
typedef struct dlock_queue dlock_queue;

/** In place of a length: the bytes end with a NUL. */
#define DLOCK_TEXT SIZE_MAX
/** As a time limit: none. */
#define DLOCK_FOREVER INT64_C(-1)

/** How much a line of the log matters. */
typedef enum dlock_log_level {
  DLOCK_LOG_DEBUG = 0,
  DLOCK_LOG_INFO = 1,
  DLOCK_LOG_WARNING = 2,
  DLOCK_LOG_ERROR = 3
} dlock_log_level;

/** Receives the library's own reports, without a password; `text` ends with a NUL and is valid
 * during the call. Unlike other callbacks it is called from any thread of the library, one call at
 * a time for a client; it must be quick, and not call back into that client. */
typedef void (*dlock_log_handler)(void* context, dlock_log_level level, const char* text);

/** Settings of a client. Zero and NULL are the defaults: `{.size = sizeof(dlock_client_options)}`
 * has them all. Texts are copied. */
typedef struct dlock_client_options {
  size_t size;                /**< sizeof(dlock_client_options), for members added later */
  int64_t connect_timeout_ms; /**< longest time to connect and log in; 2000 */
  int64_t request_timeout_ms; /**< longest time to wait for one reply; 2000 */
  double drift_rate;          /**< how much faster or slower our clock may run; 0.01 */
  int64_t drift_floor_ms;     /**< ... and a fixed part of it; 2 */
  int64_t safety_margin_ms; /**< how long before its end a lease counts as lost; ttl / 10 <= 1 s */
  const char* prefix;       /**< put before each name to make its key; none */
  const char* label;        /**< shown by `dlock info`; none */
  dlock_log_handler log;    /**< where reports go; nowhere */
  void* log_context;        /**< its first argument */
  dlock_queue* queue;       /**< the client, and all that is made with it, belongs to it; to none */
} dlock_client_options;

/** Makes a client; does not connect. `url`: as of the C++ library, README.md has the forms; NULL or
 * empty: `$DLOCK_URL`, and without it `local:`. `options`: may be NULL. DLOCK_USAGE for what is not
 * valid. */
DLOCK_API dlock_status dlock_client_new(const char* url, const dlock_client_options* options,
                                        dlock_client** client);
/** The URL without its password. Valid as long as the client; NULL without one. */
DLOCK_API const char* dlock_client_url(const dlock_client* client);
/** Ends all waits with DLOCK_CANCELLED. Locks and leases go on, to be freed in any order; nothing
 * more is acquired. Blocks for at most two request timeouts. No callback is called after it, unless
 * it was called by one, or one runs longer than that. */
DLOCK_API void dlock_client_free(dlock_client* client);

/** Settings of a lock. Zero is the default. */
typedef struct dlock_lock_options {
  size_t size;          /**< sizeof(dlock_lock_options), for members added later */
  int64_t ttl_ms;       /**< how long the lock outlives a dead holder; 30000, from 10 to 10 years
                           (INT64_MAX) */
  int64_t max_hold_ms;  /**< longest time to hold; for ever */
  int no_renew;         /**< not zero: the holder has it for ttl_ms, and no longer */
  int64_t min_replicas; /**< it counts as acquired when so many have it too; 0 */
  int64_t replication_timeout_ms; /**< ... after so long it is given back; 1000 */
} dlock_lock_options;

/** A mutual exclusion between all clients of a store. `name`: any bytes, `length` of them. */
DLOCK_API dlock_status dlock_mutex_new(dlock_client* client, const char* name, size_t length,
                                       const dlock_lock_options* options, dlock_lock** lock);
/** A reader of the reader-writer lock of that name: beside other readers, never beside a writer. */
DLOCK_API dlock_status dlock_reader_new(dlock_client* client, const char* name, size_t length,
                                        const dlock_lock_options* options, dlock_lock** lock);
/** Its writer: alone. */
DLOCK_API dlock_status dlock_writer_new(dlock_client* client, const char* name, size_t length,
                                        const dlock_lock_options* options, dlock_lock** lock);
/** So many of the permits of a semaphore at once. All clients must say the same number of permits,
 * from 1 to 2^30 - 1; dlock_acquire() returns DLOCK_USAGE if they do not, or for a weight that is
 * not from 1 to that. */
DLOCK_API dlock_status dlock_permits_new(dlock_client* client, const char* name, size_t length,
                                         int64_t permits, int64_t weight,
                                         const dlock_lock_options* options, dlock_lock** lock);
/** Waits and leases go on. */
DLOCK_API void dlock_lock_free(dlock_lock* lock);

/** Something that ends waits. */
DLOCK_API dlock_status dlock_cancel_new(dlock_cancel** cancel);
/** Ends all waits that were given it, and those that will be. Does not block. */
DLOCK_API void dlock_cancel_request(dlock_cancel* cancel);
/** The waits that have it go on. */
DLOCK_API void dlock_cancel_free(dlock_cancel* cancel);

/** Waits for the lock, in order of arrival, for `timeout_ms` at most; 0: takes it if it is free.
 * DLOCK_TIMED_OUT if it was not to be had. `cancel`: may be NULL. A thread that acquires again what
 * it has waits for itself. */
DLOCK_API dlock_status dlock_acquire(dlock_lock* lock, int64_t timeout_ms, dlock_cancel* cancel,
                                     dlock_lease** lease);

/** How an asynchronous acquisition ended. `lease` belongs to the callee; NULL unless DLOCK_OK.
 * `message` is that of an error, valid during the call; NULL for DLOCK_OK. */
typedef void (*dlock_acquire_handler)(void* context, dlock_status status, dlock_lease* lease,
                                      const char* message);
/** dlock_acquire() without a thread that waits. Does not block. If this returns DLOCK_OK, `handler`
 * is called once, on the client's callback thread, perhaps before this returns; else never. */
DLOCK_API dlock_status dlock_acquire_async(dlock_lock* lock, int64_t timeout_ms,
                                           dlock_cancel* cancel, dlock_acquire_handler handler,
                                           void* context);

/** The lock's name, without the prefix; followed by a NUL. `length`: may be NULL. Valid as long as
 * the lease. */
DLOCK_API const char* dlock_lease_name(const dlock_lease* lease, size_t* length);
/** What stands for this holder in the store, fresh for each acquisition. As above. */
DLOCK_API const char* dlock_lease_token(const dlock_lease* lease);
/** The fencing token: greater than that of every holder before. Resources should refuse smaller
 * ones. 0 for NULL. */
DLOCK_API int64_t dlock_lease_fence(const dlock_lease* lease);
/** What is left of it by our own clock, the drift taken off; 0 when it is over or given back. */
DLOCK_API int64_t dlock_lease_valid_for_ms(const dlock_lease* lease);
/** DLOCK_OK while it holds; DLOCK_LOST, saying why; DLOCK_USAGE after a release. */
DLOCK_API dlock_status dlock_lease_ensure_held(const dlock_lease* lease);
/** Not zero from shortly before the lease ends (see safety_margin_ms), or from when it is known to
 * have ended; 0 after a release, unless it was lost before. */
DLOCK_API int dlock_lease_is_lost(dlock_lease* lease);

/** Called when a lease is lost. */
typedef void (*dlock_lost_handler)(void* context);
/** Calls `handler` once, on the client's callback thread, when dlock_lease_is_lost() becomes true;
 * in this thread, before this returns, if it is. Each call adds one. They end with
 * dlock_lease_free(). DLOCK_USAGE after a release. */
DLOCK_API dlock_status dlock_lease_on_lost(dlock_lease* lease, dlock_lost_handler handler,
                                           void* context);

/** Gives the lock back. DLOCK_LOST if the lease had ended before; DLOCK_UNREACHABLE if the server
 * did not answer: it is repeated in the background. Blocks for at most one request timeout. The
 * handle is to be freed all the same. Twice does nothing. */
DLOCK_API dlock_status dlock_lease_release(dlock_lease* lease);

/** How an asynchronous release ended: as dlock_lease_release(). `message` as of an acquisition. */
typedef void (*dlock_release_handler)(void* context, dlock_status status, const char* message);
/** dlock_lease_release() without blocking. If this returns DLOCK_OK, `handler` is called once, on
 * the client's callback thread; in this one, before this returns, if there is nothing to release.
 * DLOCK_USAGE for a leadership. */
DLOCK_API dlock_status dlock_lease_release_async(dlock_lease* lease, dlock_release_handler handler,
                                                 void* context);
/** Releases, if that was not done. Waits for a dlock_lost_handler of this lease that runs, unless
 * it is called by it; none is called later. */
DLOCK_API void dlock_lease_free(dlock_lease* lease);

/** What a dlock_event tells. Expect new ones. */
typedef enum dlock_event_kind {
  DLOCK_EVENT_ACQUIRED = 1, /**< dlock_acquire_queued() ended, with a lease or without */
  DLOCK_EVENT_RELEASED = 2, /**< dlock_lease_release_queued() ended */
  DLOCK_EVENT_LOST = 3,     /**< a lease of dlock_acquire_queued() is lost, and not yet freed */
  DLOCK_EVENT_CLOSED = 4    /**< dlock_client_free_queued() ended */
} dlock_event_kind;

/** An event of a queue. */
typedef struct dlock_event {
  size_t size;           /**< sizeof(dlock_event), said by the caller */
  dlock_event_kind kind; /**< what happened */
  dlock_status status;   /**< how the call ended */
  uint64_t context;    /**< the number given to the call; to the acquisition, if a lease is lost */
  dlock_lease* lease;  /**< what was acquired, or NULL; belongs to the reader */
  const char* message; /**< of an error, valid until the next event is taken; or NULL */
} dlock_event;

/** Makes a queue, for programs and runtimes with an event loop: instead of a callback, the loop
 * gets a descriptor that becomes readable, and takes events where it likes. No code of the program
 * is then called by the library, and no thread of the library waits for the loop.
 *
 * `descriptor`: a stream socket, non-blocking and closed by exec, that belongs to the caller. When
 * it is readable, read and forget what is there, and then call dlock_queue_next() until it returns
 * 0.
 *
 * The queue ends when the descriptor is closed, by the caller or because the runtime that polled it
 * was ended. Its waits are then cancelled, the leases that belong to it are released, which is
 * reported to the log of their client, or to stderr if that has none, and everything that belongs
 * to it is freed. So nothing of it may be used then, by any thread. What belongs to it: the clients
 * that were made with `dlock_client_options.queue`, all handles that were made with them, and their
 * leases, as long as they are not freed. shutdown() ends it too, where a forked child may have the
 * descriptor open. */
DLOCK_API dlock_status dlock_queue_new(dlock_queue** queue, int* descriptor);
/** Takes the next event. 0: there is none. One thread at a time. Does not block. */
DLOCK_API int dlock_queue_next(dlock_queue* queue, dlock_event* event);
/** Ends the wait of that context, if there is one, with DLOCK_CANCELLED. Does not block. */
DLOCK_API void dlock_queue_cancel(dlock_queue* queue, uint64_t context);
/** dlock_acquire() into the queue of the lock's client; DLOCK_USAGE if it has none. Does not block.
 * If this returns DLOCK_OK, one DLOCK_EVENT_ACQUIRED with `context` will come; else none.
 * `context`: any number that no other wait of the queue has. When the lease is lost, one
 * DLOCK_EVENT_LOST with the same number follows. */
DLOCK_API dlock_status dlock_acquire_queued(dlock_lock* lock, int64_t timeout_ms, uint64_t context);
/** dlock_lease_release() into the queue, and dlock_lease_free(). Does not block. If this returns
 * DLOCK_OK, the handle is gone, no DLOCK_EVENT_LOST of it will be added, and one
 * DLOCK_EVENT_RELEASED with `context` will come. DLOCK_USAGE for a leadership. */
DLOCK_API dlock_status dlock_lease_release_queued(dlock_lease* lease, uint64_t context);
/** dlock_client_free() on a thread of the library. Does not block. If this returns DLOCK_OK, the
 * handle is gone, and one DLOCK_EVENT_CLOSED with `context` will come. */
DLOCK_API dlock_status dlock_client_free_queued(dlock_client* client, uint64_t context);

/** Settings of work that is done once in a period. Zero is the default. */
typedef struct dlock_once_options {
  size_t size;                    /**< sizeof(dlock_once_options), for members added later */
  int64_t at_least_ms;            /**< for so long since it began nobody else begins it; 60000 */
  int64_t at_most_ms;             /**< what it may take; 3600000 */
  int64_t min_replicas;           /**< as of a lock; 0 */
  int64_t replication_timeout_ms; /**< as of a lock; 1000 */
} dlock_once_options;

/** A lease to do work that several schedulers start, and one of them shall do. DLOCK_TIMED_OUT if
 * somebody does it, or did not long ago. It is not renewed. A release before `at_least_ms` have
 * passed gives the lock back only then. If dlock_lease_release() after the work returns DLOCK_LOST,
 * it took too long: somebody may have done it at the same time. */
DLOCK_API dlock_status dlock_once_begin(dlock_client* client, const char* name, size_t length,
                                        const dlock_once_options* options, dlock_lease** lease);

/** A mutex whose holder, the leader, says a value to all: an address, most often. */
typedef struct dlock_election dlock_election;
/** Who leads, as it says itself. */
typedef struct dlock_leader dlock_leader;
/** Sees an election as it goes on. */
typedef struct dlock_observer dlock_observer;

/** An election is the lock of its name. */
DLOCK_API dlock_status dlock_election_new(dlock_client* client, const char* name, size_t length,
                                          const dlock_lock_options* options,
                                          dlock_election** election);
/** Campaigns, leaderships and observers go on. */
DLOCK_API void dlock_election_free(dlock_election* election);
/** Waits until we lead, as dlock_acquire(), and proclaims `value`: at most 64 KiB of any bytes.
 * The lease is the leadership: its fence is the term, and to release it is to resign, which may
 * block for two request timeouts. */
DLOCK_API dlock_status dlock_election_campaign(dlock_election* election, const char* value,
                                               size_t length, int64_t timeout_ms,
                                               dlock_cancel* cancel, dlock_lease** lease);
/** Says something else, as the leader. DLOCK_USAGE for a lease of something else.
 * DLOCK_UNREACHABLE: it is then written in the background. */
DLOCK_API dlock_status dlock_lease_proclaim(dlock_lease* lease, const char* value, size_t length);
/** Who leads now; NULL if nobody does, or has not proclaimed yet. One round trip. */
DLOCK_API dlock_status dlock_election_leader(dlock_election* election, dlock_leader** leader);
/** What it proclaimed; followed by a NUL. `length`: may be NULL. Valid as long as the leader. */
DLOCK_API const char* dlock_leader_value(const dlock_leader* leader, size_t* length);
/** Grows with each leader of this name: the fence. 0 for NULL. */
DLOCK_API int64_t dlock_leader_term(const dlock_leader* leader);
/** How often it has proclaimed, from 1. 0 for NULL. */
DLOCK_API int64_t dlock_leader_revision(const dlock_leader* leader);
/** Of what dlock_election_leader() made. */
DLOCK_API void dlock_leader_free(dlock_leader* leader);

/** Told who leads; NULL: nobody. `leader` is valid during the call. */
typedef void (*dlock_leader_handler)(void* context, const dlock_leader* leader);
/** Calls `handler` with who leads now, and with each change, in order, until it is freed. What
 * changes twice before it is told comes as one change. Unlike other callbacks it runs on a thread
 * of its own. */
DLOCK_API dlock_status dlock_election_observe(dlock_election* election,
                                              dlock_leader_handler handler, void* context,
                                              dlock_observer** observer);
/** Waits for a call of the handler that runs, unless it is called by it, and at most for a request
 * timeout more. */
DLOCK_API void dlock_observer_free(dlock_observer* observer);

/** Is counted down by anybody, and opens for good at zero. */
typedef struct dlock_latch dlock_latch;
/** Settings of a latch. Zero is the default. */
typedef struct dlock_latch_options {
  size_t size;     /**< sizeof(dlock_latch_options), for members added later */
  int64_t ttl_ms;  /**< how long a part outlives its dead holder; 30000 */
  int64_t keep_ms; /**< how long the latch stays when it is not used; 3600000 */
} dlock_latch_options;

/** All must say the same `count`, from 1 to 2^30 - 1. Use a fresh name for each occasion. */
DLOCK_API dlock_status dlock_latch_new(dlock_client* client, const char* name, size_t length,
                                       int64_t count, const dlock_latch_options* options,
                                       dlock_latch** latch);
/** Waits and parts go on. */
DLOCK_API void dlock_latch_free(dlock_latch* latch);
/** Counts down by `n`, not below zero; exactly once if it returns DLOCK_OK, else maybe. */
DLOCK_API dlock_status dlock_latch_count_down(dlock_latch* latch, int64_t n);
/** A part, which shows that somebody will count down; DLOCK_USAGE when there are as many as the
 * count. One that ends or is released without counting is dead. */
DLOCK_API dlock_status dlock_latch_join(dlock_latch* latch, dlock_lease** part);
/** Counts down by one for a part, and gives it back; the handle is to be freed all the same.
 * DLOCK_LOST or DLOCK_BROKEN, and not counted, if it had ended. */
DLOCK_API dlock_status dlock_latch_count_down_part(dlock_latch* latch, dlock_lease* part);
/** Waits until it is at zero, at most for `timeout_ms`; 0: only looks. DLOCK_TIMED_OUT if it is
 * not; DLOCK_BROKEN if a part is dead, or the server lost the latch. */
DLOCK_API dlock_status dlock_latch_wait(dlock_latch* latch, int64_t timeout_ms,
                                        dlock_cancel* cancel);

/** Lets the parties through when all have arrived, again and again. */
typedef struct dlock_barrier dlock_barrier;
/** Settings of a barrier. Zero is the default. */
typedef struct dlock_barrier_options {
  size_t size;    /**< sizeof(dlock_barrier_options), for members added later */
  int64_t ttl_ms; /**< how long a part outlives its dead holder; 30000 */
} dlock_barrier_options;

/** All must say the same number of parties, from 1 to 2^30 - 1. */
DLOCK_API dlock_status dlock_barrier_new(dlock_client* client, const char* name, size_t length,
                                         int64_t parties, const dlock_barrier_options* options,
                                         dlock_barrier** barrier);
/** Waits and parts go on. */
DLOCK_API void dlock_barrier_free(dlock_barrier* barrier);
/** Arrives, and waits for the others. DLOCK_TIMED_OUT if not all came in time. A wait that ends
 * without all of them breaks the barrier: all get DLOCK_BROKEN until dlock_barrier_reset(). */
DLOCK_API dlock_status dlock_barrier_wait(dlock_barrier* barrier, int64_t timeout_ms,
                                          dlock_cancel* cancel);
/** A part, which shows that a party is there, arrived or not; DLOCK_USAGE when there are as many as
 * parties. One that ends or is released without leaving breaks the barrier. */
DLOCK_API dlock_status dlock_barrier_join(dlock_barrier* barrier, dlock_lease** part);
/** Gives a part back without that; the handle is to be freed all the same. DLOCK_LOST if it had
 * ended. */
DLOCK_API dlock_status dlock_barrier_leave(dlock_barrier* barrier, dlock_lease* part);
/** Begins a new phase. Those who wait in the present one get DLOCK_BROKEN. */
DLOCK_API dlock_status dlock_barrier_reset(dlock_barrier* barrier);

#ifdef __cplusplus
}
#endif

#endif
