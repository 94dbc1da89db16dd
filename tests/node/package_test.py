"""The Node.js package: laid out as npm does, its types checked by tsc, its tests run on a server."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["DLOCK_BUILD_DIR"])
DEPENDENCIES = SOURCE / ".deps/node/node_modules"
WORK = BUILD / "node"
sys.path.insert(0, str(SOURCE / "tests/support"))

from redis_server import RedisServer  # noqa: E402

# Code that a user may write, for tsc; a comment marks each line that must be an error.
USER = """
import { ROOT_CONTEXT } from '@opentelemetry/api';
import {
  acquire, acquireAll, Barrier, Client, ConditionVariable, DlockError, Election, Latch, prometheusText, runOnce,
  TimedOutError, tryAcquire, withLock, type Lease, type LockEvent, type LockInfo, type UpgradeableLease,
} from 'dlock';
import { spans } from 'dlock/opentelemetry';
import { lose, Server } from 'dlock/testing';

const client = new Client('redis://localhost', { prefix: 'p:' });
const fence: bigint = await client.withLock('a', { ttl: 5_000, wait: 100 }, async (l) => l.fence);
const text: string = await withLock('a', () => 'b');
const lease: Lease | null = await tryAcquire('a', { shared: true });
{
  await using held = await acquire('a', { signal: AbortSignal.timeout(100) });
  held.lost.addEventListener('abort', () => console.log(held.lost.reason));
}
try {
  await acquire('gpu', { permits: 4, weight: 2 });
} catch (error) {
  if (error instanceof DlockError && error.code === 'DLOCK_TIMED_OUT') console.log(error.message);
  // @ts-expect-error: there is no such code
  if (error instanceof DlockError && error.code === 'DLOCK_LATE') console.log();
}
// @ts-expect-error: a ttl is a number
await acquire('a', { ttl: '30s' });
// @ts-expect-error: it may be null
lease.release();
console.log(fence, text);

const up: UpgradeableLease = await client.acquire('rw', { upgradeable: true });
const upgraded: boolean = await up.tryUpgrade({ wait: 10 });
const fences: bigint[] = (await acquireAll(['a', 'b'], { wait: 10 })).fences;
// @ts-expect-error: only mutexes
await acquireAll(['a'], { shared: true });
const did: boolean = await runOnce('nightly', { atLeast: 1 }, async () => {});
for await (const change of new Election(client, 'e', { ttl: 5_000 }).observe()) {
  if (change.kind === 'vacant') break;
  const leads: string = change.leader.value;
  console.log(leads, upgraded, fences, did);
}
const open: boolean = await new Latch(client, 'l', 2).wait({ wait: 10 });
await new Barrier(client, 'g', 2).wait({ signal: AbortSignal.timeout(1) });
await new ConditionVariable(client, 'c').wait(up);
const infos: LockInfo[] = await client.listLocks();
await client.breakLock('a', infos[0]?.fence ?? 0n);
{
  using server = new Server();
  const logged = new Client(server.url, { log: (level, line) => console.log(level, line, open) });
  await lose(logged, await logged.acquire('a'));
  console.log(logged.stats().acquired);
}
const told = (event: LockEvent) => console.log(event.kind === 'timedOut', event.holder?.host, event.waited);
const watched = new Client(undefined, { group: (name) => String(name)[0] ?? '', onEvent: told, slowWait: 10 });
const p99: number = watched.stats().groups[0]?.wait.quantile(0.99) ?? watched.stats().wait.sum;
const grants: number | undefined = watched.stats().groups[0]?.acquisitions.mutex.grant;
// @ts-expect-error: there is no such kind
if (watched.stats().groups[0]?.acquisitions.rwlock) console.log(p99, grants, watched.prometheusText());
const texts: string = prometheusText({ orders: watched, mail: client }) + watched.prometheusText();
console.log(texts);
// @ts-expect-error: a group is a text
new Client(undefined, { group: (name) => name.length });
try {
  await watched.acquire('a', { wait: 0 });
} catch (error) {
  if (!(error instanceof TimedOutError)) throw error;
  const { waiters }: LockInfo = await error.inspect();
  console.log(error.place, waiters.length, await error.describe());
}
// @ts-expect-error: it is no tracer
spans({ tracer: 'dlock' });
await new Client(undefined, { onEvent: spans({ context: () => ROOT_CONTEXT }) }).close();
await client.close();
"""


def lay_out():
    """WORK/node_modules: the package's own files, and what it depends on."""
    modules = WORK / "node_modules"
    shutil.rmtree(WORK, ignore_errors=True)
    (modules / "dlock").mkdir(parents=True)
    for path in (SOURCE / "node").iterdir():
        if path.is_file():
            shutil.copy(path, modules / "dlock")
    for name in ("koffi", "@types", "undici-types", "@opentelemetry"):
        (modules / name).symlink_to(DEPENDENCIES / name)


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        lay_out()
        cls.environment = {**os.environ, "DLOCK_LIBRARY": str(BUILD / "libdlock.so.1")}

    def run_node(self, *arguments, **environment):
        return subprocess.run(["node", *map(str, arguments)], cwd=WORK, text=True, timeout=250,
                              env={**self.environment, **environment},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def test_its_version_is_that_of_the_library(self):
        header = (SOURCE / "include/dlock/version.hpp").read_text()
        version = re.search(r'"(\d+\.\d+\.\d+)"', header).group(1)
        for name in ("package.json", "package-lock.json"):
            self.assertIn(f'"version": "{version}"', (SOURCE / "node" / name).read_text())

    def test_its_types_are_right(self):
        (WORK / "user.mts").write_text(USER)
        done = self.run_node(DEPENDENCIES / "typescript/bin/tsc", "--noEmit", "--strict",
                             "--module", "nodenext", "--target", "es2022", "user.mts",
                             "--lib", "es2022,esnext.disposable")
        self.assertEqual(done.returncode, 0, done.stdout)

    def passes(self, name):
        test = WORK / name
        shutil.copy(SOURCE / "tests/node" / name, test)
        with RedisServer() as server:
            done = self.run_node("--expose-gc", "--test", test, DLOCK_URL=server.url)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r"(?m)^\S+ pass [1-9]")

    def test_it_locks(self):
        self.passes("lock.test.mjs")

    def test_the_rest_of_the_family(self):
        self.passes("family.test.mjs")

    def test_it_shows_what_its_locks_do(self):
        self.passes("observability.test.mjs")

    def test_a_function_gives_credentials(self):
        self.passes("credentials.test.mjs")

    def test_it_makes_spans(self):
        self.passes("opentelemetry.test.mjs")

    def test_runtimes_end(self):
        self.passes("runtime.test.mjs")


if __name__ == "__main__":
    if not shutil.which("node"):
        print("skipped: node is not installed")
        sys.exit(77)
    installed = DEPENDENCIES.parent / "complete"
    wanted = SOURCE / "node/package-lock.json"
    if not installed.is_file() or installed.read_text() != wanted.read_text():
        sys.exit("packages of node/package.json are missing: run scripts/setup")
    unittest.main()
