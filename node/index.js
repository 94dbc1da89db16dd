// A distributed lock on Redis: clients, leases, and work under a lock.
import process from 'node:process';

import { DlockError, NativeClient, version } from './native.js';

export { DlockError, version };

// Enumerable functions cannot be cloned: structuredClone() and postMessage() make no copies that hold
// nothing, and their error has this text.
const LEASE = () => 'A lease belongs to its thread: send its name, token and fence instead. It';
const CLIENT = () => 'A client belongs to its thread: send its URL instead. It';

/** A held lock. */
export class Lease {
  #native;
  #lost;

  constructor(name, native) {
    this.name = name;
    this.#native = native;
    this.token = native.token;
    this.fence = native.fence;
    this.threadBound = LEASE;
    native.belongTo(this);
  }

  get lost() {
    return (this.#lost ??= this.#native.lostSignal(this));
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
}

const GENERATOR =
  'withLock runs no generator, whose body would run without the lock: give it an async function that ' +
  'iterates over the generator';

function refuseGenerator(work) {
  if (typeof work !== 'function') throw new TypeError('withLock needs a function that does the work');
  const tag = Object.prototype.toString.call(work);
  if (/^\[object (Async)?GeneratorFunction\]$/.test(tag)) throw new DlockError('DLOCK_USAGE', GENERATOR);
}

// Those of compilers do not look like generator functions; what they return does.
function refuseRest(result) {
  if (!['next', 'return', 'throw'].every((name) => typeof result?.[name] === 'function')) return;
  Promise.resolve(result.return()).catch(() => {}); // it never began
  throw new DlockError('DLOCK_USAGE', GENERATOR);
}

// What the work threw matters more than a release that failed as well, which may say the same.
function suppress(failed, error) {
  if (failed.code === error?.code) return;
  const text = `the work under a lock failed, and its release too: ${failed.message}`;
  process.emitWarning(text, 'DlockWarning', 'DLOCK_RELEASE');
  if (Object.isExtensible(error)) error.suppressed ??= failed;
}

/** A connection to the lock store. */
export class Client {
  #native;

  constructor(url, options = {}) {
    const spans = {};
    for (const name of ['connectTimeout', 'requestTimeout', 'safetyMargin']) {
      spans[name] = span(name, options[name], 1);
    }
    this.#native = new NativeClient(url, { ...options, ...spans }, this);
    this.url = this.#native.url;
    this.threadBound = CLIENT;
  }

  async acquire(name, options = {}) {
    const { signal, permits } = options;
    const spans = {
      ttl: span('ttl', options.ttl, 1),
      maxHold: span('maxHold', options.maxHold, 1),
      replicationTimeout: span('replicationTimeout', options.replicationTimeout, 1),
      wait: span('wait', options.wait, 0),
    };
    if (permits !== undefined && !(permits >= 1)) throw new RangeError('permits must be at least 1');
    signal?.throwIfAborted();
    let native;
    try {
      native = await this.#native.acquire(name, { ...options, ...spans }, this);
    } catch (error) {
      signal?.throwIfAborted(); // its reason, not ours
      throw error;
    }
    const lease = new Lease(name, native);
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
    refuseGenerator(work);
    const lease = await this.acquire(name, options);
    let result;
    try {
      result = await work(lease);
      refuseRest(result);
    } catch (error) {
      await lease.release().catch((failed) => suppress(failed, error));
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

const YEARS = 366 * 24 * 3_600_000;
const NO_LIMIT = Infinity;
const LONGEST = { wait: NO_LIMIT, maxHold: NO_LIMIT, ttl: 10 * YEARS, replicationTimeout: 3_600_000 };

// Milliseconds. Undefined is the default, which is no limit where there may be none; 100 years and
// more are the longest there is. What is no number would be something else to C.
function span(name, value, least) {
  if (value === undefined) return undefined;
  const most = LONGEST[name] ?? YEARS;
  const isForEver = value >= 100 * YEARS && name !== 'safetyMargin';
  if (typeof value !== 'number' || !(value >= least && (value <= most || isForEver))) {
    throw new RangeError(`${name} must be a number of milliseconds, from ${least} to ${most}`);
  }
  if (most === NO_LIMIT) return value < 100 * YEARS ? Math.ceil(value) : undefined;
  return Math.min(Math.ceil(value), most);
}
