// The C interface, dlock.h, as Node.js sees it.
//
// Arguments are numbers, texts and typed arrays. koffi aborts the process if a worker is terminated
// while it reads an object or an array; that would take 25 times as long, too.
import { Buffer } from 'node:buffer';
import process from 'node:process';

import koffi from 'koffi';

const library = koffi.load(process.env.DLOCK_LIBRARY || 'libdlock.so.1');
const of = (prototype) => library.func(prototype);
const newLock = (kind, more = '') =>
  of(`int dlock_${kind}_new(void *client, void *name, size_t length${more}, void *options, void *lock)`);

export const c = {
  statusName: of('const char *dlock_status_name(int status)'),
  lastError: of('const char *dlock_last_error()'),
  version: of('const char *dlock_version()'),
  newQueue: of('int dlock_queue_new(void *queue, void *descriptor)'),
  nextEvent: of('int dlock_queue_next(void *queue, void *event)'),
  cancel: of('void dlock_queue_cancel(void *queue, uint64_t context)'),
  newClient: of('int dlock_client_new(const char *url, void *options, void *client)'),
  clientUrl: of('const char *dlock_client_url(void *client)'),
  freeClient: of('int dlock_client_free_queued(void *client, uint64_t context)'),
  newMutex: newLock('mutex'),
  newReader: newLock('reader'),
  newWriter: newLock('writer'),
  newPermits: newLock('permits', ', int64_t permits, int64_t weight'),
  freeLock: of('void dlock_lock_free(void *lock)'),
  acquire: of('int dlock_acquire_queued(void *lock, int64_t timeout_ms, uint64_t context)'),
  leaseToken: of('const char *dlock_lease_token(void *lease)'),
  leaseFence: of('int64_t dlock_lease_fence(void *lease)'),
  leaseValidFor: of('int64_t dlock_lease_valid_for_ms(void *lease)'),
  ensureHeld: of('int dlock_lease_ensure_held(void *lease)'),
  release: of('int dlock_lease_release_queued(void *lease, uint64_t context)'),
};

/** What went wrong: `code` tells errors apart, `message` says what to do. */
export class DlockError extends Error {
  constructor(code, message) {
    super(message);
    this.name = 'DlockError';
    this.code = code;
  }
}

export function errorOf(status, message = c.lastError()) {
  return new DlockError(c.statusName(status), message);
}

export function check(status) {
  if (status !== 0) throw errorOf(status);
}

// What C writes, as the next call may read it.
const handle = new BigUint64Array(1);
const descriptor = new Int32Array(1);

/** What `make` writes through its last argument. */
export function made(make, ...given) {
  check(make(...given, handle));
  return handle[0];
}

/** A queue, and the descriptor of its reader. */
export function madeQueue() {
  check(c.newQueue(handle, descriptor));
  return { handle: handle[0], descriptor: descriptor[0] };
}

// A dlock_event: size, kind and status, context, lease, message.
const event = new BigUint64Array(5);
const halves = new Int32Array(event.buffer);
event[0] = BigInt(event.byteLength);

/** The next event of the queue; null if there is none. */
export function nextEvent(queue) {
  if (!c.nextEvent(queue, event)) return null;
  const [, , context, lease, message] = event;
  return {
    kind: halves[2],
    number: Number(context),
    lease,
    error: halves[3] ? errorOf(halves[3], koffi.decode(message, 'char', -1)) : null,
  };
}

/** Calls `function_` with a dlock_client_options. Zero and undefined are its defaults. */
export function withClientOptions(from, queue, function_) {
  const texts = [from.prefix, from.label].map((text) => text && Buffer.from(`${text}\0`));
  const [prefix, label] = texts.map((text) => (text ? koffi.address(text) : 0n));
  const spans = [from.connectTimeout, from.requestTimeout, 0, 0, from.safetyMargin];
  const log = [0n, 0n];
  const result = function_(structOf(...spans, prefix, label, ...log, queue));
  texts.length = 0; // not before
  return result;
}

/** A dlock_lock_options. */
export const lockOptions = (from) =>
  structOf(
    from.ttl,
    from.maxHold,
    from.renew === false ? -1 : 0, // not zero, whichever half is the int
    from.minReplicas,
    from.replicationTimeout,
  );

// With its size before them: members of 8 bytes.
function structOf(...members) {
  const words = BigInt64Array.from([0, ...members], (member) => BigInt(member ?? 0));
  words[0] = BigInt(words.byteLength);
  return words;
}
