// Runtimes that end, and what nobody can reach any more: the Node.js package against the server of
// $DLOCK_URL. Run by package_test.py, with --expose-gc.
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { copyFile, cp, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { after, beforeEach, test } from 'node:test';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { runInThisContext } from 'node:vm';
import { Worker } from 'node:worker_threads';

import { Client, DlockError, acquire, tryAcquire } from 'dlock';

const LONG = 30_000; // for anything that should come soon
const TTL = 600_000; // for what must not have to run out
const run = promisify(execFile);
const redis = async (...command) =>
  (await run('redis-cli', ['-u', process.env.DLOCK_URL, ...command])).stdout.trim();
beforeEach(() => redis('FLUSHALL'));
const client = new Client();
after(() => client.close());

async function eventually(condition) {
  for (const end = Date.now() + LONG; Date.now() < end; await sleep(10)) {
    if (await condition()) return;
  }
  assert.fail(`it did not come to that: ${condition}`);
}

const waiters = async (name) => Number(await redis('ZCARD', `dlock1:qw:{${name}}`));
const fails = (code) => (error) => error instanceof DlockError && error.code === code;
const isFree = async (name) => (await acquire(name, { wait: LONG })).release();

const PROLOGUE = `
  const { parentPort } = require('node:worker_threads');
  const { setTimeout: sleep } = require('node:timers/promises');
  const holdsFor = { ttl: ${TTL} };
  (async () => {
    const { Client, acquire, tryAcquire } = await import('dlock');
`;

/** A worker that runs `code` and says when it is so far. Its standard error is not ours. */
async function started(code) {
  const worker = new Worker(`${PROLOGUE}${code}})()`, { eval: true, stderr: true });
  worker.on('error', (error) => assert.equal(error.message, 'wrong'));
  worker.gone = new Promise((resolve) => worker.once('exit', resolve));
  await Promise.race([new Promise((resolve) => worker.once('message', resolve)), worker.gone]);
  return worker;
}

const HOLDS = "await acquire('a', holdsFor); parentPort.postMessage(1);";
const ENDS = {
  'terminated while it holds': `${HOLDS} await sleep(1e8);`,
  'terminated in a loop': `${HOLDS} for (;;);`,
  'terminated while it blocks': `${HOLDS} Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`,
  'exited': `${HOLDS} process.exit(1);`,
  'ended by an error': `${HOLDS} throw new Error('wrong');`,
  'come to its end': HOLDS,
  'terminated with waits': `
    acquire('b'); acquire('b', { wait: 1e7 }); ${HOLDS} await sleep(1e8);`,
  'terminated with calls of all kinds': `
    const { Barrier, ConditionVariable, Election, Latch } = await import('dlock');
    const other = new Client();
    const lease = await other.acquire('c', holdsFor);
    new ConditionVariable(other, 'c').wait(lease);
    new Latch(other, 'l', 1).wait();
    new Barrier(other, 'g', 2).wait();
    new Election(other, 'e').observe().next();
    new Election(other, 'd').campaign('us');
    other.acquireAll(['x', 'd']);
    ${HOLDS} await sleep(1e8);`,
  'terminated with a client that closes': `
    const other = new Client();
    await other.acquire('a', holdsFor);
    other.close();
    parentPort.postMessage(1);`,
};
for (const [how, code] of Object.entries(ENDS)) {
  test(`a worker that was ${how} holds nothing and waits for nothing`, async () => {
    const held = await acquire('b');
    const worker = await started(code);
    if (how.endsWith('waits')) await eventually(async () => (await waiters('b')) === 1);
    const waiting = isFree('a');
    if (how.startsWith('terminated')) await worker.terminate();
    await worker.gone;
    await waiting;
    await eventually(async () => (await waiters('b')) === 0);
    held.ensureHeld();
    await held.release();
  });
}

test('workers are terminated at any moment, and nothing is left of them', async () => {
  const held = await acquire('b');
  const code = `
    const client = new Client();
    parentPort.postMessage(1);
    for (let i = 0; ; i++) {
      const end = new AbortController();
      client.acquire('b', { signal: end.signal }).catch(() => {});
      client.acquire('a', holdsFor).then((lease) => i % 3 && lease.release()).catch(() => {});
      const other = new Client(undefined, { group: (name) => name, onEvent: ({ text }) => text });
      other.stats();
      const lease = await other.acquire('own' + Math.random(), holdsFor);
      if (i % 2) other.close();
      if (i % 3) lease.release();
      end.abort();
    }`;
  for (let i = 0; i < 8; i++) {
    const workers = await Promise.all(Array.from({ length: 3 }, () => started(code)));
    await sleep(Math.random() * 20); // at any moment
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  await isFree('a');
  held.ensureHeld();
  await held.release();
  const left = async () => (await redis('KEYS', '*')).split('\n').filter((key) => key !== 'dlock1:fence');
  await eventually(async () => (await left()).every((key) => key.startsWith('dlock1:client:')));
});

/** Runs a program; its status, and what it said. */
async function program(code, ...options) {
  const child = spawn(process.execPath, [...options, '--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LONG,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
  const [status] = await once(child, 'close');
  return { status, output };
}

test('what a worker held at its end is reported', async () => {
  const { status, output } = await program(`
    import { Worker } from 'node:worker_threads';
    import { Client } from 'dlock';
    const worker = new Worker(${JSON.stringify(`${PROLOGUE}${HOLDS.replace("'a'", "'a\\\\n'")} await sleep(1e8);})()`)}, {
      eval: true,
      execArgv: [],
    });
    worker.once('message', () => worker.terminate());
    worker.once('exit', async () => (await new Client().acquire('a\\n')).release());
  `);
  assert.equal(status, 0, output);
  assert.match(output, /^dlock: the lock "a\\n" \(fence \d+\) is given back/m);
});

test('a process that exits while it waits and holds ends at once', async () => {
  const held = await acquire('b');
  for (const end of ['process.exit(3)', "throw new Error('3'), 3", 'process.reallyExit(3)']) {
    const { status, output } = await program(`
      import { acquire } from 'dlock';
      acquire('b');
      const lease = await acquire('a', { ttl: 1000 });
      ${end};
    `);
    assert.ok(status === 3 || status === 1, output);
  }
  await held.release();
});

// Whoever calls this knows no lease.
async function forgotten(name, listen = () => {}, ttl = TTL) {
  return listen(await acquire(name, { ttl }));
}

async function collected() {
  await turn();
  globalThis.gc();
}

test('a lease that is garbage is reported and given back', async () => {
  const warnings = [];
  const warned = (warning) => warnings.push(warning);
  process.on('warning', warned);
  await forgotten('a\x1b\n');
  await forgotten('b', (lease) => void lease.lost);
  // Its listener is told: it is not the lease's signal that it has.
  const ends = await forgotten('c', (lease) => AbortSignal.any([lease.lost, new AbortController().signal]));
  await eventually(async () => {
    await collected();
    return warnings.length === 3;
  });
  await Promise.all(['a\x1b\n', 'b', 'c'].map(isFree));
  process.off('warning', warned);
  assert.deepEqual(warnings.map(({ name, code }) => [name, code]), Array(3).fill(['DlockWarning', 'DLOCK_GARBAGE']));
  assert.match(warnings.map(({ message }) => message).join(), /"a\\u001b\\u000a"/);
  assert.equal(ends.reason.code, 'DLOCK_LOST');
});

test('a lease lives as long as somebody has its signal or listens to it', async () => {
  const told = [];
  const names = ['listened', 'property', 'signal', 'clientless'];
  await forgotten('listened', (lease) => lease.lost.addEventListener('abort', () => told.push(1)), 600);
  await forgotten('property', (lease) => void (lease.lost.onabort = () => told.push(2)), 600);
  const signal = await forgotten('signal', (lease) => lease.lost, 600);
  const lease = await new Client().acquire('clientless', { ttl: 600 });
  let isCollected = false; // as they would be
  process.on('warning', ({ code }) => (isCollected ||= code === 'DLOCK_GARBAGE'));
  await forgotten('dropped');
  await eventually(async () => {
    await collected();
    return isCollected;
  });
  for (const name of names) assert.equal(await tryAcquire(name), null, name);
  lease.ensureHeld();
  await redis('DEL', ...names);
  await eventually(() => signal.aborted && lease.lost.aborted && told.length === 2);
});

test('a client that is garbage is freed, but not while it waits', async () => {
  const held = await acquire('a');
  const { status, output } = await program(`
    import { execFileSync } from 'node:child_process';
    import { setTimeout as sleep } from 'node:timers/promises';
    import { Client } from 'dlock';
    const connections = () =>
      String(execFileSync('redis-cli', ['-u', process.env.DLOCK_URL, 'CLIENT', 'LIST'])).split('\\n')
        .filter((line) => line.includes('resp=3')).length;
    const before = connections();
    const waiting = (async () => new Client().acquire('a', { wait: 100 }))().catch((error) => error.code);
    const use = async (name) => (await new Client().acquire(name)).release();
    await Promise.all(Array.from({ length: 10 }, (_, i) => use(String(i))));
    if (connections() < before + 11) throw new Error('they are not used');
    do {
      await sleep(10);
      gc();
    } while (connections() > before);
    console.log(await waiting);
  `, '--expose-gc');
  assert.deepEqual([status, output], [0, 'DLOCK_TIMED_OUT\n']);
  await held.release();
});

/** The package once more, as a test runner has it after a module reset: to be forgotten. */
function newInstance() {
  const modules = new Map();
  const outside = createRequire(new URL('node_modules/dlock/', import.meta.url));
  const load = (path) => {
    if (!path.startsWith('./') || path.endsWith('.json')) return outside(path);
    if (modules.has(path)) return modules.get(path).exports;
    const module = { exports: {} };
    modules.set(path, module);
    const code = readFileSync(outside.resolve(path), 'utf8');
    runInThisContext(`((require, module) => {${code}\n})`)(load, module);
    return module.exports;
  };
  return load('./index.js');
}

test('copies of the package work beside each other', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'dlock-test-'));
  t.after(() => rm(home, { recursive: true }));
  const here = fileURLToPath(new URL('node_modules', import.meta.url));
  await cp(join(here, 'dlock'), join(home, 'node_modules/dlock'), { recursive: true });
  await symlink(join(here, 'koffi'), join(home, 'node_modules/koffi'));
  await copyFile(process.env.DLOCK_LIBRARY, join(home, 'libdlock.so.1'));
  const library = process.env.DLOCK_LIBRARY;
  process.env.DLOCK_LIBRARY = join(home, 'libdlock.so.1');
  const copy = await import(join(home, 'node_modules/dlock/index.js'));
  process.env.DLOCK_LIBRARY = library;
  const again = newInstance();
  const lease = await acquire('a');
  const next = [copy, again].map((dlock) => dlock.withLock('a', { wait: LONG }, async () => 1));
  for (const dlock of [copy, again]) assert.equal(await dlock.tryAcquire('a'), null);
  await lease.release();
  assert.deepEqual(await Promise.all(next), [1, 1]);
});

test('a module reset leaves nothing behind', async () => {
  const descriptors = async () => (await readdir('/proc/self/fd')).length;
  const warnings = [];
  const warned = (warning) => warnings.push(warning.code);
  process.on('warning', warned);
  const before = await descriptors();
  for (let i = 0; i < 5; i++) {
    await (async () => {
      const dlock = newInstance();
      await dlock.acquire(`forgotten ${i}`, { ttl: TTL });
      assert.ok((await dlock.acquire('a')).held);
      await dlock.tryAcquire('a');
    })();
    await eventually(async () => {
      await collected();
      return warnings.length === 2 * (i + 1); // and 'a' is free
    });
  }
  await eventually(async () => {
    await collected();
    return (await descriptors()) <= before;
  });
  process.off('warning', warned);
});

test('a lease and a client are not cloned to another thread', async () => {
  const lease = await acquire('a');
  for (const each of [lease, client]) {
    assert.throws(() => structuredClone(each), /belongs to its thread.*could not be cloned/);
  }
  await lease.release();
});

test('the longest times are for ever, and what may not be for ever is refused', async () => {
  for (const long of [Infinity, Number.MAX_VALUE, 1e300, Number.MAX_SAFE_INTEGER, 2 ** 53, 2 ** 63]) {
    const lease = await acquire('a', { wait: long, maxHold: long });
    const waiting = acquire('a', { wait: long });
    await eventually(async () => (await waiters('a')) + 1);
    await lease.release();
    await (await waiting).release();
    for (const name of ['ttl', 'replicationTimeout']) {
      await (await acquire('a', { [name]: long })).release();
    }
    for (const name of ['connectTimeout', 'requestTimeout']) {
      await new Client(undefined, { [name]: long }).close();
    }
    assert.throws(() => new Client(undefined, { safetyMargin: long }), RangeError);
  }
  for (const wrong of [-1, -Infinity, Number.NaN, '1', 1n, null]) {
    await assert.rejects(acquire('a', { wait: wrong }), RangeError);
    await assert.rejects(acquire('a', { maxHold: wrong }), RangeError);
  }
});

test('a signal may end a wait at any moment', async () => {
  for (let i = 0; i < 100; i++) {
    const end = new AbortController();
    const held = i % 2 ? await acquire('a') : null;
    const waiting = acquire('a', { signal: end.signal }).then((lease) => lease.release(), (error) => error.name);
    for (let turns = i % 7; turns > 0; turns--) await turn();
    const released = held?.release();
    end.abort();
    assert.ok([undefined, 'AbortError'].includes(await waiting));
    await released;
  }
  const held = await acquire('a');
  await assert.rejects(acquire('a', { signal: AbortSignal.timeout(20) }), { name: 'TimeoutError' });
  await held.release();
  await isFree('a');
});

test('a client is closed with waits and leases, and twice', async () => {
  const other = new Client();
  const held = await acquire('a');
  const lease = await other.acquire('b');
  const waits = Array.from({ length: 5 }, () => assert.rejects(other.acquire('a'), fails('DLOCK_CANCELLED')));
  await eventually(async () => (await waiters('a')) === 1);
  await Promise.all([other.close(), other.close(), ...waits]);
  await other.close();
  lease.ensureHeld();
  await assert.rejects(other.acquire('c'), fails('DLOCK_CANCELLED'));
  await Promise.all([held.release(), lease.release()]);
  await isFree('a');
});

test('a listener of a loss may release, acquire and throw', async () => {
  const { status, output } = await program(`
    import { acquire } from 'dlock';
    process.on('uncaughtException', (error) => console.log(error.message));
    const lease = await acquire('a', { ttl: 300, renew: false });
    const next = await new Promise((resolve) => {
      lease.lost.addEventListener('abort', () => {
        lease.release().catch(() => {});
        resolve(acquire('a'));
        throw new Error('of a listener');
      });
      setTimeout(() => {}, ${LONG}); // a held lease keeps no process
    });
    await next.release();
    process.exit();
  `);
  assert.deepEqual([status, output], [0, 'of a listener\n']);
});

test('a loss is told in no other call of the program', async () => {
  const { status, output } = await program(`
    import { AsyncLocalStorage } from 'node:async_hooks';
    import { acquire } from 'dlock';
    const request = new AsyncLocalStorage();
    await request.run('first', async () => (await acquire('b')).release());
    const lease = await acquire('a', { ttl: 200, renew: false });
    setTimeout(() => {}, ${LONG});
    lease.lost.addEventListener('abort', () => {
      console.log(request.getStore());
      process.exit();
    });
  `);
  assert.deepEqual([status, output], [0, 'undefined\n']);
});

test('a blocked event loop keeps its leases, also one that it does not know yet', async () => {
  const ttl = 500;
  const known = await acquire('a', { ttl });
  const unknown = acquire('b', { ttl });
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * ttl);
  const keys = execFileSync('redis-cli', ['-u', process.env.DLOCK_URL, 'EXISTS', 'a', 'b']);
  assert.equal(String(keys).trim(), '2');
  known.ensureHeld();
  const lease = await unknown;
  lease.ensureHeld();
  await Promise.all([known.release(), lease.release()]);
});

test('a blocked event loop keeps nobody else waiting', async () => {
  const flags = new Int32Array(new SharedArrayBuffer(4));
  const worker = await started(`
    const flags = await new Promise((resolve) => {
      parentPort.once('message', resolve);
      parentPort.postMessage(1);
    });
    for (let i = 0; i < 20; i++) await (await acquire('b')).release();
    Atomics.store(flags, 0, 1);
    Atomics.notify(flags, 0);
  `);
  worker.postMessage(flags);
  const ours = Array.from({ length: 20 }, () => acquire('a').then((lease) => lease.release()));
  assert.notEqual(Atomics.wait(flags, 0, 0, LONG), 'timed-out');
  await Promise.all(ours);
  await worker.gone;
});
