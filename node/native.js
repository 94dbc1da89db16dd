// Clients and leases of this thread, as the C interface has them: calls that end later are promises.
import { Buffer } from 'node:buffer';
import process from 'node:process';

import { DlockError, c, check, lockOptions, made, withClientOptions } from './library.js';
import { Queue } from './queue.js';

export { DlockError } from './library.js';

export const version = c.version();

const queue = new Queue();

// For a message or a log, which it cannot leave: it may come from anybody.
function quoted(name) {
  const text = typeof name === 'string' ? name : Buffer.from(name).toString();
  const escaped = (one) => `\\u${one.codePointAt(0).toString(16).padStart(4, '0')}`;
  return `"${text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, escaped)}"`;
}

/** What a Client has. */
export class NativeClient {
  #handle;
  #closed;

  constructor(url, options, client) {
    this.#handle = withClientOptions(options, queue.handle, (settings) =>
      made(c.newClient, url ?? null, settings),
    );
    this.url = c.clientUrl(this.#handle);
    queue.own(client, this);
  }

  /** What a Lease has; rejects with a DlockError. `client` stays alive meanwhile. */
  async acquire(name, options, client) {
    queue.check();
    if (!this.#handle) throw new DlockError('DLOCK_CANCELLED', 'the client is closed');
    const { wait, signal } = options;
    const lock = this.#lock(name, options);
    let number;
    const begin = (its) => {
      number = its;
      try {
        return c.acquire(lock, wait ?? -1, its);
      } finally {
        c.freeLock(lock);
      }
    };
    const abort = () => queue.cancel(number);
    signal?.addEventListener('abort', abort);
    try {
      // At once: by the time it is awaited it may be lost.
      return await queue.call(begin, (...lease) => new NativeLease(name, ...lease), client);
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  #lock(name, options) {
    const { shared, exclusive, permits, weight = 1 } = options;
    const bytes = typeof name === 'string' ? Buffer.from(name) : name;
    const its = [this.#handle, bytes, bytes.length];
    const settings = lockOptions(options);
    if (permits && !shared && !exclusive) return made(c.newPermits, ...its, permits, weight, settings);
    return made(shared ? c.newReader : exclusive ? c.newWriter : c.newMutex, ...its, settings);
  }

  /** Ends all waits. Twice is the same. */
  close() {
    const handle = this.#handle;
    this.#handle = null;
    if (handle) this.#closed = queue.call((number) => c.freeClient(handle, number));
    return this.#closed;
  }

  forget() {
    if (this.#handle && queue.isOpen) this.close();
  }
}

/** What a Lease has. Knows no Lease, so that it can outlive it. */
export class NativeLease {
  #name;
  #number;
  #handle;
  #lost; // why
  #loss; // as soon as somebody wants to be told

  constructor(name, number, handle) {
    this.#name = name;
    this.#number = number;
    this.#handle = handle;
    this.token = c.leaseToken(handle);
    this.fence = BigInt(c.leaseFence(handle));
    queue.watch(number, () => this.#tell(this.#reason()));
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
    if (!this.#handle) throw new DlockError('DLOCK_USAGE', 'this lease was released');
    queue.check();
    check(c.ensureHeld(this.#handle));
  }

  async release() {
    const handle = this.#handle;
    if (!handle) return;
    this.#handle = null;
    queue.disown(this);
    queue.unwatch(this.#number);
    await queue.call((number) => c.release(handle, number));
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
