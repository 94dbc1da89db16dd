// Waiting for others, not for a lock: latches, barriers, condition variables.
'use strict';

const { nativeClientOf } = require('./client.js');
const { Lease, nativeLeaseOf, orNull } = require('./leases.js');
const { c, made, structOf } = require('./library.js');
const { NativeHandle, NativeLease, bytesOf, queue, waiting } = require('./native.js');
const { whole, withSpans } = require('./spans.js');

class Gate {
  constructor(name, make, free, client, ...given) {
    const bytes = bytesOf(name);
    const native = nativeClientOf(client);
    const handle = native.grouped([name], () => made(make, native.handle, bytes, bytes.length, ...given));
    this.name = name;
    Object.defineProperty(this, '_native', { value: new NativeHandle(this, handle, free), enumerable: false });
  }

  _call(function_, ...given) {
    return queue.call((number) => function_(this._native.handle, ...given, number), undefined, this);
  }

  async _join(function_) {
    const end = (event) => new NativeLease(this.name, event);
    const native = await queue.call((number) => function_(this._native.handle, number), end, this);
    return new Lease(this.name, native);
  }

  // `function_` uses the part up.
  _leave(function_, part) {
    return nativeLeaseOf(part).spend((handle, number) => function_(this._native.handle, handle, number));
  }

  async _wait(function_, options) {
    const { wait, signal } = withSpans(options, 'wait');
    const begin = (number) => function_(this._native.handle, wait ?? -1, number);
    return orNull(waiting(signal, begin, undefined, this), false, true);
  }
}

/** Is counted down by anybody, and opens for good at zero. */
class Latch extends Gate {
  constructor(client, name, count, options = {}) {
    const { ttl, keep } = withSpans(options, 'ttl', 'keep');
    super(name, c.newLatch, c.freeLatch, client, whole('count', count), structOf(ttl, keep));
  }

  async countDown(what = 1) {
    if (what instanceof Lease) await this._leave(c.countDownPart, what);
    else await this._call(c.countDown, whole('n', what));
  }

  join() {
    return this._join(c.joinLatch);
  }

  wait(options = {}) {
    return this._wait(c.waitLatch, options);
  }
}

/** Lets the parties through when all have arrived, again and again. */
class Barrier extends Gate {
  constructor(client, name, parties, options = {}) {
    const { ttl } = withSpans(options, 'ttl');
    super(name, c.newBarrier, c.freeBarrier, client, whole('parties', parties), structOf(ttl));
  }

  wait(options = {}) {
    return this._wait(c.waitBarrier, options);
  }

  join() {
    return this._join(c.joinBarrier);
  }

  async leave(part) {
    await this._leave(c.leaveBarrier, part);
  }

  async reset() {
    await this._call(c.resetBarrier);
  }
}

/** Where holders of a lock wait until another program says that something has changed. */
class ConditionVariable extends Gate {
  constructor(client, name) {
    super(name, c.newCondition, c.freeCondition, client);
  }

  async wait(lease, options = {}) {
    const { wait, signal } = withSpans(options, 'wait');
    return nativeLeaseOf(lease).waitAt(this._native.handle, wait, signal, [lease, this]);
  }

  async notifyOne() {
    await this._call(c.notifyOne);
  }

  async notifyAll() {
    await this._call(c.notifyAll);
  }
}

module.exports = { Latch, Barrier, ConditionVariable };
