// The C interface, dlock.h, as Node.js sees it.
//
// Arguments are numbers, texts and typed arrays. koffi aborts the process if a worker is terminated
// while it reads an object or an array; that would take 25 times as long, too.
'use strict';

const { Buffer } = require('node:buffer');

const koffi = require('koffi');

const { addonOf, loaded } = require('./library_file.js');
const { span } = require('./spans.js');

const library = loaded(koffi.load);
const { readSockets } = addonOf();
/** The C function with that prototype. */
const of = (prototype) => library.func(prototype);
const newLock = (kind, more = '') =>
  of(`int dlock_${kind}_new(void *client, void *name, size_t length${more}, void *options, void *lock)`);

const c = {
  statusName: of('const char *dlock_status_name(int status)'),
  lastError: of('const char *dlock_last_error()'),
  version: of('const char *dlock_version()'),
  copy: of('void memcpy(void *to, void *from, size_t length)'), // found with our library, which needs it too
  newQueue: of('int dlock_queue_new(void *queue, void *descriptor)'),
  nextEvent: of('int dlock_queue_next(void *queue, void *event)'),
  cancel: of('void dlock_queue_cancel(void *queue, uint64_t context)'),
  newClient: of('int dlock_client_new(const char *url, void *options, void *client)'),
  clientUrl: of('const char *dlock_client_url(void *client)'),
  freeClient: of('int dlock_client_free_queued(void *client, uint64_t context)'),
  answerLogin: of('void dlock_login_answer(void *login, const char *user, const char *password, int64_t life_ms)'),
  refuseLogin: of('void dlock_login_refuse(void *login, const char *why)'),
  newMutex: newLock('mutex'),
  newReader: newLock('reader'),
  newWriter: newLock('writer'),
  newPermits: newLock('permits', ', int64_t permits, int64_t weight'),
  newUpgradeable: newLock('upgradeable'),
  newAll: of(
    'int dlock_all_new(void *client, void *names, void *lengths, size_t count, void *options, void *lock)',
  ),
  resize: of('int dlock_permits_resize_queued(void *lock, int64_t permits, uint64_t context)'),
  freeLock: of('void dlock_lock_free(void *lock)'),
  acquire: of('int dlock_acquire_queued(void *lock, int64_t timeout_ms, uint64_t context)'),
  leaseToken: of('const char *dlock_lease_token(void *lease)'),
  leaseFence: of('int64_t dlock_lease_fence(void *lease)'),
  leaseValidFor: of('int64_t dlock_lease_valid_for_ms(void *lease)'),
  ensureHeld: of('int dlock_lease_ensure_held(void *lease)'),
  release: of('int dlock_lease_release_queued(void *lease, uint64_t context)'),
  freeLease: of('void dlock_lease_free(void *lease)'),
  leaseCount: of('size_t dlock_lease_count(void *lease)'),
  leaseFenceAt: of('int64_t dlock_lease_fence_at(void *lease, size_t index)'),
  isUpgraded: of('int dlock_lease_is_upgraded(void *lease)'),
  upgrade: of('int dlock_lease_upgrade_queued(void *lease, int64_t timeout_ms, uint64_t context)'),
  downgrade: of('int dlock_lease_downgrade_queued(void *lease, uint64_t context)'),
  toReader: of('int dlock_lease_downgrade_to_reader_queued(void *lease, uint64_t context)'),
  inspect: of(
    'int dlock_inspect_queued(void *client, int subject, void *name, size_t length, uint64_t context)',
  ),
  describe: of('int dlock_lock_describe_queued(void *lock, uint64_t context)'),
  breakLock: of(`int dlock_break_lock_queued(void *client, void *name, size_t length, int64_t fence,
    int64_t timeout_ms, uint64_t context)`),
  beginOnce: of(`int dlock_once_begin_queued(void *client, void *name, size_t length, void *options,
    uint64_t context)`),

  newCondition: of('int dlock_condition_new(void *client, void *name, size_t length, void *condition)'),
  freeCondition: of('void dlock_condition_free(void *condition)'),
  waitCondition: of(`int dlock_condition_wait_queued(void *condition, void *lease, int64_t timeout_ms,
    uint64_t context)`),
  notifyOne: of('int dlock_condition_notify_one_queued(void *condition, uint64_t context)'),
  notifyAll: of('int dlock_condition_notify_all_queued(void *condition, uint64_t context)'),
  newLatch: newLock('latch', ', int64_t count'),
  freeLatch: of('void dlock_latch_free(void *latch)'),
  countDown: of('int dlock_latch_count_down_queued(void *latch, int64_t n, uint64_t context)'),
  countDownPart: of('int dlock_latch_count_down_part_queued(void *latch, void *part, uint64_t context)'),
  joinLatch: of('int dlock_latch_join_queued(void *latch, uint64_t context)'),
  waitLatch: of('int dlock_latch_wait_queued(void *latch, int64_t timeout_ms, uint64_t context)'),
  newBarrier: newLock('barrier', ', int64_t parties'),
  freeBarrier: of('void dlock_barrier_free(void *barrier)'),
  waitBarrier: of('int dlock_barrier_wait_queued(void *barrier, int64_t timeout_ms, uint64_t context)'),
  joinBarrier: of('int dlock_barrier_join_queued(void *barrier, uint64_t context)'),
  leaveBarrier: of('int dlock_barrier_leave_queued(void *barrier, void *part, uint64_t context)'),
  resetBarrier: of('int dlock_barrier_reset_queued(void *barrier, uint64_t context)'),

  newElection: newLock('election'),
  freeElection: of('void dlock_election_free(void *election)'),
  campaign: of(`int dlock_election_campaign_queued(void *election, void *value, size_t length,
    int64_t timeout_ms, uint64_t context)`),
  proclaim: of('int dlock_lease_proclaim_queued(void *lease, void *value, size_t length, uint64_t context)'),
  leader: of('int dlock_election_leader_queued(void *election, uint64_t context)'),
  observe: of('int dlock_election_observe_queued(void *election, uint64_t context, void *observer)'),
  freeObserver: of('int dlock_observer_free_queued(void *observer, uint64_t context)'),
  leaderValue: of('void *dlock_leader_value(void *leader, void *length)'),
  leaderTerm: of('int64_t dlock_leader_term(void *leader)'),
  leaderRevision: of('int64_t dlock_leader_revision(void *leader)'),
};

/** What went wrong: `code` tells errors apart, `message` says what to do. */
class DlockError extends Error {
  constructor(code, message) {
    super(message);
    this.name = 'DlockError';
    this.code = code;
  }
}

let setLock;
/** Lets a TimedOutError ask about its lock; does nothing to another error. */
const setLockOf = (error, lock) => setLock(error, lock);

/** A wait that ended without what it waited for: `place` is that in the queue, 0 if it is not known. */
class TimedOutError extends DlockError {
  #lock = null; // { inspect, describe }, which ask the server

  constructor(message, place = 0) {
    super('DLOCK_TIMED_OUT', message);
    this.name = 'TimedOutError';
    this.place = place;
  }

  static {
    setLock = (error, lock) => {
      if (error instanceof TimedOutError) error.#lock = lock;
    };
  }

  async inspect() {
    if (this.#lock) return this.#lock.inspect();
    throw new DlockError('DLOCK_USAGE', 'this error does not know its lock: call inspectLock() of the client');
  }

  async describe() {
    try {
      return this.#lock ? `${this.message}; ${await this.#lock.describe()}` : this.message;
    } catch (error) {
      if (error instanceof DlockError) return this.message;
      throw error;
    }
  }
}

const TIMED_OUT = 9;

function errorOf(status, message = c.lastError(), place = 0) {
  return status === TIMED_OUT ? new TimedOutError(message, place) : new DlockError(c.statusName(status), message);
}

function check(status) {
  if (status !== 0) throw errorOf(status);
}

// What C writes, as the next call may read it.
const handle = new BigUint64Array(1);
const descriptor = new Int32Array(1);

/** What `make` writes through its last argument. */
function made(make, ...given) {
  check(make(...given, handle));
  return handle[0];
}

/** The lock of that name, of the kind that `make` makes. */
function madeLock(make, client, name, settings) {
  check(make(client, name, name.length, settings, handle));
  return handle[0];
}

/** A queue, and the descriptor of its reader. */
function madeQueue() {
  check(c.newQueue(handle, descriptor));
  return { handle: handle[0], descriptor: descriptor[0] };
}

// A dlock_event: size, kind and status, context, lease, message, text, leader, number, lock_event, lock
// and its length, login.
const event = new BigUint64Array(12);
const halves = new Uint32Array(event.buffer);
event[0] = BigInt(event.byteLength);

/** The next event of the queue; null if there is none. */
function nextEvent(queue) {
  if (!c.nextEvent(queue, event)) return null;
  const value = isGiven(7) ? Number(BigInt.asIntN(64, event[7])) : 0;
  return {
    kind: halves[2],
    number: halves[4] + halves[5] * 2 ** 32, // a BigInt takes longer
    lease: pointerAt(3),
    error: halves[3] ? errorOf(halves[3], textAt(4), value) : null,
    text: textAt(5),
    leader: isGiven(6) ? leaderOf(event[6]) : null,
    value,
    lockEvent: pointerAt(8),
    lock: isGiven(9) ? bytesAt(event[9], event[10]) : null,
    login: pointerAt(11),
  };
}

const isGiven = (index) => halves[2 * index] !== 0 || halves[2 * index + 1] !== 0;
const pointerAt = (index) => (isGiven(index) ? event[index] : null);
const textAt = (index) => (isGiven(index) ? koffi.decode(event[index], 'char', -1) : null);

/** A copy of what C has there. koffi.view() ends the process in a worker that is being terminated. */
function bytesAt(address, length) {
  const bytes = Buffer.alloc(Number(length));
  c.copy(bytes, address, bytes.length);
  return bytes;
}

function leaderOf(leader) {
  const value = c.leaderValue(leader, handle);
  return {
    value: bytesAt(value, handle[0]).toString(),
    term: BigInt(c.leaderTerm(leader)),
    revision: Number(c.leaderRevision(leader)),
  };
}

/** Calls `function_` with an array of C texts, and one of their lengths. */
function withNames(names, function_) {
  const texts = names.map((name) => (name.length ? name : Buffer.alloc(1))); // an address, also of none
  const addresses = BigUint64Array.from(texts, (text) => BigInt(koffi.address(text)));
  const result = function_(addresses, BigUint64Array.from(names, ({ length }) => BigInt(length)));
  texts.length = 0; // not before
  return result;
}

/** Calls `function_` with a dlock_client_options. Zero and undefined are its defaults. `log`, `events`,
 * `logins`: the numbers of their events; `groups`: where the names of groups are, for
 * dlock_group_next(). */
function withClientOptions(from, queue, { log, events, logins, groups }, function_) {
  const texts = [from.prefix, from.label].map((text) => text && Buffer.from(`${text}\0`));
  const [prefix, label] = texts.map((text) => (text ? koffi.address(text) : 0n));
  const spans = [from.connectTimeout, from.requestTimeout, 0, 0, from.safetyMargin];
  const calls = [0n, log, queue, log ? 1 : 0, from.patience];
  const group = groups ? [groupNext, koffi.address(groups)] : [0n, 0n];
  const told = [0n, events, events ? 1 : 0, from.slowWait];
  const asked = [0n, logins, logins ? 1 : 0];
  const result = function_(structOf(...spans, prefix, label, ...calls, ...group, ...told, ...asked));
  texts.length = 0; // not before
  return result;
}

// Once, as koffi ends the program if it fails, which it does in a worker that is being terminated.
const groupNext = koffi.address(library.symbol('dlock_group_next'));

// A dlock_lock_options: its size, and the members in their order.
const terms = new BigInt64Array(6);
terms[0] = BigInt(terms.byteLength);

/** A dlock_lock_options, which the next call changes. Throws RangeError for times that are none. */
function lockOptions({ ttl, maxHold, renew, minReplicas, replicationTimeout }) {
  terms[1] = word(span('ttl', ttl));
  terms[2] = word(span('maxHold', maxHold));
  terms[3] = renew === false ? -1n : 0n; // not zero, whichever half is the int
  terms[4] = word(minReplicas);
  terms[5] = word(span('replicationTimeout', replicationTimeout));
  return terms;
}

const word = (member) => (member === undefined ? 0n : BigInt(member ?? 0));

/** Options that are all numbers, with their size before them: members of 8 bytes. */
function structOf(...members) {
  const words = BigInt64Array.from([0, ...members], word);
  words[0] = BigInt(words.byteLength);
  return words;
}

module.exports = {
  DlockError, TimedOutError, bytesAt, c, check, errorOf, lockOptions, made, madeLock, madeQueue, nextEvent, of,
  readSockets, setLockOf, structOf, withClientOptions, withNames,
};
