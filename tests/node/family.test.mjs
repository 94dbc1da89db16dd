// The rest of the Node.js package, each test on a server of its own help for tests. Run by package_test.py.
import assert from 'node:assert/strict';
import process from 'node:process';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { Barrier, Client, ConditionVariable, DlockError, Election, Latch, acquireAll, runOnce } from 'dlock';
import { Server, lose } from 'dlock/testing';

const LONG = 30_000; // for anything that should come soon
const server = new Server();
process.env.DLOCK_URL = server.url;
const lines = [];
let client;
before(() => {
  client = new Client(server.url, { label: 'here', log: (level, text) => lines.push([level, text]) });
});
after(async () => {
  await client.close();
  server.close();
});

const fails = (code) => (error) => error instanceof DlockError && error.code === code;
const isBroken = fails('DLOCK_BROKEN');
async function eventually(condition) {
  for (const end = Date.now() + LONG; Date.now() < end; await sleep(10)) {
    if (await condition()) return;
  }
  assert.fail(`it did not come to that: ${condition}`);
}

test('several locks are one lease', async () => {
  const both = await acquireAll(['b', 'a', Uint8Array.of(0x63, 0)]);
  assert.equal(both.fences.length, 3);
  assert.ok(both.fences.every((fence) => fence > 0n));
  assert.deepEqual(both.names.slice(0, 2), ['b', 'a']);
  assert.equal(await client.tryAcquire('a'), null);
  assert.equal(await client.tryAcquireAll(['x', 'a']), null);
  await assert.rejects(client.acquireAll(['x', 'a'], { wait: 20 }), fails('DLOCK_TIMED_OUT'));
  const why = new Error('why');
  const controller = new AbortController();
  const waiting = client.acquireAll(['x', 'a'], { signal: controller.signal });
  controller.abort(why);
  await assert.rejects(waiting, (error) => error === why);
  await both.release();
  assert.equal(both.fences.length, 3);
  await (await client.acquireAll(['x', 'a'], { wait: LONG })).release();
  await assert.rejects(client.acquireAll(['a', 'a']), fails('DLOCK_USAGE'));
  await assert.rejects(client.acquireAll([]), TypeError);
});

test('a reader may become the writer, and a reader again', async () => {
  const lease = await client.acquire('rw', { upgradeable: true });
  const reader = await client.acquire('rw', { shared: true });
  const { fence } = lease;
  assert.equal(await lease.tryUpgrade(), false);
  await assert.rejects(lease.upgrade({ signal: AbortSignal.timeout(10) }), { name: 'TimeoutError' });
  assert.ok(lease.held && !lease.upgraded);
  const upgrading = lease.upgrade({ wait: LONG });
  await reader.release();
  await upgrading;
  assert.ok(lease.upgraded && lease.fence > fence);
  assert.equal(await client.tryAcquire('rw', { shared: true }), null);
  await lease.downgrade();
  assert.ok(!lease.upgraded);
  const plain = await lease.downgradeToReader();
  assert.ok(plain.held && !lease.held);
  await (await client.tryAcquire('rw', { shared: true })).release();
  await plain.release();
  const writer = await client.acquire('rw', { exclusive: true });
  await (await writer.downgradeToReader()).release();
});

test('the number of permits may change', async () => {
  const one = await client.acquire('gpu', { permits: 1 });
  await client.resize('gpu', 2);
  await (await client.tryAcquire('gpu', { permits: 2 })).release();
  await one.release();
  await assert.rejects(client.resize('gpu', 0), RangeError);
});

test('work is done once in a period', async () => {
  let done = 0;
  assert.equal(await runOnce('nightly', { atLeast: 60_000 }, () => done++), true);
  assert.equal(await client.runOnce('nightly', () => done++), false);
  assert.equal(await client.beginOnce('nightly'), null);
  assert.equal(done, 1);
  const wrong = new Error('wrong');
  await assert.rejects(client.runOnce('failed', () => { throw wrong; }), (error) => error === wrong);
  await assert.rejects(client.runOnce('gen', function* () {}), fails('DLOCK_USAGE'));
});

test('holders of a lock wait for each other at a condition', async () => {
  const filled = new ConditionVariable(client, 'jobs');
  const jobs = [];
  const worker = client.withLock('jobs', async (lease) => {
    const { fence, lost } = lease;
    while (jobs.length === 0) await filled.wait(lease);
    assert.ok(lease.fence > fence && lease.held && lease.lost === lost && !lost.aborted);
    return jobs.pop();
  });
  await sleep(1);
  await client.withLock('jobs', () => jobs.push('job'));
  await filled.notifyOne();
  await filled.notifyAll();
  assert.equal(await worker, 'job');

  const lease = await client.acquire('jobs');
  assert.equal(await filled.wait(lease, { wait: 10 }), false);
  lease.ensureHeld();
  await assert.rejects(filled.wait(lease, { signal: AbortSignal.timeout(10) }), { name: 'TimeoutError' });
  lease.ensureHeld();
  await lose(client, lease);
  assert.ok(lease.lost.aborted);
  await assert.rejects(filled.wait(lease), fails('DLOCK_LOST'));
  await assert.rejects(lease.release(), fails('DLOCK_LOST'));
});

test('an election has a leader whom all can see', async () => {
  const election = new Election(client, 'scheduler', { ttl: 5_000 });
  assert.equal(await election.leader(), null);
  const changes = election.observe();
  const next = async () => (await changes.next()).value;
  assert.deepEqual(await next(), { kind: 'vacant', leader: null });
  const leadership = await election.campaign('h\u00f6st-7');
  assert.deepEqual(await next(), {
    kind: 'elected',
    leader: { value: 'h\u00f6st-7', term: leadership.term, revision: 1 },
  });
  assert.equal(await election.tryCampaign('other'), null);
  await leadership.proclaim('host-8');
  assert.equal((await election.leader()).value, 'host-8');
  const change = await next();
  assert.equal(change.kind, 'proclaimed');
  assert.deepEqual(change.leader, await election.leader());
  await leadership.resign();
  assert.equal((await next()).kind, 'vacant');
  await changes.return();
  assert.deepEqual(await changes.next(), { done: true, value: undefined });
  for await (const { kind } of election.observe()) {
    assert.equal(kind, 'vacant');
    break;
  }
  const controller = new AbortController();
  const watching = election.observe({ signal: controller.signal });
  await watching.next();
  const waiting = assert.rejects(watching.next(), { name: 'AbortError' });
  controller.abort();
  await waiting;
});

test('latches open or break', async () => {
  const latch = new Latch(client, 'ready', 3);
  assert.equal(await latch.wait({ wait: 0 }), false);
  const opened = latch.wait();
  await latch.countDown();
  await latch.countDown(await latch.join());
  const part = await latch.join();
  assert.ok(part.fence > 0n && part.held);
  await part.release(); // dead
  await assert.rejects(opened, isBroken);
  assert.equal((await client.inspectLatch('ready')).left, 1);
  assert.throws(() => new Latch(client, 'none', 0), RangeError);
  assert.throws(() => new Latch({}, 'none', 1), TypeError);
  const done = new Latch(client, 'done', 1);
  await done.countDown();
  assert.equal(await done.wait(), true);
});

test('barriers let through or break', async () => {
  const barrier = new Barrier(client, 'phase', 2);
  assert.deepEqual(await Promise.all([barrier.wait(), barrier.wait()]), [true, true]);
  const part = await barrier.join();
  await barrier.leave(part);
  assert.equal(await barrier.wait({ wait: 10 }), false);
  await assert.rejects(barrier.wait(), isBroken);
  await barrier.reset();
  const stopped = barrier.wait({ signal: AbortSignal.timeout(10) });
  await assert.rejects(stopped, { name: 'TimeoutError' });
  await barrier.reset();
});

test('locks are looked at and broken', async () => {
  const lease = await client.acquire('seen');
  const info = await client.inspectLock('seen');
  assert.equal(info.fence, lease.fence);
  assert.equal(info.holder.label, 'here');
  assert.equal(info.holder.pid, process.pid);
  assert.ok(info.ttlLeft > 0 && info.heldFor >= 0);
  assert.deepEqual((await client.listLocks('see*')).map(({ name }) => name), ['seen']);
  assert.equal(await client.inspectBarrier('none'), null);
  assert.deepEqual(await client.listDeadlocks(), []);
  assert.equal(await client.breakLock('seen', lease.fence - 1n), false);
  lease.ensureHeld();
  assert.equal(await client.breakLock('seen', lease.fence, { timeout: 5_000 }), true);
  await eventually(() => lease.lost.aborted);
  await assert.rejects(lease.release(), fails('DLOCK_LOST'));
  await assert.rejects(client.breakLock('seen', 1), TypeError);
  const bytes = await client.acquire(Uint8Array.of(0xff));
  assert.deepEqual((await client.listLocks()).map(({ name }) => name).filter((name) => typeof name !== 'string'), [Uint8Array.of(0xff)]);
  await bytes.release();
});

test('a client counts, and has a log', async () => {
  const other = new Client(server.url, { log: (level, text) => lines.push([level, text]) });
  const lease = await other.acquire('counted');
  await lease.release();
  const { acquired, released, commands } = other.stats();
  assert.deepEqual([acquired, released], [1, 1]);
  assert.ok(commands > 1);
  const gone = await other.acquire('logged');
  await lose(other, gone);
  await eventually(() => lines.some(([level, text]) => level === 'warning' && /logged/.test(text)));
  await gone.release().catch(() => {});
  await other.close();
  assert.throws(() => other.stats(), fails('DLOCK_CANCELLED'));
  assert.throws(() => new Client(server.url, { log: 'loud' }), TypeError);
});

test('a server for tests hangs, goes on, and ends', async () => {
  const mine = new Server();
  const user = new Client(mine.url, { requestTimeout: 100 });
  mine.pause();
  await assert.rejects(user.tryAcquire('a'), fails('DLOCK_UNREACHABLE'));
  mine.resume();
  await (await user.acquire('a', { wait: LONG })).release();
  mine.close();
  await assert.rejects(user.tryAcquire('a'), fails('DLOCK_UNREACHABLE'));
  await user.close();
  mine.close();
});
