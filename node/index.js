// A distributed lock on Redis: clients, leases, and work under a lock.
import { DlockError, NativeClient, NativeLease, version } from './native.js';

export { DlockError, version };

/** A held lock. */
export class Lease {
  #native;
  #lost = new AbortController();

  constructor(name, handle) {
    this.name = name;
    this.#native = new NativeLease(handle, () => this.#lost.abort(this.#reason()));
    this.token = this.#native.token;
    this.fence = this.#native.fence;
  }

  get lost() {
    return this.#lost.signal;
  }

  get validFor() {
    return this.#native.validFor;
  }

  get held() {
    return this.validFor > 0;
  }

  ensureHeld() {
    this.#native.ensureHeld();
  }

  async release() {
    await this.#native.release();
  }

  #reason() {
    try {
      this.ensureHeld();
    } catch (error) {
      return error;
    }
    return new DlockError('DLOCK_LOST', `the lease of "${this.name}" is about to end`);
  }
}

/** A connection to the lock store. */
export class Client {
  #native;

  constructor(url, options = {}) {
    const spans = {};
    for (const name of ['connectTimeout', 'requestTimeout', 'safetyMargin']) {
      spans[name] = span(name, options[name], 1);
    }
    this.#native = new NativeClient(url, { ...options, ...spans });
    this.url = this.#native.url;
  }

  async acquire(name, options = {}) {
    const { signal, permits } = options;
    const spans = {
      ttl: span('ttl', options.ttl, 1),
      maxHold: span('maxHold', options.maxHold, 1),
      replicationTimeout: span('replicationTimeout', options.replicationTimeout, 1),
      wait: options.wait === Infinity ? undefined : span('wait', options.wait, 0),
    };
    if (permits !== undefined && !(permits >= 1)) throw new RangeError('permits must be at least 1');
    signal?.throwIfAborted();
    let handle;
    try {
      handle = await this.#native.acquire(name, { ...options, ...spans });
    } catch (error) {
      signal?.throwIfAborted(); // its reason, not ours
      throw error;
    }
    const lease = new Lease(name, handle);
    if (signal?.aborted) {
      await lease.release().catch(() => {}); // came too late, and nobody has it
      throw signal.reason;
    }
    return lease;
  }

  async tryAcquire(name, options = {}) {
    try {
      return await this.acquire(name, { wait: 0, ...options });
    } catch (error) {
      if (error instanceof DlockError && error.code === 'DLOCK_TIMED_OUT') return null;
      throw error;
    }
  }

  async withLock(name, options, work) {
    if (typeof options === 'function') [options, work] = [{}, options];
    const lease = await this.acquire(name, options);
    let result;
    try {
      result = await work(lease);
    } catch (error) {
      await lease.release().catch(() => {}); // what the work threw matters more
      throw error;
    }
    await lease.release();
    return result;
  }

  async close() {
    await this.#native.close();
  }
}

// Node.js 18.18 and newer have it.
if (Symbol.asyncDispose) {
  Lease.prototype[Symbol.asyncDispose] = Lease.prototype.release;
  Client.prototype[Symbol.asyncDispose] = Client.prototype.close;
}

let shared;
const client = () => (shared ??= new Client());

export const acquire = async (name, options) => client().acquire(name, options);
export const tryAcquire = async (name, options) => client().tryAcquire(name, options);
export const withLock = async (name, options, work) => client().withLock(name, options, work);

// Milliseconds; what is no number would be something else to C.
function span(name, value, least) {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !(value >= least && value <= Number.MAX_SAFE_INTEGER)) {
    throw new RangeError(`${name} must be a number of milliseconds, from ${least}`);
  }
  return Math.ceil(value);
}
