// Client: a connection to the lock store, and what is done with it.
'use strict';

const process = require('node:process');

const { Lease, Leases, UpgradeableLease, orNull } = require('./leases.js');
const { DlockError, c, structOf } = require('./library.js');
const { SUBJECT, fromJson } = require('./looking.js');
const { NativeClient, NativeLease, bytesOf, queue } = require('./native.js');
const { span, whole, withSpans } = require('./spans.js');
const { exposition, expositionOfAll, statsOf } = require('./stats.js');

const CLIENT = () => 'A client belongs to its thread: send its URL instead. It';

const GENERATOR =
  'a generator is refused, as its body would run without the lock: give an async function that ' +
  'iterates over the generator';

function refuseGenerator(work, caller) {
  if (typeof work !== 'function') throw new TypeError(`${caller} needs a function that does the work`);
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

async function under(lease, work) {
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

async function unlessAborted(signal, acquired) {
  const lease = await acquired;
  if (!signal.aborted) return lease;
  await lease.release().catch(() => {}); // came too late, and nobody has it
  throw signal.reason;
}

let nativeOf;
/** For the modules of this package: what a Client has. */
function nativeClientOf(client) {
  if (!(client instanceof Client)) throw new TypeError('the first argument must be a Client');
  return nativeOf(client);
}

/** A connection to the lock store. */
class Client {
  #native;

  static {
    nativeOf = (client) => client.#native;
  }

  constructor(url, options = {}) {
    for (const name of ['log', 'onEvent', 'group', 'credentials']) {
      if (!['undefined', 'function'].includes(typeof options[name])) throw new TypeError(`${name} must be a function`);
    }
    const given = withSpans(options, 'connectTimeout', 'requestTimeout', 'safetyMargin', 'patience', 'slowWait');
    this.#native = new NativeClient(url, given, this);
    this.url = this.#native.url;
    this.threadBound = CLIENT;
  }

  // Each `async` on the way would cost a promise and three turns.
  acquire(name, options = {}) {
    try {
      const Kind = options.upgradeable && !options.permits ? UpgradeableLease : Lease;
      return this.#acquire(Kind, name, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  tryAcquire(name, options = {}) {
    return orNull(this.acquire(name, { wait: 0, ...options }));
  }

  async acquireAll(names, options = {}) {
    if (!Array.isArray(names) || names.length === 0) throw new TypeError('acquireAll needs an array of names');
    const { wait, signal, ttl, renew, maxHold, minReplicas, replicationTimeout } = options;
    const terms = { wait, signal, ttl, renew, maxHold, minReplicas, replicationTimeout };
    return this.#acquire(Leases, names, { ...terms, all: names });
  }

  async tryAcquireAll(names, options = {}) {
    return orNull(this.acquireAll(names, { wait: 0, ...options }));
  }

  #acquire(Kind, name, options) {
    const { signal, permits } = options;
    const wait = span('wait', options.wait, 0);
    if (permits !== undefined && !(permits >= 1)) throw new RangeError('permits must be at least 1');
    signal?.throwIfAborted();
    const acquired = this.#native.acquire(name, options, wait, Kind, this);
    return signal ? unlessAborted(signal, acquired) : acquired;
  }

  async withLock(name, options, work) {
    if (typeof options === 'function') [options, work] = [{}, options];
    refuseGenerator(work, 'withLock');
    return under(await this.acquire(name, options), work);
  }

  async beginOnce(name, options = {}) {
    const given = withSpans(options, 'atLeast', 'atMost', 'replicationTimeout');
    const { atLeast, atMost, minReplicas, replicationTimeout } = given;
    const settings = structOf(atLeast, atMost, minReplicas, replicationTimeout);
    const bytes = bytesOf(name);
    const { handle } = this.#native;
    const begin = (number) =>
      this.#native.grouped([name], () => c.beginOnce(handle, bytes, bytes.length, settings, number));
    const begun = queue.call(begin, (event) => new Lease(name, new NativeLease(name, event)), this);
    return orNull(begun);
  }

  async runOnce(name, options, work) {
    if (typeof options === 'function') [options, work] = [{}, options];
    refuseGenerator(work, 'runOnce');
    const lease = await this.beginOnce(name, options);
    if (!lease) return false;
    await under(lease, work);
    return true;
  }

  async resize(name, permits) {
    await this.#native.resize(name, whole('permits', permits), this);
  }

  listLocks(pattern = '*') {
    return this.#look(SUBJECT.locks, pattern);
  }

  inspectLock(name) {
    return this.#look(SUBJECT.lock, name);
  }

  inspectLatch(name) {
    return this.#look(SUBJECT.latch, name);
  }

  inspectBarrier(name) {
    return this.#look(SUBJECT.barrier, name);
  }

  listDeadlocks() {
    return this.#look(SUBJECT.deadlocks, '');
  }

  async #look(subject, name) {
    const bytes = bytesOf(name);
    const { handle } = this.#native;
    const begin = (number) => c.inspect(handle, subject, bytes, bytes.length, number);
    return queue.call(begin, ({ text }) => fromJson(text), this);
  }

  async breakLock(name, fence, options = {}) {
    if (typeof fence !== 'bigint') throw new TypeError('a fence is a bigint');
    const { timeout = 0 } = withSpans(options, 'timeout');
    const bytes = bytesOf(name);
    const { handle } = this.#native;
    const begin = (number) => c.breakLock(handle, bytes, bytes.length, fence, timeout, number);
    return queue.call(begin, ({ value }) => value !== 0, this);
  }

  stats() {
    return statsOf(this.#native.handle);
  }

  prometheusText() {
    return exposition(this.#native.handle);
  }

  async close() {
    await this.#native.close();
  }
}

// Node.js 18.18 and newer have it.
if (Symbol.asyncDispose) Client.prototype[Symbol.asyncDispose] = Client.prototype.close;

/** Statistics of several clients together, each by its name. */
function prometheusText(clients) {
  const names = Object.keys(clients);
  return expositionOfAll(names.map((name) => nativeClientOf(clients[name]).handle), names);
}

module.exports = { nativeClientOf, Client, prometheusText };
