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
/** Of this thread's last call that failed, if that was with DLOCK_TIMED_OUT: its place in the queue
 * of the lock, 1 being next, at the server's last reply, at most 2.5 s before the wait ended. 0 if
 * it was not in the queue, or another call of the client stood there for it. How many wait, and who
 * holds the lock, only the server knows: dlock_lock_describe() and dlock_inspect() ask. */
DLOCK_API int64_t dlock_last_place(void);
/** Of the same call, the name of the lock that was not free, followed by a NUL: of
 * dlock_all_new() the one for which it waited. "" if that is not known, as when several locks were
 * only tried. `length`: may be NULL. Valid until the thread's next call that fails. */
DLOCK_API const char* dlock_last_lock(size_t* length);
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

/** Writes the name of the group under which the lock `name` (`length` bytes) is counted, with its
 * NUL, to `group`, which has DLOCK_GROUP_SIZE bytes and is "" before. A group stands for many
 * locks: "orders" for "order:4711". It is called by each function that makes a lock, election,
 * latch, barrier or condition, and by dlock_once_begin() and its `_queued` form, once for each name
 * in their order, on the thread that calls this function. It must be as thread-safe as these calls
 * are, and not call back into that client. */
typedef void (*dlock_group_function)(void* context, const char* name, size_t length, char* group);
/** A dlock_group_function for runtimes that cannot be called: they work out the groups before they
 * call the function that makes a lock. `context` points to a `const char*`, which is NULL, for the
 * group "", or points to the first of the texts, each with its NUL, that name the groups of the
 * following locks in their order. Takes the first one, and lets the pointer point behind it. */
DLOCK_API void dlock_group_next(void* context, const char* name, size_t length, char* group);

/** Something that happened to a lock of a client; see dlock_lock_event. */
typedef struct dlock_lock_event dlock_lock_event;
/** Receives what happens to the locks of a client, in order, on its callback thread. `event` is
 * valid during the call. */
typedef void (*dlock_lock_event_handler)(void* context, const dlock_lock_event* event);

/** A log-in that waits for a user and a password. It belongs to the program, which calls one of
 * dlock_login_answer() and dlock_login_refuse() for it. */
typedef struct dlock_login dlock_login;
/** Is asked for a user and a password: for each connection, and again when three quarters of the
 * life of the last ones have passed; the client then logs in again on the open connection, and
 * waits and leases go on. Answers `login` before it returns, or later, on any thread; after the
 * connect timeout the attempt has failed. Called on threads of the library that only
 * connect, one call at a time for each client: no renewal waits for it. It may still be called, for
 * as long as a connection may take, after dlock_client_free(). */
typedef void (*dlock_credentials_function)(void* context, dlock_login* login);
/** Logs in as `user`, NULL for the default user, with `password`. `life_ms`: how long they are good
 * from now on; 0: for ever. Texts are copied. `login` is gone. */
DLOCK_API void dlock_login_answer(dlock_login* login, const char* user, const char* password,
                                  int64_t life_ms);
/** There are none now: the attempt to connect fails, and `why` is part of its error. `login` is
 * gone. */
DLOCK_API void dlock_login_refuse(dlock_login* login, const char* why);

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
  int64_t log_to_queue; /**< not zero: reports are DLOCK_EVENT_LOG events of `queue`, in place of
                           calls of `log`; their context is the number in `log_context` */
  int64_t patience_ms;  /**< how long waits go on while no server answers, from the start on; 10000,
                           -1: not at all */
  dlock_group_function group;        /**< groups locks in the statistics; all are in the group "" */
  void* group_context;               /**< its first argument */
  dlock_lock_event_handler on_event; /**< is told what happens to locks; nobody is */
  void* event_context;               /**< its first argument */
  int64_t events_to_queue; /**< not zero: what happens to locks comes as DLOCK_EVENT_LOCK events of
                              `queue`, in place of calls of `on_event`; their context is the number
                              in `event_context`. At most 1000 wait there, later ones are dropped */
  int64_t slow_wait_ms; /**< a wait that has lasted for this long is reported once, to the log and
                           as DLOCK_LOCK_WAITING, with who holds the lock: the library asks the
                           server; never */
  dlock_credentials_function
      credentials;              /**< gives user and password; those in the URL are taken */
  void* credentials_context;    /**< its first argument */
  int64_t credentials_to_queue; /**< not zero: the questions come as DLOCK_EVENT_LOGIN events of
                                   `queue`, in place of calls of `credentials`; their context is the
                                   number in `credentials_context` */
  int64_t busy_poll_us; /**< how long a call looks for a reply before its thread sleeps, 1 to 1000;
                           25, -1: not at all */
} dlock_client_options;

/** Makes a client; does not connect. `url`: as of the C++ library, README.md has the forms. NULL:
 * `$DLOCK_URL`, and without it `local:`, unless `$DLOCK_REQUIRE_URL` is `1`. An empty one is not
 * valid, here or in `$DLOCK_URL`. `options`: may be NULL. DLOCK_USAGE for what is not valid. */
DLOCK_API dlock_status dlock_client_new(const char* url, const dlock_client_options* options,
                                        dlock_client** client);
/** The URL without its password. Valid as long as the client; NULL without one. */
DLOCK_API const char* dlock_client_url(const dlock_client* client);
/** Ends all waits with DLOCK_CANCELLED. Locks and leases go on, to be freed in any order; nothing
 * more is acquired. Blocks for at most two request timeouts. No callback is called after it, unless
 * it was called by one, or one runs longer than that. */
DLOCK_API void dlock_client_free(dlock_client* client);

/** What a client has counted since it was made. */
typedef struct dlock_stats {
  size_t size;             /**< sizeof(dlock_stats), set by the caller, for members added later */
  uint64_t acquired;       /**< acquisitions that ended with a lease */
  uint64_t granted;        /**< of these, the ones that another client's release handed over */
  uint64_t passed;         /**< of these, the ones that another thread of this client passed on */
  uint64_t released;       /**< releases that the server confirmed, or that were passed on */
  uint64_t lost;           /**< leases that ended while they were still wanted */
  uint64_t timed_out;      /**< waits that ended without the lock */
  uint64_t renewals;       /**< renewals of leases */
  uint64_t reconnects;     /**< connections made after the first one */
  uint64_t commands;       /**< commands sent to the server */
  uint64_t deadlocks;      /**< waits that ended with DLOCK_DEADLOCK */
  uint64_t held;           /**< leases held now */
  uint64_t waiting;        /**< calls under way now that want a lock, or wait at a gate */
  uint64_t sent_bytes;     /**< written to the server, before any encryption */
  uint64_t received_bytes; /**< read from the server, after any decryption */
  uint64_t dropped_events; /**< not told to on_event, or to the queue, which were too slow */
} dlock_stats;
/** Writes the counters of the client to `stats`, whose `size` the caller has set. Does not block.
 */
DLOCK_API dlock_status dlock_client_stats(const dlock_client* client, dlock_stats* stats);

/** The number of ranges of a dlock_histogram. */
#define DLOCK_HISTOGRAM_RANGES 22
/** How long something took, each time. The upper bounds of the ranges are those of
 * dlock_histogram_bounds(); the last range has none. */
typedef struct dlock_histogram {
  uint64_t counts[DLOCK_HISTOGRAM_RANGES]; /**< times in each range, not cumulative */
  uint64_t count;                          /**< the sum of `counts` */
  double sum;                              /**< of all times together, in seconds */
} dlock_histogram;
/** The upper bounds of the ranges, in seconds, one fewer than DLOCK_HISTOGRAM_RANGES: 0.0001,
 * 0.0002, 0.0005 and so on to 500 s. Static. */
DLOCK_API const double* dlock_histogram_bounds(void);

/** What a lease holds. Expect new ones, fewer than 16. */
typedef enum dlock_lease_kind {
  DLOCK_KIND_MUTEX = 0,       /**< a mutex, a leadership, or a right to do work once */
  DLOCK_KIND_READER = 1,      /**< of dlock_reader_new() */
  DLOCK_KIND_WRITER = 2,      /**< of dlock_writer_new() */
  DLOCK_KIND_UPGRADEABLE = 3, /**< of dlock_upgradeable_new() */
  DLOCK_KIND_UPGRADE = 4,     /**< what this one has in addition while it is the writer */
  DLOCK_KIND_PERMITS = 5,     /**< of dlock_permits_new() */
  DLOCK_KIND_PART = 6         /**< a part of a latch or barrier */
} dlock_lease_kind;
/** How a client got a lease. Expect new ones, fewer than 4. */
typedef enum dlock_way {
  DLOCK_WAY_REQUEST = 0, /**< the server said so in reply: most often the lock was free */
  DLOCK_WAY_GRANT = 1,   /**< another client's release handed it over */
  DLOCK_WAY_PASSING = 2  /**< another thread of this client passed it on */
} dlock_way;
/** Why a lease ended before its release. Expect new ones, fewer than 16. */
typedef enum dlock_loss {
  DLOCK_LOSS_EXPIRED = 0,  /**< the server confirmed no renewal in time */
  DLOCK_LOSS_GONE = 1,     /**< its key was deleted, or the server lost its data */
  DLOCK_LOSS_TAKEN = 2,    /**< its key was overwritten */
  DLOCK_LOSS_BROKEN = 3,   /**< somebody broke it: dlock_break_lock() */
  DLOCK_LOSS_MAX_HOLD = 4, /**< `max_hold_ms` has passed */
  DLOCK_LOSS_TIME_UP = 5   /**< it is not renewed, and its ttl has passed */
} dlock_loss;
/** Their names in metrics, as "mutex", "grant", "max_hold"; "" for a number that is none. Static.
 */
DLOCK_API const char* dlock_lease_kind_name(dlock_lease_kind kind);
/** As above. */
DLOCK_API const char* dlock_way_name(dlock_way way);
/** As above. */
DLOCK_API const char* dlock_loss_name(dlock_loss loss);

/** The room for the name of a group, with its NUL; longer names are cut. */
#define DLOCK_GROUP_SIZE 64
/** The greatest number of groups, with the one that has no name and "other". */
#define DLOCK_MAX_GROUPS 66
/** What a client has counted and measured for one group of locks. */
typedef struct dlock_group_stats {
  char group[DLOCK_GROUP_SIZE]; /**< as dlock_client_options.group says; "" without it */
  uint64_t acquisitions[16][4]; /**< by dlock_lease_kind and dlock_way */
  uint64_t losses[16];          /**< by dlock_loss */
  uint64_t released;            /**< as in dlock_stats, like the next four */
  uint64_t timed_out;           /**< waits that ended without the lock */
  uint64_t deadlocks;           /**< waits that ended with DLOCK_DEADLOCK */
  uint64_t held;                /**< leases held now */
  uint64_t waiting;             /**< calls under way now */
  dlock_histogram wait;         /**< from the call to the lease */
  dlock_histogram hold;         /**< from the lease to its release or loss */
  dlock_histogram handoff_gap;  /**< from another client's release to the lease it granted */
} dlock_group_stats;
/** Whether a client leads an election. */
typedef struct dlock_election_stats {
  char name[256]; /**< of the election, with its NUL; longer names are cut */
  int leads;      /**< not zero: it does */
} dlock_election_stats;
/** Where the statistics of a client go, all of one moment. The arrays are the caller's. */
typedef struct dlock_snapshot {
  size_t size;                     /**< sizeof(dlock_snapshot), for members added later */
  dlock_stats* stats;              /**< the sums over all groups; its `size` is set; may be NULL */
  dlock_group_stats* groups;       /**< an array; may be NULL if `max_groups` is 0 */
  size_t group_size;               /**< sizeof(dlock_group_stats), for members added later */
  size_t max_groups;               /**< the size of the array; DLOCK_MAX_GROUPS is enough */
  size_t group_count;              /**< set: how many groups there are, "" first */
  dlock_election_stats* elections; /**< an array; may be NULL if `max_elections` is 0 */
  size_t election_size;            /**< sizeof(dlock_election_stats) */
  size_t max_elections;            /**< the size of the array; 64 is enough */
  size_t election_count;           /**< set: how many elections there are */
} dlock_snapshot;
/** Writes the statistics of the client to `snapshot`. What does not fit into the arrays is left
 * out. include/dlock/stats.hpp says exactly what is measured. Does not block. */
DLOCK_API dlock_status dlock_client_snapshot(const dlock_client* client, dlock_snapshot* snapshot);
/** All statistics in Prometheus' text format, version 0.0.4; docs/observability.md lists them.
 * `*text` is to be freed by dlock_text_free(). Does not block. */
DLOCK_API dlock_status dlock_prometheus_text(const dlock_client* client, char** text);
/** The same of `count` clients together, each by the text in `names` with the same index, which
 * each sample has as its label `client`: one body cannot have the texts of two clients one after
 * the other. DLOCK_USAGE for a name that is empty or there twice. */
DLOCK_API dlock_status dlock_prometheus_text_of_all(const dlock_client* const* clients,
                                                    const char* const* names, size_t count,
                                                    char** text);

/** What a dlock_lock_event tells. Each DLOCK_LOCK_ACQUIRED is followed by one DLOCK_LOCK_RELEASED
 * or DLOCK_LOCK_LOST. Expect new ones. */
typedef enum dlock_lock_event_kind {
  DLOCK_LOCK_ACQUIRED = 0,  /**< a lease began */
  DLOCK_LOCK_WAITING = 1,   /**< a wait has lasted for `slow_wait_ms` */
  DLOCK_LOCK_RELEASED = 2,  /**< a lease was released */
  DLOCK_LOCK_LOST = 3,      /**< a lease ended while it was still wanted */
  DLOCK_LOCK_TIMED_OUT = 4, /**< a wait ended because its limit passed */
  DLOCK_LOCK_DEADLOCK = 5,  /**< a wait ended with DLOCK_DEADLOCK */
  DLOCK_LOCK_ELECTED = 6,   /**< this client leads an election */
  DLOCK_LOCK_DEPOSED = 7    /**< it leads no more: it resigned, or lost the lease */
} dlock_lock_event_kind;
/** Its name, as "timed_out"; "" for a number that is none. Static. */
DLOCK_API const char* dlock_lock_event_kind_name(dlock_lock_event_kind kind);
/** Something that happened to a lock of a client. Texts are followed by a NUL.
 * include/dlock/event.hpp says more of each member. */
struct dlock_lock_event {
  size_t size;                /**< sizeof(dlock_lock_event) of the library */
  dlock_lock_event_kind kind; /**< what happened */
  dlock_lease_kind lock;      /**< what the lease holds, or would */
  const char* name;           /**< of the lock or election */
  size_t name_length;         /**< its bytes */
  int64_t at_us;              /**< when: microseconds since 1970, UTC */
  int64_t fence;              /**< of the lease; 0: there is none */
  int32_t way;                /**< how it was acquired, a dlock_way; -1 for other kinds */
  int32_t reason;             /**< why it was lost or deposed, a dlock_loss; -1 if it was not */
  int64_t waited_us;          /**< how long the wait lasted, of waits that ended or go on */
  int64_t held_us;            /**< how long the lease was held, of leases that ended */
  int64_t place;              /**< in the queue, 1 being next; 0: not known */
  int64_t waiters;            /**< how many clients wait, of DLOCK_LOCK_WAITING; -1: not known */
  const char* holder_host;    /**< who holds it, of DLOCK_LOCK_WAITING; this and the next are NULL
                                 if that is not known */
  const char* holder_program; /**< the name of its program */
  const char* holder_label;   /**< its label, or "" */
  int64_t holder_pid;         /**< its process */
  int64_t holder_ms;          /**< how long it has held the lock */
  const char* text;           /**< a line for people */
  uint64_t dropped;           /**< events dropped just before this one */
};

/** Settings of a lock. Zero is the default. */
typedef struct dlock_lock_options {
  size_t size;          /**< sizeof(dlock_lock_options), for members added later */
  int64_t ttl_ms;       /**< how long the lock outlives a dead holder; 30000, from 10 to 10 years
                           (INT64_MAX) */
  int64_t max_hold_ms;  /**< longest time to hold; for ever */
  int no_renew;         /**< not zero: the holder has it for ttl_ms, and no longer */
  int64_t min_replicas; /**< acquire it only if this many replicas have it too; 0 */
  int64_t replication_timeout_ms; /**< ... within this time, or release it; 1000 */
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
/** A reader who may become the writer by dlock_lease_upgrade(): beside readers, but only one such
 * reader at a time. */
DLOCK_API dlock_status dlock_upgradeable_new(dlock_client* client, const char* name, size_t length,
                                             const dlock_lock_options* options, dlock_lock** lock);
/** Several mutexes, to be held all at once: `count` of `names`, from 1, none of them twice.
 * `lengths`: of each name, or NULL if each ends with a NUL.
 *
 * dlock_acquire() takes them in one step if all are free. Otherwise it waits for one after another,
 * in an order that is the same for all clients, so that they cannot deadlock; when it fails,
 * nothing is held. The lease is one for all of them: it is lost as soon as one lock is lost, and a
 * release gives all of them back. dlock_acquire() returns DLOCK_USAGE for a name that is there
 * twice. */
DLOCK_API dlock_status dlock_all_new(dlock_client* client, const char* const* names,
                                     const size_t* lengths, size_t count,
                                     const dlock_lock_options* options, dlock_lock** lock);
/** Waits and leases go on. */
DLOCK_API void dlock_lock_free(dlock_lock* lock);
/** Changes the number of permits of a semaphore, in `lock` and in the store. New permits go to the
 * waiters. Holders of permits that are taken away keep them until they release them. Other handles
 * that say the old number get DLOCK_USAGE when they acquire. DLOCK_USAGE if `lock` is not one of
 * dlock_permits_new(), or for a number that is not from 1 to 2^30 - 1. Blocks for at most one
 * request timeout. */
DLOCK_API dlock_status dlock_permits_resize(dlock_lock* lock, int64_t permits);

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

/** Asks the server who holds the lock and who waits, as after DLOCK_TIMED_OUT: one line for people,
 * as `mutex "a": worker (pid 7 on host1) "nightly" holds since 5000 ms, fence 99, ends in 25000 ms;
 * 3 waiting`. dlock_inspect() has the same for programs. `*text` is to be freed by
 * dlock_text_free(). DLOCK_USAGE for a lock of dlock_all_new(). Uses a connection of its own. */
DLOCK_API dlock_status dlock_lock_describe(dlock_lock* lock, char** text);

/** How an asynchronous acquisition ended. `lease` belongs to the callee; NULL unless DLOCK_OK.
 * `message` is that of an error, valid during the call; NULL for DLOCK_OK. dlock_last_place() and
 * dlock_last_lock() are those of the acquisition until the handler makes a call that fails. */
typedef void (*dlock_acquire_handler)(void* context, dlock_status status, dlock_lease* lease,
                                      const char* message);
/** dlock_acquire() without a thread that waits; DLOCK_USAGE for locks of dlock_upgradeable_new()
 * and dlock_all_new(). Does not block. If this returns DLOCK_OK, `handler` is called once, on the
 * client's callback thread, perhaps before this returns; else never. */
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
/** How many locks the lease holds: 1, or the number of names of dlock_all_new(), whose first name,
 * token and fence the functions above return. 0 for NULL. */
DLOCK_API size_t dlock_lease_count(const dlock_lease* lease);
/** The fence of the lock with this index, from 0, in the order of the names of dlock_all_new(). 0
 * if there is no such lock. */
DLOCK_API int64_t dlock_lease_fence_at(const dlock_lease* lease, size_t index);
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
 * DLOCK_USAGE for a leadership, and for leases of dlock_upgradeable_new() and dlock_all_new(). */
DLOCK_API dlock_status dlock_lease_release_async(dlock_lease* lease, dlock_release_handler handler,
                                                 void* context);
/** Releases, if that was not done. Waits for a dlock_lost_handler of this lease that runs, unless
 * it is called by it; none is called later. */
DLOCK_API void dlock_lease_free(dlock_lease* lease);

/** Makes a lease of dlock_upgradeable_new() the writer: waits until the readers have gone, for at
 * most `timeout_ms`; 0: only if there is no reader. Readers who come meanwhile wait behind it, and
 * nobody writes in between. The fence grows. Does nothing for the writer. DLOCK_TIMED_OUT and
 * DLOCK_CANCELLED leave the lease as it was; DLOCK_LOST if it ended meanwhile; DLOCK_USAGE for
 * other leases. `cancel`: may be NULL. A release ends the wait with DLOCK_CANCELLED. */
DLOCK_API dlock_status dlock_lease_upgrade(dlock_lease* lease, int64_t timeout_ms,
                                           dlock_cancel* cancel);
/** Makes an upgraded lease what it was before dlock_lease_upgrade(). DLOCK_USAGE if it is not
 * upgraded; otherwise as dlock_lease_release(). Blocks for at most one request timeout. */
DLOCK_API dlock_status dlock_lease_downgrade(dlock_lease* lease);
/** Not zero while the lease is the writer by dlock_lease_upgrade(). */
DLOCK_API int dlock_lease_is_upgraded(const dlock_lease* lease);
/** Makes a reader of a writer, or of an upgradeable reader, in one step: nobody writes in between.
 * `lease` is used up, and still to be freed. DLOCK_LOST if it had ended; DLOCK_USAGE for other
 * leases. Blocks for at most one request timeout. */
DLOCK_API dlock_status dlock_lease_downgrade_to_reader(dlock_lease* lease, dlock_lease** reader);

/** Where programs wait until another program says that something has changed. */
typedef struct dlock_condition dlock_condition;

/** A condition. It may have the name of a lock, and belongs to none; all who wait at one condition
 * should hold the same mutex. */
DLOCK_API dlock_status dlock_condition_new(dlock_client* client, const char* name, size_t length,
                                           dlock_condition** condition);
/** Waits go on. */
DLOCK_API void dlock_condition_free(dlock_condition* condition);
/** Gives `*lease`, a lease of dlock_acquire(), back, waits for a notification, for at most
 * `timeout_ms`, and acquires the same lock again, however long that takes. No notification is
 * missed between the two. Look again at what you wait for: a wait may end without a notification.
 *
 * `*lease` is then a new lease, with a fence of its own, also for DLOCK_TIMED_OUT and
 * DLOCK_CANCELLED. After any other error it is NULL if the lock could not be acquired again, or as
 * it was if it was not given back: DLOCK_LOST if the lock was lost before, DLOCK_USAGE for a lease
 * of something else. The former lease is freed. `cancel`: may be NULL. */
DLOCK_API dlock_status dlock_condition_wait(dlock_condition* condition, dlock_lease** lease,
                                            int64_t timeout_ms, dlock_cancel* cancel);
/** Wakes whoever has waited longest, if somebody waits. Blocks for at most one request timeout. */
DLOCK_API dlock_status dlock_condition_notify_one(dlock_condition* condition);
/** Wakes all who wait now. */
DLOCK_API dlock_status dlock_condition_notify_all(dlock_condition* condition);

/** What dlock_inspect() looks at. */
typedef enum dlock_subject {
  DLOCK_SUBJECT_LOCKS = 1,    /**< an array of all locks that are held or waited for; the name is a
                                 pattern as of Redis' KEYS, or empty for all */
  DLOCK_SUBJECT_LOCK = 2,     /**< the lock of that name, whether or not it is held */
  DLOCK_SUBJECT_LATCH = 3,    /**< the latch of that name; `null` if nobody used it lately */
  DLOCK_SUBJECT_BARRIER = 4,  /**< the barrier of that name; likewise */
  DLOCK_SUBJECT_DEADLOCKS = 5 /**< an array of rings of waits that have lasted 2 s; no name */
} dlock_subject;
/** Says who holds and who waits, as one JSON text, as `dlock ls`, `info`, `latch --show`, `barrier
 * --show` and `deadlocks` print it with `--json`. Times are in milliseconds. Fences are strings, as
 * they outgrow the numbers of many JSON readers. `*json` is to be freed by dlock_text_free(). Uses
 * a connection of its own. */
DLOCK_API dlock_status dlock_inspect(dlock_client* client, dlock_subject subject, const char* name,
                                     size_t length, char** json);
/** Frees a text of dlock_inspect(). */
DLOCK_API void dlock_text_free(char* text);
/** Takes the lock away from the holder with this fence, never from a later one. `*broken` is 1 if
 * that holder has lost it, and 0 if nobody holds it with this fence. The holder's process is asked
 * first, for `timeout_ms`, 0 meaning 1000; then the server's record decides. */
DLOCK_API dlock_status dlock_break_lock(dlock_client* client, const char* name, size_t length,
                                        int64_t fence, int64_t timeout_ms, int* broken);

/** Settings of work that is done once in a period. Zero is the default. */
typedef struct dlock_once_options {
  size_t size;                    /**< sizeof(dlock_once_options), for members added later */
  int64_t at_least_ms;            /**< minimum time between two begins; 60000 */
  int64_t at_most_ms;             /**< how long it may take; 3600000 */
  int64_t min_replicas;           /**< as for a lock; 0 */
  int64_t replication_timeout_ms; /**< as for a lock; 1000 */
} dlock_once_options;

/** A lease to do work once, however many schedulers start it. DLOCK_TIMED_OUT if another client
 * does it, or did it less than `at_least_ms` ago. The lease is not renewed. A release before
 * `at_least_ms` have passed frees the lock only then. If dlock_lease_release() after the work
 * returns DLOCK_LOST, the work took too long: another client may have done it at the same time. */
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
/** Proclaims another value, as the leader. DLOCK_USAGE if the lease is not a leadership.
 * DLOCK_UNREACHABLE: dlock then writes the value in the background. */
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

#include "dlock/queue.h"

#endif
