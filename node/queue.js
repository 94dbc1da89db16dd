// Where the calls of this thread end: a socket of the event loop becomes readable, and the loop takes
// the events. The library calls no JavaScript, so it does not matter when that ends; the socket is
// closed with it, and with the socket everything that belonged to it.
'use strict';

const { AsyncResource } = require('node:async_hooks');
const { Socket } = require('node:net');
const { setTimeout } = require('node:timers');

const { DlockError, c, check, madeQueue, nextEvent, readSockets } = require('./library.js');

const LOST = 3;
const LEADER = 6;
const LOG = 7;
const LOCK = 8;
const LOGIN = 9;

// The asynchronous context of whoever is first is not that of all.
const apart = AsyncResource.bind((function_) => function_());

// All of this module lives as long as one of its sockets.
// Queues that nobody can reach any more, as after a module reset of a test runner.
const unused = new FinalizationRegistry((socket) => socket.destroy());
// Likewise clients and leases: `held` is what they had, which has the queue.
const garbage = new FinalizationRegistry((held) => held.forget());
// Those of the last moments are not registered yet, which takes longer than the rest of a call: most of
// their owners are released soon.
const young = new Map(); // owners, by what they have
const YOUTH = 100; // milliseconds
let isGrowing = false;
const owners = new WeakMap(); // of signals

function grow() {
  for (const [held, owner] of young) garbage.register(owner, held, held);
  young.clear();
  isGrowing = false;
}

// Apart from the class: what the socket knows must not keep the queue, but while `kept.queue` is it.
function listen({ handle, descriptor }, queue, kept) {
  const reader = new WeakRef(queue);
  const callback = () => {
    (kept.queue ?? reader.deref())?.take();
    return true;
  };
  readSockets?.(handle, callback); // ends with the socket
  const socket = new Socket({
    fd: descriptor,
    writable: false,
    onread: { buffer: new Uint8Array(16), callback },
  });
  socket.on('error', () => {}); // 'close' follows
  socket.on('close', () => reader.deref()?.end());
  return socket.unref();
}

function settle({ resolve, reject, end }, event) {
  try {
    resolve(end(event));
  } catch (error) {
    reject(error);
  }
}

class Queue {
  #handle;
  #socket;
  #calls = new Map(); // those under way, by number
  #leases = new Map(); // who is to be told when a lease is lost, by the number of its acquisition
  #listeners = new Map(); // who gets an observer's leaders, or a client's log, events or questions
  #users = 0; // while there are any, the process does not end
  #kept = { queue: null }; // itself, while calls are under way
  #last = 0;

  /** Of what belongs to the queue. Throws when the thread's end is near. */
  get handle() {
    if (this.#socket === undefined) {
      const made = madeQueue();
      this.#handle = made.handle;
      this.#socket = apart(() => listen(made, this, this.#kept));
      unused.register(this, this.#socket);
    }
    this.check();
    return this.#handle;
  }

  /** What belongs to the queue must not be used after its socket was closed. */
  check() {
    if (!this.isOpen) {
      throw new DlockError('DLOCK_CANCELLED', 'the socket of dlock was closed: this thread ends');
    }
  }

  /** Calls `begin` with a number. A promise for what `end` returns, called with the event when that is
   * over; after an error only if there is a lease all the same. `keeps` stays alive until then.
   * `refine(error, event)` makes the error of the event the one to reject with. */
  call(begin, end = () => {}, keeps = null, refine = null) {
    return new Promise((resolve, reject) => {
      this.check();
      const number = this.newNumber();
      check(begin(number));
      this.#calls.set(number, { resolve, reject, end, keeps, refine });
      this.use();
    });
  }

  newNumber() {
    return ++this.#last;
  }

  /** The process does not end before as many calls of `unuse`. */
  use() {
    if (++this.#users > 1) return;
    this.#kept.queue = this;
    this.#socket.ref();
  }

  unuse() {
    if (--this.#users > 0) return;
    this.#kept.queue = null;
    this.#socket.unref();
  }

  /** `listener` gets the events of that number which end no call. */
  listen(number, listener) {
    this.#listeners.set(number, listener);
  }

  unlisten(number) {
    this.#listeners.delete(number);
  }

  cancel(number) {
    if (this.#calls.has(number)) c.cancel(this.#handle, number);
  }

  get isOpen() {
    return !this.#socket.destroyed;
  }

  /** Calls `held.forget()` when `owner` is garbage, unless `disown(held)` was called. */
  own(owner, held) {
    young.set(held, owner);
    if (isGrowing) return;
    isGrowing = true;
    apart(() => setTimeout(grow, YOUTH).unref());
  }

  disown(held) {
    if (!young.delete(held)) garbage.unregister(held);
  }

  /** `owner` lives as long as `signal`. */
  tie(signal, owner) {
    owners.set(signal, owner);
  }

  /** Calls `lease.tellLoss()` when the lease of that acquisition is lost. */
  watch(number, lease) {
    this.#leases.set(number, lease);
  }

  unwatch(number) {
    this.#leases.delete(number);
  }

  take() {
    // What an event leads to may close the socket.
    for (let event; this.isOpen && (event = nextEvent(this.#handle)); ) {
      const { kind, number, lease, error } = event;
      if (kind === LOST) {
        this.#leases.get(number)?.tellLoss();
        continue;
      }
      if (kind === LEADER || kind === LOG || kind === LOCK) {
        this.#listeners.get(number)?.(event);
        continue;
      }
      if (kind === LOGIN) {
        const answer = this.#listeners.get(number);
        answer ? answer(event) : c.refuseLogin(event.login, 'the client is closed');
        continue;
      }
      const call = this.#finish(number);
      if (error && !lease) call?.reject(call.refine ? call.refine(error, event) : error);
      else if (call) settle(call, event);
    }
  }

  /** The socket is closed. */
  end() {
    const why = new DlockError('DLOCK_CANCELLED', 'the socket of dlock was closed');
    for (const number of [...this.#calls.keys()]) this.#finish(number).reject(why);
    for (const lease of this.#leases.values()) lease.tellLoss();
    for (const listener of this.#listeners.values()) listener({ error: why });
  }

  #finish(number) {
    const call = this.#calls.get(number);
    if (this.#calls.delete(number)) this.unuse();
    return call;
  }
}

module.exports = { Queue };
