// Credentials that a function gives. The server takes any password. Run by package_test.py.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { Client } from 'dlock';
import { Server } from 'dlock/testing';

const LONG = 30_000; // for anything that should come soon
const server = new Server();
after(() => server.close());

function clientWith(t, credentials) {
  const client = new Client(server.url, { credentials });
  t.after(() => client.close());
  return client;
}

async function eventually(condition) {
  for (const end = Date.now() + LONG; Date.now() < end; await sleep(10)) {
    if (condition()) return;
  }
  assert.fail(`it did not come to that: ${condition}`);
}

test('they are asked for again before they end, and the connection stays', async (t) => {
  let asked = 0;
  const client = clientWith(t, async () => {
    await sleep(1);
    return asked++ % 2 ? { user: 'default', password: 'any', life: 100 } : { until: new Date(Date.now() + 100), password: 'any' };
  });
  const lease = await client.acquire('job');
  await eventually(() => asked > 3);
  assert.equal(client.stats().reconnects, 0);
  await lease.release();
});

test('what the function throws is told', async (t) => {
  const client = clientWith(t, () => {
    throw new Error('the token service is down');
  });
  await assert.rejects(client.tryAcquire('job'), /the token service is down/);
  assert.throws(() => new Client(server.url, { credentials: 'secret' }), TypeError);
});
