// What the Node.js package shows of its locks: statistics, events, time-outs. Run by package_test.py.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { Barrier, Client, ConditionVariable, DlockError, Election, Latch, TimedOutError, prometheusText } from 'dlock';
import { Server, lose } from 'dlock/testing';

const LONG = 30_000; // for anything that should come soon
const server = new Server();
after(() => server.close());
const fails = (code) => (error) => error instanceof DlockError && error.code === code;

async function eventually(condition) {
  for (const end = Date.now() + LONG; Date.now() < end; await sleep(10)) {
    if (await condition()) return;
  }
  assert.fail(`it did not come to that: ${condition}`);
}

/** A client whose events are kept; closed with the test. */
function told(t, options = {}) {
  const events = [];
  const client = new Client(server.url, { ...options, onEvent: (event) => events.push(event) });
  t.after(() => client.close());
  return { client, events };
}

function another(t, options) {
  const client = new Client(server.url, options);
  t.after(() => client.close());
  return client;
}

const kinds = (events) => events.map(({ kind }) => kind);

test('statistics have histograms, groups and elections', async (t) => {
  const letter = (name) => (typeof name === 'string' ? name[0] : '');
  const client = another(t, { group: letter });
  const other = another(t);
  const lease = await client.acquire('a1');
  const next = other.acquire('a1');
  await eventually(async () => (await other.inspectLock('a1')).waiters.length === 1);
  await lease.release();
  await (await next).release();
  await (await client.acquire('a2', { permits: 3, weight: 2 })).release();
  const leadership = await new Election(client, 'e').campaign();
  const lost = await client.acquire(Uint8Array.of(0xff));
  await lose(client, lost);
  await lost.release().catch(() => {});

  const stats = client.stats();
  assert.deepEqual([stats.acquired, stats.released, stats.lost, stats.held, stats.waiting], [4, 2, 1, 1, 0]);
  assert.ok(stats.sentBytes > 100 && stats.receivedBytes > 10 && stats.droppedEvents === 0);
  assert.deepEqual(stats.elections, [{ name: 'e', leads: true }]);
  assert.deepEqual(stats.groups.map(({ group }) => group), ['', 'a', 'e']);
  const [none, a] = stats.groups;
  assert.deepEqual(a.acquisitions.mutex, { request: 1, grant: 0, passing: 0 });
  assert.deepEqual([a.acquisitions.permits.request, a.released, a.hold.count], [1, 2, 2]);
  assert.equal(none.losses.broken, 1);
  assert.ok('maxHold' in none.losses);
  assert.equal(other.stats().handoffGap.count, 1);
  assert.equal(other.stats().groups[0].acquisitions.mutex.grant, 1);

  assert.equal(stats.wait.count, 4);
  assert.equal(stats.wait.counts.reduce((all, one) => all + one), 4);
  assert.ok(stats.wait.sum > 0);
  assert.deepEqual([stats.wait.bounds[0], stats.wait.bounds.at(-1), stats.wait.counts.length], [0.1, 500_000, 22]);
  const slowest = stats.wait.bounds[stats.wait.counts.findLastIndex((count) => count > 0)];
  assert.equal(stats.wait.quantile(1), slowest);
  assert.ok(stats.wait.quantile(0.5) > 0 && stats.wait.quantile(0.5) <= slowest);
  assert.equal(stats.handoffGap.quantile(0.99), 0);
  assert.throws(() => stats.wait.quantile(99), RangeError);

  assert.match(client.prometheusText(), /^dlock_client_leases_held\{group="e"\} 1$/m);
  assert.match(client.prometheusText(), /^leader_election_master_status\{name="e"\} 1$/m);
  await leadership.resign();
});

test('each thing that is made with a client is in its group', async (t) => {
  const seen = [];
  const client = another(t, { group: (name) => seen.push(name) && `of ${name}` });
  await (await client.acquire('mutex')).release();
  await (await client.acquireAll(['one', 'two'])).release();
  await (await client.acquire('upgradeable', { upgradeable: true })).release();
  await client.runOnce('once', () => {});
  await new Latch(client, 'latch', 1).wait({ wait: 1 });
  await new Barrier(client, 'barrier', 1).wait();
  await new ConditionVariable(client, 'condition').notifyAll();
  assert.deepEqual(seen, ['mutex', 'one', 'two', 'upgradeable', 'once', 'latch', 'barrier', 'condition']);
  const { groups } = client.stats();
  assert.deepEqual(groups.map(({ group }) => group), ['', ...seen.map((name) => `of ${name}`)]);
  const used = groups.filter(({ hold }) => hold.count === 1).map(({ group }) => group);
  assert.deepEqual(used, ['of mutex', 'of one', 'of two', 'of upgradeable', 'of once']);

  const wrong = another(t, { group: (name) => (name === 'none' ? undefined : [].nothing.here) });
  await assert.rejects(wrong.acquire('none'), /group must return a string/);
  await assert.rejects(wrong.acquire('thrown'), TypeError);
  assert.throws(() => new Client(server.url, { group: 'all' }), TypeError);
});

test('events tell what happens to locks, and who holds them', async (t) => {
  const { client, events } = told(t, { label: 'told', slowWait: 30 });
  await (await client.acquire('connected')).release();
  await eventually(() => kinds(events).includes('released'));
  events.length = 0; // the wait for the connection may have been long, too
  const holder = another(t, { label: 'nightly' });
  const held = await holder.acquire('a');
  const next = client.acquire('a');
  await eventually(() => events.length === 1);
  const waiting = events.at(-1);
  assert.deepEqual([waiting.kind, waiting.name, waiting.lock], ['waiting', 'a', 'mutex']);
  assert.deepEqual([waiting.holder.label, waiting.holder.pid, waiting.waiters], ['nightly', process.pid, 1]);
  assert.ok(waiting.waited >= 30 && waiting.holder.heldFor >= 0);
  await held.release();
  const lease = await next;
  await lease.release();
  const again = await holder.acquire('a');
  await assert.rejects(client.acquire('a', { wait: 300 }), fails('DLOCK_TIMED_OUT'));
  await again.release();
  const lost = await client.acquire(Uint8Array.of(0xff), { shared: true });
  await lose(client, lost);
  const leadership = await new Election(client, 'e').campaign();
  await leadership.resign();
  await eventually(() => kinds(events).filter((kind) => kind === 'released').length === 2);
  const later = events.slice(1).filter(({ kind }) => kind !== 'waiting');
  const order = ['acquired', 'released', 'timedOut', 'acquired', 'lost', 'acquired', 'elected', 'deposed', 'released'];
  assert.deepEqual(kinds(later), order);
  const [acquired, released, timedOut, reader, loss] = later;
  assert.deepEqual([acquired.fence, acquired.way, released.fence], [lease.fence, 'grant', lease.fence]);
  assert.ok(Math.abs(acquired.at - Date.now()) < LONG && acquired.waited >= 30 && released.held > 0);
  assert.deepEqual([timedOut.place, timedOut.fence, timedOut.holder], [1, null, null]);
  assert.ok(timedOut.waited >= 300 && /"a" not acquired within/.test(timedOut.text));
  assert.deepEqual([reader.name, reader.lock, reader.way], [Uint8Array.of(0xff), 'reader', 'request']);
  assert.equal(loss.reason, 'broken');
  await lost.release().catch(() => {});
});

test('a deadlock is told to the client that gives up', async (t) => {
  // Each acquireAll has the lock before the one that it waits for, and the program closes the ring.
  const members = 4;
  const sides = [told(t), told(t)];
  const both = () => [...sides[0].events, ...sides[1].events].filter(({ kind }) => kind === 'deadlock');
  let failed = [];
  for (let round = 0; failed.length === 0 && round < 10; round++) { // the one that gives up is a random one
    const last = `r${round}-${members}`;
    const inner = 'echo in; read line; exec "$DLOCK_BIN" run "$1" -- true';
    const program = spawn(process.env.DLOCK_BIN, ['run', last, '--', 'sh', '-c', inner, 'sh', `r${round}-0`], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, DLOCK_URL: server.url },
    });
    const closed = once(program, 'close');
    await once(program.stdout, 'data');
    const waits = [];
    for (let i = members - 1; i >= 0; i--) {
      const names = [`r${round}-${i}`, `r${round}-${i + 1}`];
      waits.push(sides[i % 2].client.acquireAll(names).then((lease) => lease.release()).catch((error) => error));
      await eventually(async () => (await sides[0].client.inspectLock(names[1])).waiters.length === 1);
    }
    program.stdin.end('go\n');
    failed = (await Promise.all(waits)).filter(Boolean);
    const [status] = await closed;
    assert.equal(status, failed.length ? 0 : 75); // one is enough
  }
  assert.deepEqual(failed.map(({ code }) => code), ['DLOCK_DEADLOCK']);
  assert.match(failed[0].message, /is held by .*, which waits for/);
  await eventually(() => both().length === 1);
  const [{ name, lock, waited, fence, text }] = both();
  assert.match(name, /^r\d-\d$/);
  assert.deepEqual([lock, fence], ['mutex', null]);
  assert.ok(waited > 0 && /: deadlock$/.test(text));
  const deadlocks = sides.map(({ client }) => client.stats().deadlocks);
  assert.deepEqual(deadlocks.sort(), [0, 1]);
});

test('several clients have their statistics in one text', async (t) => {
  const [orders, mail] = [another(t), another(t)];
  const lease = await orders.acquire('x');
  const text = prometheusText({ orders, 'ma"il': mail });
  assert.match(text, /^dlock_client_leases_held\{client="orders",group=""\} 1$/m);
  assert.match(text, /^dlock_client_leases_held\{client="ma\\"il",group=""\} 0$/m);
  assert.equal(text.match(/^# TYPE dlock_client_leases_held /gm).length, 1);
  assert.throws(() => prometheusText({ '': orders }), fails('DLOCK_USAGE'));
  assert.throws(() => prometheusText({ orders: 1 }), TypeError);
  await lease.release();
});

test('events end with their client, and come before its end', async (t) => {
  const { client, events } = told(t);
  for (let i = 0; i < 5; i++) await (await client.acquire('a')).release();
  await client.close();
  assert.equal(events.length, 10);
  assert.throws(() => new Client(server.url, { onEvent: 1 }), TypeError);
});

/** Runs a program; its status, and what it said. */
async function program(code) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LONG,
    env: { ...process.env, DLOCK_URL: server.url },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
  const [status] = await once(child, 'close');
  return { status, output };
}

test('a handler of events may throw and use its client, and keeps no process alive', async () => {
  const { status, output } = await program(`
    import { Client } from 'dlock';
    process.on('uncaughtException', (error) => console.log(error.message));
    let done;
    const other = new Promise((resolve) => (done = resolve));
    const client = new Client(undefined, {
      onEvent: ({ kind, name }) => {
        if (kind === 'acquired' && name === 'a') client.acquire('b').then(done);
        if (name === 'a') throw new Error(kind);
      },
    });
    await client.acquire('a');
    const alive = setTimeout(() => {}, ${LONG});
    await other;
    clearTimeout(alive); // and nothing else keeps it
  `);
  assert.equal(status, 0, output);
  assert.match(output, /^acquired$/m);
  const uncaught = await program(`
    import { Client } from 'dlock';
    const client = new Client(undefined, { onEvent: () => { throw new Error('of a handler'); } });
    await client.acquire('c');
    setTimeout(() => {}, ${LONG});
  `);
  assert.equal(uncaught.status, 1);
  assert.match(uncaught.output, /Error: of a handler/);
});

test('a wait that ran out knows its place, and asks who holds the lock', async (t) => {
  const client = another(t);
  const holder = another(t, { label: 'nightly' });
  const ahead = another(t);
  const lease = await holder.acquire('a');
  const first = ahead.acquire('a');
  await eventually(async () => (await holder.inspectLock('a')).waiters.length === 1);
  const commands = () => client.stats().commands;
  const error = await client.acquire('a', { wait: 300 }).catch((failed) => failed);
  assert.ok(error instanceof TimedOutError && fails('DLOCK_TIMED_OUT')(error));
  assert.deepEqual([error.name, error.place], ['TimedOutError', 2]);
  assert.match(error.message, /number 2 in its queue/);
  const before = commands();
  assert.match(await error.describe(), /number 2 in its queue.*; mutex "a": node \(pid \d+ on .*\) "nightly" holds since .*1 waiting$/);
  const info = await error.inspect();
  assert.deepEqual([info.holder.pid, info.holder.label, info.waiters.length], [process.pid, 'nightly', 1]);
  assert.equal(commands(), before); // its commands go over a connection of their own

  const tried = await client.acquire('a', { wait: 0, signal: new AbortController().signal }).catch((failed) => failed);
  assert.equal(tried.place, 0);
  assert.match(await tried.describe(), /nightly/);
  const several = await client.acquireAll(['c', 'a', 'b'], { wait: 300 }).catch((failed) => failed);
  assert.ok(several.place >= 2); // the wait before may still be in the queue
  assert.match(several.message, /all 3 locks within 300 ms: it waited for "a", number \d in its queue$/);
  assert.equal((await several.inspect()).name, 'a');
  assert.match(await several.describe(), /; mutex "a": node .* "nightly" holds since/);
  const all = await client.acquireAll(['b', 'a'], { wait: 0 }).catch((failed) => failed);
  assert.deepEqual([all.place, all.message], [0, 'not all 2 locks are free']);
  assert.equal((await all.inspect()).name, 'a'); // the first that is held
  assert.match(await all.describe(), /^not all 2 locks are free; mutex "a": .* "nightly" holds since/);
  const candidate = await new Election(client, 'a').campaign('', { wait: 300 }).catch((failed) => failed);
  assert.ok(candidate.place >= 2);
  assert.equal((await candidate.inspect()).holder.label, 'nightly');
  const byHand = new TimedOutError('by hand');
  assert.equal(await byHand.describe(), 'by hand');
  await assert.rejects(byHand.inspect(), fails('DLOCK_USAGE'));
  await client.close();
  assert.equal(await error.describe(), error.message);
  await assert.rejects(error.inspect(), fails('DLOCK_CANCELLED'));
  await lease.release();
  await (await first).release();
});

test('an upgrade that ran out of time knows the readers that are left', async (t) => {
  const client = another(t);
  const holder = another(t, { label: 'nightly' });
  const reader = await holder.acquire('rw', { shared: true });
  const lease = await client.acquire('rw', { upgradeable: true });
  const error = await lease.upgrade({ wait: 300 }).catch((failed) => failed);
  assert.deepEqual([error.name, error.place], ['TimedOutError', 1]);
  assert.match(error.message, /could not upgrade the lock "rw" within 300 ms/);
  assert.match(await error.describe(), /"nightly" holds as reader since/);
  assert.equal((await error.inspect()).holders.length, 2);
  const second = await client.acquire('rw', { upgradeable: true, wait: 300 }).catch((failed) => failed);
  assert.match(await second.describe(), /"rw" within 300 ms.*; shared mutex "rw": /);
  assert.equal(await lease.tryUpgrade(), false);
  await reader.release();
  await lease.release();
});
