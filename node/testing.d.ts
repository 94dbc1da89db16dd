// Help for the tests of programs that use dlock.
/// <reference lib="esnext.disposable" />
import type { Client, Lease } from './index.js';

/** A Redis server of its own, for one test: empty, fast to start, on a unix socket in a temporary
 * directory. It ends with `close`, with the process, or when it is garbage. Needs `redis-server` or
 * `valkey-server` in `$PATH`, or `$DLOCK_REDIS_SERVER`. */
export class Server implements Disposable {
  /** Starts it, which blocks until it answers. Throws `DLOCK_UNREACHABLE` if it does not in 10 s. */
  constructor();
  /** For a `Client`, or `$DLOCK_URL`. */
  readonly url: string;
  /** Stops its process, so that it answers nothing: clients see a server that hangs. */
  pause(): void;
  /** Lets a paused server go on. */
  resume(): void;
  /** Ends it. Twice is the same. */
  close(): void;
  /** `close`, where Node.js has `Symbol.dispose`: 18.18. */
  [Symbol.dispose](): void;
}

/** Takes the lock of `lease` away, as an operator does with `dlock break`; `lease.lost` is aborted
 * then. `client` is any client of the same server and prefix. Rejects with `DLOCK_USAGE` for an
 * upgradeable lease, or after a release, and `DLOCK_LOST` if it was lost before. */
export function lose(client: Client, lease: Lease): Promise<void>;
