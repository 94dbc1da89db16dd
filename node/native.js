// The C interface, dlock.h, as Node.js sees it: calls that end later are promises.
//
// The library calls back on a thread of its own, which then waits for the event loop. So nothing that
// may wait for that thread runs in the event loop: it is left to Node's pool.
import { promisify } from 'node:util';

import koffi from 'koffi';

const library = koffi.load(process.env.DLOCK_LIBRARY || 'libdlock.so.1');

koffi.struct('dlock_client_options', {
  size: 'size_t',
  connect_timeout_ms: 'int64_t',
  request_timeout_ms: 'int64_t',
  drift_rate: 'double',
  drift_floor_ms: 'int64_t',
  safety_margin_ms: 'int64_t',
  prefix: 'const char *',
  label: 'const char *',
  log: 'void *',
  log_context: 'void *',
});
koffi.struct('dlock_lock_options', {
  size: 'size_t',
  ttl_ms: 'int64_t',
  max_hold_ms: 'int64_t',
  no_renew: 'int',
  min_replicas: 'int64_t',
  replication_timeout_ms: 'int64_t',
});
// A context is a number: that of the call.
koffi.proto('void on_acquired(uintptr_t context, int status, void *lease, const char *message)');
koffi.proto('void on_released(uintptr_t context, int status, const char *message)');
koffi.proto('void on_lost(uintptr_t context)');

const newLock = (kind, more = '') =>
  library.func(
    `int dlock_${kind}_new(void *client, const void *name, size_t length${more}, ` +
      'const dlock_lock_options *options, _Out_ void **lock)',
  );
const c = {
  statusName: library.func('const char *dlock_status_name(int status)'),
  lastError: library.func('const char *dlock_last_error()'),
  version: library.func('const char *dlock_version()'),
  newClient: library.func(
    'int dlock_client_new(const char *url, const dlock_client_options *options, ' +
      '_Out_ void **client)',
  ),
  clientUrl: library.func('const char *dlock_client_url(void *client)'),
  freeClient: library.func('void dlock_client_free(void *client)'),
  newMutex: newLock('mutex'),
  newReader: newLock('reader'),
  newWriter: newLock('writer'),
  newPermits: newLock('permits', ', int64_t permits, int64_t weight'),
  freeLock: library.func('void dlock_lock_free(void *lock)'),
  newCancel: library.func('int dlock_cancel_new(_Out_ void **cancel)'),
  requestCancel: library.func('void dlock_cancel_request(void *cancel)'),
  freeCancel: library.func('void dlock_cancel_free(void *cancel)'),
  acquire: library.func(
    'int dlock_acquire_async(void *lock, int64_t timeout_ms, void *cancel, ' +
      'on_acquired *handler, uintptr_t context)',
  ),
  leaseToken: library.func('const char *dlock_lease_token(void *lease)'),
  leaseFence: library.func('int64_t dlock_lease_fence(void *lease)'),
  leaseValidFor: library.func('int64_t dlock_lease_valid_for_ms(void *lease)'),
  ensureHeld: library.func('int dlock_lease_ensure_held(void *lease)'),
  onLost: library.func(
    'int dlock_lease_on_lost(void *lease, on_lost *handler, uintptr_t context)',
  ),
  release: library.func(
    'int dlock_lease_release_async(void *lease, on_released *handler, uintptr_t context)',
  ),
  freeLease: library.func('void dlock_lease_free(void *lease)'),
};

/** What went wrong: `code` tells errors apart, `message` says what to do. */
export class DlockError extends Error {
  constructor(code, message) {
    super(message);
    this.name = 'DlockError';
    this.code = code;
  }
}

function errorOf(status, message = c.lastError()) {
  return new DlockError(c.statusName(status), message);
}

function check(status) {
  if (status !== 0) throw errorOf(status);
}

function made(make, ...given) {
  const out = [null];
  check(make(...given, out));
  return out[0];
}

// Calls under way, by number. While one is, the process does not end.
const calls = new Map();
const ends = new Map(); // what is to be called when a lease is lost
let last = 0;
const awake = setInterval(() => {}, 2 ** 31 - 1).unref();

function take(number) {
  const call = calls.get(number);
  calls.delete(number);
  if (calls.size === 0) awake.unref();
  return call;
}

function start(begin) {
  return new Promise((resolve, reject) => {
    const number = ++last;
    calls.set(number, { resolve, reject });
    awake.ref();
    const status = begin(number);
    if (status !== 0) take(number).reject(errorOf(status));
  });
}

function settle(context, status, value, message) {
  const { resolve, reject } = take(Number(context));
  if (status === 0) resolve(value);
  else reject(errorOf(status, message));
}

const onAcquired = koffi.register(settle, koffi.pointer('on_acquired'));
const onReleased = koffi.register(
  (context, status, message) => settle(context, status, undefined, message),
  koffi.pointer('on_released'),
);
const onLost = koffi.register((context) => ends.get(Number(context))?.(), koffi.pointer('on_lost'));

export const version = c.version();

const freeClient = promisify(c.freeClient.async);
const freeLease = promisify(c.freeLease.async);

export class NativeClient {
  #handle;

  constructor(url, options) {
    this.#handle = made(c.newClient, url ?? null, {
      size: koffi.sizeof('dlock_client_options'),
      connect_timeout_ms: options.connectTimeout ?? 0,
      request_timeout_ms: options.requestTimeout ?? 0,
      drift_rate: 0,
      drift_floor_ms: 0,
      safety_margin_ms: options.safetyMargin ?? 0,
      prefix: options.prefix ?? null,
      label: options.label ?? null,
      log: null,
      log_context: null,
    });
    this.url = c.clientUrl(this.#handle);
  }

  /** A lease's handle; rejects with a DlockError. */
  async acquire(name, { shared, exclusive, permits, weight, wait, signal, ...options }) {
    if (!this.#handle) throw new DlockError('DLOCK_CANCELLED', 'the client is closed');
    const bytes = typeof name === 'string' ? Buffer.from(name) : name;
    const rest = [
      {
        size: koffi.sizeof('dlock_lock_options'),
        ttl_ms: options.ttl ?? 0,
        max_hold_ms: options.maxHold ?? 0,
        no_renew: options.renew === false ? 1 : 0,
        min_replicas: options.minReplicas ?? 0,
        replication_timeout_ms: options.replicationTimeout ?? 0,
      },
    ];
    const make = shared ? c.newReader : exclusive ? c.newWriter : permits ? c.newPermits : c.newMutex;
    if (make === c.newPermits) rest.unshift(permits, weight ?? 1);
    const lock = made(make, this.#handle, bytes, bytes.length, ...rest);
    const cancel = made(c.newCancel);
    const abort = () => c.requestCancel(cancel);
    signal?.addEventListener('abort', abort);
    try {
      const timeout = wait === undefined ? -1 : wait;
      return await start((number) => c.acquire(lock, timeout, cancel, onAcquired, number));
    } finally {
      signal?.removeEventListener('abort', abort);
      c.freeCancel(cancel);
      c.freeLock(lock);
    }
  }

  async close() {
    const handle = this.#handle;
    this.#handle = null;
    if (handle) await freeClient(handle);
  }
}

export class NativeLease {
  #handle;
  #number = ++last;

  constructor(handle, lost) {
    this.#handle = handle;
    this.token = c.leaseToken(handle);
    this.fence = BigInt(c.leaseFence(handle));
    ends.set(this.#number, lost);
    check(c.onLost(handle, onLost, this.#number));
  }

  get validFor() {
    return this.#handle ? Number(c.leaseValidFor(this.#handle)) : 0;
  }

  ensureHeld() {
    if (!this.#handle) throw new DlockError('DLOCK_USAGE', 'this lease was released');
    check(c.ensureHeld(this.#handle));
  }

  async release() {
    const handle = this.#handle;
    this.#handle = null;
    if (!handle) return;
    try {
      await start((number) => c.release(handle, onReleased, number));
    } finally {
      await freeLease(handle);
      ends.delete(this.#number);
    }
  }
}
