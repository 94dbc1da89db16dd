// The Node.js package against the server of $DLOCK_URL. Run by package_test.py.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { after, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { Client, DlockError, acquire, tryAcquire, version, withLock } from 'dlock';

const DLOCK = process.env.DLOCK_BIN;
const LONG = 30_000; // for anything that should come soon
const client = new Client();
after(() => client.close());

const run = promisify(execFile);
const redis = async (...command) =>
  (await run('redis-cli', ['-u', process.env.DLOCK_URL, ...command])).stdout.trim();
beforeEach(() => redis('FLUSHALL'));

async function eventually(condition) {
  for (const end = Date.now() + LONG; Date.now() < end; await sleep(10)) {
    if (await condition()) return;
  }
  assert.fail(`it did not come to that: ${condition}`);
}

/** A program that says a word when it is so far. */
async function started(t, command, ...given) {
  const program = spawn(command, given, { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => program.kill('SIGKILL'));
  await once(program.stdout, 'data');
  return program;
}

const holding = (t, name, ...options) =>
  started(t, DLOCK, 'run', ...options, name, '--', 'sh', '-c', 'echo held; cat');

async function ended(program) {
  program.stdin.end();
  if (program.exitCode === null) await once(program, 'exit');
  assert.equal(program.exitCode, 0);
}

const waiters = async (name) => Number(await redis('ZCARD', `dlock1:qw:{${name}}`));
const fails = (code) => (error) => error instanceof DlockError && error.code === code;

test('a lease has a name, a token, a fence and an end', async () => {
  const first = await acquire('a');
  assert.equal(first.name, 'a');
  assert.match(first.token, /^dlock1:/);
  assert.equal(typeof first.fence, 'bigint');
  assert.ok(first.held && first.validFor > 20_000 && first.validFor <= 30_000);
  first.ensureHeld();
  assert.equal(await tryAcquire('a'), null);
  const info = JSON.parse((await run(DLOCK, ['info', '--json', 'a'])).stdout.replace(/("fence": *)(\d+)/g, '$1"$2"'));
  assert.equal(JSON.stringify(info).includes(`"${first.fence}"`), true);
  await first.release();
  await first.release();
  assert.equal(first.validFor, 0);
  assert.ok(!first.lost.aborted);
  assert.throws(() => first.ensureHeld(), fails('DLOCK_USAGE'));
  const second = await tryAcquire('a');
  assert.ok(second.fence > first.fence);
  await second.release();
});

test('names have any characters and bytes', async () => {
  const prefixed = new Client(undefined, { prefix: 'p:' });
  const lease = await prefixed.acquire('gr\u00fc\u00dfe {a}\n');
  assert.equal(await redis('EXISTS', 'p:gr\u00fc\u00dfe {a}\n'), '1');
  await lease.release();
  const bytes = await prefixed.acquire(Uint8Array.of(0x62, 0, 0xff));
  assert.equal(await redis('STRLEN', 'p:b'), '0');
  assert.equal((await redis('--raw', 'KEYS', 'p:b*')).length > 2, true);
  await bytes.release();
  await prefixed.close();
});

test('work under a lock gives its result, and its error before all others', async () => {
  const result = await withLock('a', { ttl: 5_000 }, async (lease) => {
    assert.equal(await tryAcquire('a'), null);
    return lease.fence;
  });
  assert.equal(typeof result, 'bigint');
  assert.equal(await withLock('a', () => 4711), 4711);
  const wrong = new Error('wrong');
  await assert.rejects(
    withLock('a', async () => {
      await redis('DEL', 'a');
      throw wrong;
    }),
    (error) => error === wrong,
  );
  await assert.rejects(withLock('a', () => redis('DEL', 'a')), fails('DLOCK_LOST'));
  await (await tryAcquire('a')).release();
});

test('generators, whose bodies would run without the lock, are refused', async () => {
  const sync = function* () {
    assert.fail('it ran');
  };
  const later = async function* () {
    assert.fail('it ran');
  };
  // As compilers make them.
  const old = () => ({ next: assert.fail, throw: assert.fail, return: () => ({ done: true }) });
  const methods = { *sync() {}, async *later() {} };
  for (const work of [sync, later, old, () => sync(), async () => later(), methods.sync, methods.later]) {
    await assert.rejects(withLock('a', work), (error) => fails('DLOCK_USAGE')(error) && /async function/.test(error.message));
    await (await tryAcquire('a')).release();
  }
  await assert.rejects(withLock('a', {}), TypeError);
  for (const result of [[1].values(), { next: 1 }, null, 'text']) {
    assert.equal(await withLock('a', () => result), result);
  }
});

test('a release that fails after the work is told beside its error', async () => {
  const warnings = [];
  const warned = ({ code }) => warnings.push(code);
  process.on('warning', warned);
  const lose = async (error) => {
    await redis('DEL', 'a');
    throw error;
  };
  for (const error of [new Error('wrong'), Object.freeze(new Error('frozen')), 'text', undefined, null]) {
    const caught = await withLock('a', () => lose(error)).catch((each) => each);
    assert.equal(caught, error);
    if (Object.isExtensible(error)) assert.ok(fails('DLOCK_LOST')(error.suppressed));
  }
  await assert.rejects(
    withLock('a', async (lease) => {
      await redis('DEL', 'a');
      await lease.release();
    }),
    (error) => fails('DLOCK_LOST')(error) && !error.suppressed,
  );
  await eventually(() => warnings.length === 5);
  process.off('warning', warned);
  assert.deepEqual(new Set(warnings), new Set(['DLOCK_RELEASE']));
});

test('a lease is disposed of by its scope', { skip: !Symbol.asyncDispose }, async () => {
  const lease = await acquire('a');
  await lease[Symbol.asyncDispose](); // what `await using` calls
  assert.equal(lease.held, false);
  await (await tryAcquire('a')).release();
});

test('a wait is limited, and does not block the event loop', async (t) => {
  const holder = await holding(t, 'a');
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await assert.rejects(acquire('a', { wait: 100 }), fails('DLOCK_TIMED_OUT'));
  clearInterval(timer);
  assert.ok(turns > 5, `${turns} turns`);
  assert.equal(await tryAcquire('a', { wait: 10 }), null);
  await ended(holder);
});

test('more waits than there are threads', async (t) => {
  const holder = await holding(t, 'a');
  const all = Array.from({ length: 100 }, () => withLock('a', () => 1));
  await eventually(async () => (await waiters('a')) === 1);
  await withLock('b', () => {});
  await ended(holder);
  assert.equal((await Promise.all(all)).length, 100);
});

test('each call wakes one thread', async () => {
  const use = async (pairs) => {
    for (let pair = 0; pair < pairs; pair++) await (await client.acquire('a')).release();
  };
  await use(20);
  const switches = () => process.resourceUsage().voluntaryContextSwitches;
  let each = Infinity; // at best: the machine may be busy
  for (let round = 0; round < 5; round++) {
    const before = switches();
    await use(100);
    each = Math.min(each, (switches() - before) / 200);
  }
  assert.ok(each < 1.5, `${each} switches of threads`); // the event loop reads from the server itself
});

test('each acquisition has its own name and options', async () => {
  const used = new Client();
  const orders = [['a', 9_000], ['a', 900], ['b', 900], ['a', 9_000], ['a', 9_000]];
  for (const [name, ttl] of orders) {
    const lease = await used.acquire(name, { ttl });
    assert.equal(lease.name, name);
    const left = Number(await redis('PTTL', name));
    assert.ok(left > 0 && left <= ttl + 1 && (ttl < 1_000 || left > 1_000), `${left} of ${ttl}`);
    await lease.release();
  }
  const [one, other] = await Promise.all([1, 2].map(() => used.acquire('a', { shared: true })));
  await Promise.all([one.release(), other.release()]);
  await assert.rejects(used.acquire('a', { ttl: 9_000, replicationTimeout: 0 }), RangeError);
  await used.close();
  await assert.rejects(used.acquire('a', { ttl: 9_000 }), fails('DLOCK_CANCELLED'));
});

test('a signal ends a wait, which leaves nothing behind', async (t) => {
  const holder = await holding(t, 'a');
  const controller = new AbortController();
  const waiting = assert.rejects(acquire('a', { signal: controller.signal }), { name: 'AbortError' });
  await eventually(async () => (await waiters('a')) === 1);
  controller.abort();
  await waiting;
  await eventually(async () => (await waiters('a')) === 0);
  await ended(holder);
  const why = new Error('why');
  await assert.rejects(acquire('a', { signal: AbortSignal.abort(why) }), (error) => error === why);
  await (await tryAcquire('a')).release();
});

test('a loss is told', async () => {
  const lease = await acquire('a', { ttl: 600 });
  await redis('DEL', 'a');
  await eventually(() => lease.lost.aborted);
  assert.equal(lease.lost.reason.code, 'DLOCK_LOST');
  assert.throws(() => lease.ensureHeld(), fails('DLOCK_LOST'));
  await assert.rejects(lease.release(), fails('DLOCK_LOST'));
  const short = await acquire('a', { ttl: 200, renew: false });
  let told = 0;
  short.lost.addEventListener('abort', () => told++);
  await eventually(() => told === 1);
  await short.release().catch(() => {}); // it may be just in time
});

test('readers, writers and permits', async () => {
  const readers = [await acquire('rw', { shared: true }), await acquire('rw', { shared: true })];
  assert.equal(await tryAcquire('rw', { exclusive: true }), null);
  await Promise.all(readers.map((lease) => lease.release()));
  const two = await acquire('gpu', { permits: 3, weight: 2 });
  assert.equal(await tryAcquire('gpu', { permits: 3, weight: 2 }), null);
  await (await tryAcquire('gpu', { permits: 3 })).release();
  await assert.rejects(acquire('gpu', { permits: 4 }), fails('DLOCK_USAGE'));
  await two.release();
});

test('what too few replicas have is not acquired', async () => {
  const options = { minReplicas: 1, replicationTimeout: 20 };
  await assert.rejects(acquire('a', options), fails('DLOCK_NOT_REPLICATED'));
  await (await tryAcquire('a')).release();
});

test('errors have codes, and say what to do', async () => {
  assert.match(version, /^\d+\.\d+\.\d+$/);
  assert.throws(() => new Client('nonsense://'), fails('DLOCK_USAGE'));
  const { port } = new URL(process.env.DLOCK_URL);
  const twice = new Client(`redis+quorum://127.0.0.1:${port},localhost:${port},127.0.0.1:1`);
  await assert.rejects(twice.acquire('a'), (error) => fails('DLOCK_USAGE')(error) && /same server/.test(error.message));
  await twice.close();
  await assert.rejects(acquire('dlock1:a'), fails('DLOCK_USAGE'));
  await assert.rejects(acquire('a', { ttl: 0 }), RangeError);
  await assert.rejects(acquire('a', { ttl: '30s' }), RangeError);
  await assert.rejects(acquire('a', { wait: Number.NaN }), RangeError);
  await assert.rejects(acquire('a', { permits: 0 }), RangeError);
  const nobody = new Client('redis+unix:///nonexistent/redis.sock', { requestTimeout: 200 });
  await assert.rejects(nobody.tryAcquire('a'), (error) => {
    assert.match(error.message, /\/nonexistent\/redis\.sock/);
    return fails('DLOCK_UNREACHABLE')(error);
  });
  await nobody.close();
  await assert.rejects(nobody.acquire('a'), fails('DLOCK_CANCELLED'));
});

test('a process waits for what it awaits, and no longer', async (t) => {
  const holder = await holding(t, 'a');
  const program = spawn(process.execPath, ['--input-type=module', '-e', `
    import { acquire } from 'dlock';
    const lease = await acquire('a');
    await lease.release();
    console.log('mine');
  `], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => program.kill('SIGKILL'));
  const over = Promise.all([once(program.stdout, 'data'), once(program, 'exit')]);
  await eventually(async () => (await waiters('a')) === 1);
  await ended(holder);
  const [[word], [status]] = await over;
  assert.deepEqual([String(word), status], ['mine\n', 0]);
});

test('nobody gets a private server by mistake', () => {
  assert.throws(() => new Client(''), fails('DLOCK_USAGE'));
  const { DLOCK_URL: url } = process.env;
  try {
    process.env.DLOCK_URL = '';
    assert.throws(() => new Client(), fails('DLOCK_USAGE'));
    delete process.env.DLOCK_URL;
    process.env.DLOCK_REQUIRE_URL = '1';
    assert.throws(() => new Client(), fails('DLOCK_USAGE'));
  } finally {
    process.env.DLOCK_URL = url;
    delete process.env.DLOCK_REQUIRE_URL;
  }
});
