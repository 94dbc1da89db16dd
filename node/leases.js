// What somebody has got: a lock, several, a reader who may become the writer, a leadership.
'use strict';

const { c } = require('./library.js');
const { NativeLease, bytesOf, queue, waiting } = require('./native.js');
const { withSpans } = require('./spans.js');

// Enumerable functions cannot be cloned: structuredClone() and postMessage() make no copies that hold
// nothing, and their error has this text.
const LEASE = () => 'A lease belongs to its thread: send its name, token and fence instead. It';

let nativeOf;
/** For the modules of this package: what a Lease has. */
const nativeLeaseOf = (lease) => nativeOf(lease);

/** A held lock. */
class Lease {
  #native;
  #lost;

  static {
    nativeOf = (lease) => lease.#native;
  }

  constructor(name, native) {
    this.name = name;
    this.#native = native;
    this.threadBound = LEASE;
    native.belongTo(this);
  }

  get token() {
    return this.#native.token;
  }

  get fence() {
    return this.#native.fence;
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

  async downgradeToReader() {
    const end = (event) => new NativeLease(this.name, event);
    return new Lease(this.name, await this.#native.spend(c.toReader, end));
  }

  release() {
    return this.#native.release();
  }
}

/** Several locks, held as one. */
class Leases extends Lease {
  constructor(names, native) {
    super(names.join(', '), native);
    this.names = [...names];
  }

  get fences() {
    return [...nativeOf(this).fences];
  }
}

/** A reader who may become the writer. */
class UpgradeableLease extends Lease {
  #refine;

  constructor(name, native, refine) {
    super(name, native);
    this.#refine = refine;
  }

  get upgraded() {
    return nativeOf(this).isUpgraded;
  }

  async upgrade(options = {}) {
    const { wait, signal } = withSpans(options, 'wait');
    const native = nativeOf(this);
    const begin = (number) => c.upgrade(native.handle, wait ?? -1, number);
    await waiting(signal, begin, () => native.readFence(), this, this.#refine);
  }

  async tryUpgrade(options = {}) {
    return orNull(this.upgrade({ wait: 0, ...options }), false, true);
  }

  async downgrade() {
    const { handle } = nativeOf(this);
    await queue.call((number) => c.downgrade(handle, number), undefined, this);
  }
}

/** A won election. */
class Leadership extends Lease {
  get term() {
    return this.fence;
  }

  async proclaim(value) {
    const { handle } = nativeOf(this);
    const bytes = bytesOf(value);
    await queue.call((number) => c.proclaim(handle, bytes, bytes.length, number), undefined, this);
  }

  async resign() {
    await this.release();
  }
}

// Node.js 18.18 and newer have it.
if (Symbol.asyncDispose) Lease.prototype[Symbol.asyncDispose] = Lease.prototype.release;

/** What is acquired, or `none` if it was not to be had in time. */
async function orNull(acquired, none = null, some = undefined) {
  try {
    const result = await acquired;
    return some ?? result;
  } catch (error) {
    if (error?.code === 'DLOCK_TIMED_OUT') return none;
    throw error;
  }
}

module.exports = { nativeLeaseOf, Lease, Leases, UpgradeableLease, Leadership, orNull };
