/** @file
 * Calls that end in an event loop: part of dlock/dlock.h, which includes it.
 *
 * Each call whose name ends with `_queued` does what the function without that ending does, and
 * does not block. If it returns DLOCK_OK, one event with `context` will come, which says how the
 * call ended: of the kind that is said here, DLOCK_EVENT_DONE if none is. Otherwise none will come.
 * The handle must have been made with a client that has a queue, else DLOCK_USAGE. `context`: any
 * number that no other call under way in the queue has; dlock_queue_cancel() ends the waits by it.
 * Handles may be freed while such a call is under way, which goes on.
 *
 * A wait for a mutex, a reader, a writer or permits takes no thread. The other calls take a thread
 * of the library each, until they end.
 */
#ifndef DLOCK_QUEUE_H
#define DLOCK_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "dlock/dlock.h"
#include "dlock/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a dlock_event tells. Expect new ones. */
typedef enum dlock_event_kind {
  DLOCK_EVENT_ACQUIRED = 1, /**< a call that acquires ended, with a lease or without */
  DLOCK_EVENT_RELEASED = 2, /**< dlock_lease_release_queued() ended */
  DLOCK_EVENT_LOST = 3,     /**< a lease of a DLOCK_EVENT_ACQUIRED is lost, and not yet freed */
  DLOCK_EVENT_CLOSED = 4,   /**< dlock_client_free_queued() or dlock_observer_free_queued() ended */
  DLOCK_EVENT_DONE = 5,     /**< another call ended */
  DLOCK_EVENT_LEADER = 6,   /**< an observer saw that `leader` leads; NULL: nobody */
  DLOCK_EVENT_LOG = 7,  /**< a report of the client: `text`, and its dlock_log_level in `number` */
  DLOCK_EVENT_LOCK = 8, /**< something happened to a lock: `lock_event`; see `events_to_queue` */
  DLOCK_EVENT_LOGIN = 9 /**< the client needs credentials: answer `login`; see
                           `credentials_to_queue` */
} dlock_event_kind;

/** An event of a queue. Pointers are NULL where there is nothing to tell. All but `lease` are valid
 * until the next event is taken. */
typedef struct dlock_event {
  size_t size;           /**< sizeof(dlock_event), said by the caller */
  dlock_event_kind kind; /**< what happened */
  dlock_status status;   /**< how the call ended */
  uint64_t context;    /**< the number given to the call; to the acquisition, if a lease is lost */
  dlock_lease* lease;  /**< what was acquired; belongs to the reader */
  const char* message; /**< of an error */
  const char* text;    /**< a result, or a line of the log */
  const dlock_leader* leader; /**< who leads */
  int64_t number; /**< a result that is a number; with DLOCK_TIMED_OUT, what dlock_last_place()
                     says of a call that blocks */
  const dlock_lock_event* lock_event; /**< what happened to a lock */
  const char* lock;   /**< with DLOCK_TIMED_OUT, what dlock_last_lock() says; NULL for "" */
  size_t lock_length; /**< its bytes */
  dlock_login* login; /**< what waits for credentials; belongs to the reader */
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
/** Lets the reader read the sockets of clients itself: of those that are made with the queue from
 * now on. Otherwise a thread of the library reads them and wakes the reader for each answer. That
 * costs two changes of threads, which are a good part of the time of an uncontended lock.
 *
 * `descriptor`: of epoll, and of the queue; only to be polled. When it is readable, call
 * dlock_queue_read(), and then dlock_queue_next() until it returns 0. Poll that of the queue too.
 * The library renews leases in any case. It also reads the sockets when the reader has not done so
 * for some 10 ms, since that may be busy. */
DLOCK_API dlock_status dlock_queue_sockets(dlock_queue* queue, int* descriptor);
/** Takes what has come from servers. 1: there are events. Only for the reader. Does not block. */
DLOCK_API int dlock_queue_read(dlock_queue* queue);
/** Ends the wait of that context, if there is one, with DLOCK_CANCELLED. Does not block. */
DLOCK_API void dlock_queue_cancel(dlock_queue* queue, uint64_t context);

/** Frees the client: DLOCK_EVENT_CLOSED. The handle is gone if this returns DLOCK_OK. */
DLOCK_API dlock_status dlock_client_free_queued(dlock_client* client, uint64_t context);

/** Acquires a lock of any kind: DLOCK_EVENT_ACQUIRED. When the lease is lost, one DLOCK_EVENT_LOST
 * with the same context follows, as of all leases of such an event. */
DLOCK_API dlock_status dlock_acquire_queued(dlock_lock* lock, int64_t timeout_ms, uint64_t context);
/** Releases and frees a lease of any kind: DLOCK_EVENT_RELEASED. If this returns DLOCK_OK, the
 * handle is gone, and no DLOCK_EVENT_LOST of it will be added. */
DLOCK_API dlock_status dlock_lease_release_queued(dlock_lease* lease, uint64_t context);
/** As dlock_permits_resize(). */
DLOCK_API dlock_status dlock_permits_resize_queued(dlock_lock* lock, int64_t permits,
                                                   uint64_t context);
/** As dlock_lease_upgrade(). */
DLOCK_API dlock_status dlock_lease_upgrade_queued(dlock_lease* lease, int64_t timeout_ms,
                                                  uint64_t context);
/** As dlock_lease_downgrade(). */
DLOCK_API dlock_status dlock_lease_downgrade_queued(dlock_lease* lease, uint64_t context);
/** As dlock_lease_downgrade_to_reader(): DLOCK_EVENT_ACQUIRED. */
DLOCK_API dlock_status dlock_lease_downgrade_to_reader_queued(dlock_lease* lease, uint64_t context);
/** As dlock_condition_wait(): DLOCK_EVENT_ACQUIRED, whose `lease` is what `*lease` is there, and
 * may be there whatever `status` says. The handle is gone if this returns DLOCK_OK. */
DLOCK_API dlock_status dlock_condition_wait_queued(dlock_condition* condition, dlock_lease* lease,
                                                   int64_t timeout_ms, uint64_t context);
/** As dlock_condition_notify_one(). */
DLOCK_API dlock_status dlock_condition_notify_one_queued(dlock_condition* condition,
                                                         uint64_t context);
/** As dlock_condition_notify_all(). */
DLOCK_API dlock_status dlock_condition_notify_all_queued(dlock_condition* condition,
                                                         uint64_t context);

/** As dlock_inspect(): the JSON is the event's `text`. */
DLOCK_API dlock_status dlock_inspect_queued(dlock_client* client, dlock_subject subject,
                                            const char* name, size_t length, uint64_t context);
/** As dlock_lock_describe(): the line is the event's `text`. */
DLOCK_API dlock_status dlock_lock_describe_queued(dlock_lock* lock, uint64_t context);
/** As dlock_break_lock(): `*broken` is the event's `number`. */
DLOCK_API dlock_status dlock_break_lock_queued(dlock_client* client, const char* name,
                                               size_t length, int64_t fence, int64_t timeout_ms,
                                               uint64_t context);

/** As dlock_once_begin(): DLOCK_EVENT_ACQUIRED. */
DLOCK_API dlock_status dlock_once_begin_queued(dlock_client* client, const char* name,
                                               size_t length, const dlock_once_options* options,
                                               uint64_t context);

/** As dlock_election_campaign(): DLOCK_EVENT_ACQUIRED. */
DLOCK_API dlock_status dlock_election_campaign_queued(dlock_election* election, const char* value,
                                                      size_t length, int64_t timeout_ms,
                                                      uint64_t context);
/** As dlock_lease_proclaim(). */
DLOCK_API dlock_status dlock_lease_proclaim_queued(dlock_lease* lease, const char* value,
                                                   size_t length, uint64_t context);
/** As dlock_election_leader(): the event's `leader`. */
DLOCK_API dlock_status dlock_election_leader_queued(dlock_election* election, uint64_t context);
/** As dlock_election_observe(), with one DLOCK_EVENT_LEADER for each call of the handler. */
DLOCK_API dlock_status dlock_election_observe_queued(dlock_election* election, uint64_t context,
                                                     dlock_observer** observer);
/** As dlock_observer_free(): DLOCK_EVENT_CLOSED. The handle is gone if this returns DLOCK_OK. */
DLOCK_API dlock_status dlock_observer_free_queued(dlock_observer* observer, uint64_t context);

/** As dlock_latch_count_down(). */
DLOCK_API dlock_status dlock_latch_count_down_queued(dlock_latch* latch, int64_t n,
                                                     uint64_t context);
/** As dlock_latch_join(): DLOCK_EVENT_ACQUIRED. */
DLOCK_API dlock_status dlock_latch_join_queued(dlock_latch* latch, uint64_t context);
/** As dlock_latch_count_down_part(). */
DLOCK_API dlock_status dlock_latch_count_down_part_queued(dlock_latch* latch, dlock_lease* part,
                                                          uint64_t context);
/** As dlock_latch_wait(). */
DLOCK_API dlock_status dlock_latch_wait_queued(dlock_latch* latch, int64_t timeout_ms,
                                               uint64_t context);

/** As dlock_barrier_wait(). */
DLOCK_API dlock_status dlock_barrier_wait_queued(dlock_barrier* barrier, int64_t timeout_ms,
                                                 uint64_t context);
/** As dlock_barrier_join(): DLOCK_EVENT_ACQUIRED. */
DLOCK_API dlock_status dlock_barrier_join_queued(dlock_barrier* barrier, uint64_t context);
/** As dlock_barrier_leave(). */
DLOCK_API dlock_status dlock_barrier_leave_queued(dlock_barrier* barrier, dlock_lease* part,
                                                  uint64_t context);
/** As dlock_barrier_reset(). */
DLOCK_API dlock_status dlock_barrier_reset_queued(dlock_barrier* barrier, uint64_t context);

#ifdef __cplusplus
}
#endif

#endif
