// Help for the tests of programs: a server that ends with the test, and leases that are lost.
'use strict';

const { once } = require('node:events');

const { nativeClientOf } = require('./client.js');
const { nativeLeaseOf } = require('./leases.js');
const { check, made, of } = require('./library.js');
const { queue } = require('./native.js');

const c = {
  new: of('int dlock_test_server_new(void *server)'),
  url: of('const char *dlock_test_server_url(void *server)'),
  pause: of('int dlock_test_server_pause(void *server)'),
  resume: of('int dlock_test_server_resume(void *server)'),
  free: of('void dlock_test_server_free(void *server)'),
  lose: of('int dlock_lease_lose_queued(void *client, void *lease, uint64_t context)'),
};
const dropped = new FinalizationRegistry(c.free);

/** A server of its own, for one test. */
class Server {
  #handle = made(c.new);

  constructor() {
    this.url = c.url(this.#handle);
    dropped.register(this, this.#handle, this);
  }

  pause() {
    if (this.#handle) check(c.pause(this.#handle));
  }

  resume() {
    if (this.#handle) check(c.resume(this.#handle));
  }

  close() {
    dropped.unregister(this);
    c.free(this.#handle);
    this.#handle = null;
  }
}

// Node.js 18.18 and newer have it.
if (Symbol.dispose) Server.prototype[Symbol.dispose] = Server.prototype.close;

/** Takes the lock of `lease` away; `lease.lost` is aborted then. */
async function lose(client, lease) {
  const owner = nativeClientOf(client).handle;
  const { handle } = nativeLeaseOf(lease);
  const { lost } = lease;
  const told = lost.aborted ? undefined : once(lost, 'abort');
  await queue.call((number) => c.lose(owner, handle, number), undefined, [client, lease]);
  await told;
}

module.exports = { Server, lose };
