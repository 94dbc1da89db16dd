// Elections: one leader among programs everywhere, whom all can see.
'use strict';

const { nativeClientOf } = require('./client.js');
const { Leadership, orNull } = require('./leases.js');
const { c, lockOptions, made } = require('./library.js');
const { NativeHandle, NativeLease, bytesOf, queue, waiting } = require('./native.js');
const { withSpans } = require('./spans.js');

/** A lock whose holder is the leader and says a value to all. */
class Election {
  #native;
  #refine;

  constructor(client, name, options = {}) {
    const bytes = bytesOf(name);
    const settings = lockOptions(options);
    const native = nativeClientOf(client);
    const make = () => made(c.newElection, native.handle, bytes, bytes.length, settings);
    const handle = native.grouped([name], make);
    this.name = name;
    this.#refine = (error) => native.refine(error, [name], {}, client);
    this.#native = new NativeHandle(this, handle, c.freeElection);
  }

  async campaign(value = '', options = {}) {
    const { wait, signal } = withSpans(options, 'wait');
    const bytes = bytesOf(value);
    const begin = (number) => c.campaign(this.#native.handle, bytes, bytes.length, wait ?? -1, number);
    const end = (event) => new NativeLease(this.name, event);
    const leadership = new Leadership(this.name, await waiting(signal, begin, end, this, this.#refine));
    if (signal?.aborted) {
      await leadership.release().catch(() => {}); // came too late, and nobody has it
      throw signal.reason;
    }
    return leadership;
  }

  async tryCampaign(value = '', options = {}) {
    return orNull(this.campaign(value, { wait: 0, ...options }));
  }

  async leader() {
    const begin = (number) => c.leader(this.#native.handle, number);
    return queue.call(begin, ({ leader }) => leader, this);
  }

  observe({ signal } = {}) {
    signal?.throwIfAborted();
    return new LeaderObserver(this.#native.handle, signal);
  }
}

// What was seen, and who waits for it. Knows no observer, so that that may become garbage.
class Seen {
  changes = [];
  waiting = null;
  #term = null;

  add({ leader, error }) {
    const kind = leader === null ? 'vacant' : leader?.term === this.#term ? 'proclaimed' : 'elected';
    this.#term = leader?.term ?? null;
    this.#push(error ? { error } : { change: { kind, leader } });
  }

  fail(error) {
    this.#push({ error });
  }

  end() {
    this.#push({ done: true });
  }

  #push(item) {
    this.changes.push(item);
    this.waiting?.();
  }
}

// Apart from the class: what this knows must not keep the observer.
function begin(election, seen, signal) {
  const number = queue.newNumber();
  const aborted = () => seen.fail(signal.reason);
  queue.listen(number, (event) => seen.add(event));
  signal?.addEventListener('abort', aborted);
  const free = (handle) => {
    queue.unlisten(number);
    signal?.removeEventListener('abort', aborted);
    queue.call((its) => c.freeObserver(handle, its)).catch(() => {});
  };
  return { handle: made((out) => c.observe(election, number, out)), free };
}

/** Iterates over the changes of an election. */
class LeaderObserver {
  #native;
  #seen = new Seen();

  constructor(election, signal) {
    const { handle, free } = begin(election, this.#seen, signal);
    this.#native = new NativeHandle(this, handle, free);
  }

  #stop() {
    if (!this.#native) return;
    queue.disown(this.#native);
    this.#native.forget();
    this.#native = null;
    this.#seen.end();
  }

  async next() {
    const seen = this.#seen;
    if (seen.changes.length === 0) {
      if (!this.#native) return { done: true, value: undefined };
      queue.use();
      await new Promise((resolve) => (seen.waiting = resolve));
      queue.unuse();
      seen.waiting = null;
    }
    const { change, error, done } = seen.changes.shift() ?? { done: true };
    if (error) {
      this.#stop();
      throw error;
    }
    return done ? { done, value: undefined } : { done: false, value: change };
  }

  async return(value) {
    this.#stop();
    return { done: true, value };
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}

module.exports = { Election };
