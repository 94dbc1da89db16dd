// Clients and leases of this thread, as the C interface has them: calls that end later are promises.
'use strict';

const { Buffer } = require('node:buffer');
const process = require('node:process');

const { lockEventOf } = require('./events.js');
const { Groups } = require('./groups.js');
const {
  DlockError, c, check, lockOptions, made, madeLock, setLockOf, withClientOptions, withNames,
} = require('./library.js');
const { Queue } = require('./queue.js');
const { span } = require('./spans.js');

const version = c.version();

/** Of this thread. */
const queue = new Queue();

// For a message or a log, which it cannot leave: it may come from anybody.
function quoted(name) {
  const text = typeof name === 'string' ? name : Buffer.from(name).toString();
  const escaped = (one) => `\\u${one.codePointAt(0).toString(16).padStart(4, '0')}`;
  return `"${text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, escaped)}"`;
}

const LEVELS = ['debug', 'info', 'warning', 'error'];

// Whether it is a mutex whose options, but for the ttl, are the defaults.
function isPlainMutex(name, options) {
  const { all, shared, exclusive, upgradeable, permits, maxHold, renew, minReplicas, replicationTimeout } = options;
  if (all || shared || exclusive || upgradeable || permits || minReplicas) return false;
  return typeof name === 'string' && maxHold === undefined && renew === undefined && replicationTimeout === undefined;
}

const bytesOf = (name) => (typeof name === 'string' ? Buffer.from(name) : name);

/** As `queue.call`; `signal` ends the wait, which then rejects with its reason. */
async function waiting(signal, begin, end, keeps, refine) {
  signal?.throwIfAborted();
  let number;
  const abort = () => queue.cancel(number);
  signal?.addEventListener('abort', abort);
  try {
    return await queue.call((its) => begin((number = its)), end, keeps, refine);
  } catch (error) {
    signal?.throwIfAborted(); // its reason, not ours
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** Something that is freed when its owner is garbage: `free(handle)` does not block. */
class NativeHandle {
  #free;

  constructor(owner, handle, free) {
    this.handle = handle;
    this.#free = free;
    queue.own(owner, this);
  }

  forget() {
    if (queue.isOpen) this.#free(this.handle);
  }
}

// Those of several names for which a wait was in vain: one, unless all were only tried.
const missing = (names, lock) => (lock ? names.filter((name) => lock.equals(bytesOf(name))) : names);

// What it throws ends no other call, and is an uncaught exception, as of an EventEmitter's listener.
function tell(handler, event) {
  try {
    handler(event);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

// Answers the question of a connection, which goes on to wait if this takes time.
async function logIn(login, ask) {
  try {
    const { user, password, life, until } = await ask();
    const left = until === undefined ? span('life', life) : Math.max(1, Math.ceil(until - Date.now()));
    c.answerLogin(login, user ?? null, password ?? null, left ?? 0);
  } catch (error) {
    c.refuseLogin(login, String(error?.message ?? error));
  }
}

/** What a Client has. */
class NativeClient {
  #handle;
  #closed;
  #numbers; // of its log, its events and its questions; 0 if nobody wants them
  #groups;
  #latest = null; // { name, ttl, lock }: the mutex of the latest acquisition, as the next one is often of it

  constructor(url, options, client) {
    const { log, onEvent, group, credentials } = options;
    const numberFor = (listener) => (listener ? queue.newNumber() : 0);
    const numbers = { log: numberFor(log), events: numberFor(onEvent), logins: numberFor(credentials) };
    this.#numbers = numbers;
    this.#groups = group ? new Groups(group) : null;
    const inside = { ...numbers, groups: this.#groups?.next };
    this.#handle = withClientOptions(options, queue.handle, inside, (settings) =>
      made(c.newClient, url ?? null, settings),
    );
    if (log) queue.listen(numbers.log, ({ text, value }) => text && log(LEVELS[value], text));
    if (onEvent) {
      queue.listen(numbers.events, ({ lockEvent }) => lockEvent && tell(onEvent, lockEventOf(lockEvent)));
    }
    if (credentials) queue.listen(numbers.logins, ({ login }) => login && logIn(login, credentials));
    this.url = c.clientUrl(this.#handle);
    queue.own(client, this);
  }

  /** Throws when it is closed. */
  get handle() {
    queue.check();
    if (!this.#handle) throw new DlockError('DLOCK_CANCELLED', 'the client is closed');
    return this.#handle;
  }

  /** A `Kind`, which has a NativeLease; rejects with a DlockError. `client` stays alive meanwhile. */
  acquire(name, options, wait, Kind, client) {
    const { signal, all } = options;
    const begin = (number) => {
      if (!this.#groups && isPlainMutex(name, options)) {
        return c.acquire(this.#plainMutex(name, options), wait ?? -1, number);
      }
      const lock = this.#lock(name, options);
      try {
        return c.acquire(lock, wait ?? -1, number);
      } finally {
        c.freeLock(lock);
      }
    };
    const refine = (error, { lock }) =>
      all ? this.refine(error, missing(all, lock), {}, client) : this.refine(error, [name], options, client);
    // At once: by the time it is awaited it may be lost.
    const end = (event) => new Kind(name, new NativeLease(name, event, all?.length), refine);
    return signal ? waiting(signal, begin, end, client, refine) : queue.call(begin, end, client, refine);
  }

  /** Lets an error of a wait ask the server about its lock, or the first of several that is held. */
  refine(error, names, options, client) {
    const inspect = async () => {
      let info;
      for (const name of names) {
        info = await client.inspectLock(name);
        if (info.held) break;
      }
      return info;
    };
    const describe = async () => {
      const name = names.length > 1 ? (await inspect()).name : names[0];
      const lock = this.#ungrouped(name, options);
      const begin = (number) => {
        try {
          return c.describe(lock, number);
        } finally {
          c.freeLock(lock);
        }
      };
      return queue.call(begin, ({ text }) => text, client);
    };
    setLockOf(error, { inspect, describe });
    return error;
  }

  /** Calls `make`, which makes locks of these names, so that they are counted under their groups. */
  grouped(names, make) {
    return this.#groups ? this.#groups.during(names, make) : make();
  }

  /** Changes the number of permits. */
  async resize(name, permits, client) {
    const lock = this.#ungrouped(name, { permits });
    const begin = (number) => {
      try {
        return c.resize(lock, permits, number);
      } finally {
        c.freeLock(lock);
      }
    };
    await waiting(undefined, begin, () => {}, client);
  }

  #plainMutex(name, options) {
    const { handle } = this;
    if (this.#latest?.name !== name || this.#latest.ttl !== options.ttl) {
      const lock = madeLock(c.newMutex, handle, bytesOf(name), lockOptions(options));
      this.#forgetLatest();
      this.#latest = { name, ttl: options.ttl, lock };
    }
    return this.#latest.lock;
  }

  #forgetLatest() {
    if (this.#latest && queue.isOpen) c.freeLock(this.#latest.lock);
    this.#latest = null;
  }

  #lock(name, options) {
    const { all } = options;
    if (!this.#groups) return this.#ungrouped(name, options);
    return this.grouped(all ?? [name], () => this.#ungrouped(name, options));
  }

  #ungrouped(name, options) {
    const { all, shared, exclusive, upgradeable, permits, weight = 1 } = options;
    const settings = lockOptions(options);
    if (all) {
      return withNames(all.map(bytesOf), (names, lengths) =>
        made(c.newAll, this.handle, names, lengths, all.length, settings),
      );
    }
    const bytes = bytesOf(name);
    if (permits && !shared && !exclusive) {
      return made(c.newPermits, this.handle, bytes, bytes.length, permits, weight, settings);
    }
    const make = upgradeable ? c.newUpgradeable : shared ? c.newReader : exclusive ? c.newWriter : c.newMutex;
    return madeLock(make, this.handle, bytes, settings);
  }

  /** Ends all waits. Twice is the same. */
  close() {
    const handle = this.#handle;
    this.#handle = null;
    if (handle) {
      this.#forgetLatest();
      const end = () => Object.values(this.#numbers).forEach((number) => queue.unlisten(number));
      this.#closed = queue.call((number) => c.freeClient(handle, number), end);
    }
    return this.#closed;
  }

  forget() {
    if (this.#handle && queue.isOpen) this.close();
  }
}

/** What a Lease has. Knows no Lease, so that it can outlive it. */
class NativeLease {
  #name;
  #number;
  #handle;
  #lost; // why
  #loss; // as soon as somebody wants to be told

  /** Of an event of an acquisition; `count` of several locks. */
  constructor(name, event, count = 0) {
    this.#name = name;
    this.#take(event);
    const fenceAt = (_, index) => BigInt(c.leaseFenceAt(event.lease, index));
    if (count) this.fences = Array.from({ length: count }, fenceAt);
  }

  #take({ number, lease }) {
    this.#number = number;
    this.#handle = lease;
    this.token = c.leaseToken(lease);
    this.readFence();
    queue.watch(number, this);
  }

  /** It grows by an upgrade, and outlasts a release. */
  readFence() {
    this.fence = BigInt(c.leaseFence(this.#handle));
  }

  get isUpgraded() {
    return this.#handle && queue.isOpen ? c.isUpgraded(this.#handle) !== 0 : false;
  }

  /** Throws when it was released. */
  get handle() {
    if (!this.#handle) throw new DlockError('DLOCK_USAGE', 'this lease was released');
    queue.check();
    return this.#handle;
  }

  /** A call that uses the lease up; `begin(handle, number)`. */
  async spend(begin, end) {
    const handle = this.handle;
    queue.disown(this);
    queue.unwatch(this.#number);
    this.#handle = null;
    try {
      return await queue.call((number) => begin(handle, number), end);
    } finally {
      if (queue.isOpen) c.freeLease(handle);
    }
  }

  /** Waits at a condition, and has another lease of the same lock then; whether it was notified. */
  async waitAt(condition, wait, signal, lease) {
    const handle = this.handle;
    const begin = (number) => {
      check(c.waitCondition(condition, handle, wait ?? -1, number));
      queue.unwatch(this.#number);
      this.#handle = null;
      return 0;
    };
    const end = (event) => {
      if (event.lease) this.#take(event);
      if (event.error && event.error.code !== 'DLOCK_TIMED_OUT') throw event.error;
      return !event.error;
    };
    return waiting(signal, begin, end, lease);
  }

  /** When nobody can reach `lease` any more the lock is given back. */
  belongTo(lease) {
    queue.own(lease, this);
  }

  /** Aborted when it is lost. `lease` lives as long as somebody has the signal or listens to it. */
  lostSignal(lease) {
    this.#loss = new AbortController();
    if (this.#lost) this.#loss.abort(this.#lost);
    if (!AbortSignal.any) return this.#loss.signal; // Node.js before 18.17
    const signal = AbortSignal.any([this.#loss.signal]);
    queue.tie(signal, lease);
    return signal;
  }

  get validFor() {
    return this.#handle && queue.isOpen ? Number(c.leaseValidFor(this.#handle)) : 0;
  }

  ensureHeld() {
    check(c.ensureHeld(this.handle));
  }

  release() {
    const handle = this.#handle;
    if (!handle) return Promise.resolve();
    this.#handle = null;
    queue.disown(this);
    queue.unwatch(this.#number);
    return queue.call((number) => c.release(handle, number));
  }

  /** For the queue: it is lost. */
  tellLoss() {
    this.#tell(this.#reason());
  }

  forget() {
    if (this.validFor > 0) {
      const text = `nobody can release the lock ${quoted(this.#name)} any more, so it is given back now`;
      process.emitWarning(text, 'DlockWarning', 'DLOCK_GARBAGE');
      this.#tell(new DlockError('DLOCK_LOST', text));
    }
    if (queue.isOpen) this.release().catch(() => {}); // it is repeated, or had ended
  }

  #tell(why) {
    this.#lost = why;
    this.#loss?.abort(why);
  }

  #reason() {
    try {
      this.ensureHeld();
    } catch (error) {
      return error;
    }
    return new DlockError('DLOCK_LOST', `the lease of ${quoted(this.#name)} is about to end`);
  }
}

module.exports = { NativeClient, NativeHandle, NativeLease, bytesOf, queue, version, waiting };
