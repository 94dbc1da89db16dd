// A distributed lock on Redis. Times are in milliseconds.
/// <reference lib="esnext.disposable" />

/** Names the reason: `DLOCK_TIMED_OUT`, `DLOCK_LOST`, ...; `docs/c.md` lists them. */
export type ErrorCode =
  | 'DLOCK_USAGE'
  | 'DLOCK_UNREACHABLE'
  | 'DLOCK_REFUSED'
  | 'DLOCK_READ_ONLY'
  | 'DLOCK_LOADING'
  | 'DLOCK_OUT_OF_MEMORY'
  | 'DLOCK_NOT_A_LOCK'
  | 'DLOCK_STORE_UNUSABLE'
  | 'DLOCK_TIMED_OUT'
  | 'DLOCK_CANCELLED'
  | 'DLOCK_LOST'
  | 'DLOCK_FORKED'
  | 'DLOCK_DEADLOCK'
  | 'DLOCK_BROKEN'
  | 'DLOCK_NOT_REPLICATED'
  | 'DLOCK_SYSTEM';

/** What went wrong: `message` says what to do. */
export class DlockError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string);
}

/** The version of the library, as `0.1.0`. */
export const version: string;

export interface ClientOptions {
  /** Longest time to connect and log in; 2 s. */
  connectTimeout?: number;
  /** Longest time to wait for one reply; 2 s. */
  requestTimeout?: number;
  /** How long before its end a lease counts as lost; a tenth of the ttl, at most 1 s. */
  safetyMargin?: number;
  /** How long waits go on while no server answers, from the start on; 10 s. */
  patience?: number;
  /** Put before each name to make its key; none. */
  prefix?: string;
  /** Shown by `dlock info`; none. */
  label?: string;
  /** Receives the library's own reports, such as reconnects and losses; nobody does without it. What it
   * throws is dropped. It is called from the event loop: lines may be missing if that is blocked. */
  log?: (level: 'debug' | 'info' | 'warning' | 'error', text: string) => void;
}

/** A lock's name: text, or any bytes. */
export type Name = string | Uint8Array;

/** For calls that wait. */
export interface WaitOptions {
  /** Longest time to wait; for ever, as is `Infinity`. 0: does not wait. */
  wait?: number;
  /** Ends the wait, which rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Of every lock. */
export interface TermOptions {
  /** How long the lock outlives a dead holder; it is renewed. 30 s; at most 10 years, which Infinity means. */
  ttl?: number;
  /** `false`: the holder has it for `ttl`, and no longer. */
  renew?: boolean;
  /** Longest time to hold it; for ever, as is `Infinity`. */
  maxHold?: number;
  /** It counts as acquired only when so many replicas have it too; 0. */
  minReplicas?: number;
  /** ... after so long it is given back, with `DLOCK_NOT_REPLICATED`; 1 s. */
  replicationTimeout?: number;
}

export interface LockOptions extends TermOptions {
  /** As a reader of a reader-writer lock. */
  shared?: boolean;
  /** As its writer. */
  exclusive?: boolean;
  /** As a reader of it, one at a time, who may become the writer. */
  upgradeable?: boolean;
  /** As `weight` of so many permits of a semaphore. */
  permits?: number;
  /** 1. */
  weight?: number;
}

export interface AcquireOptions extends LockOptions, WaitOptions {}

/** Of work that is done once in a period. */
export interface OnceOptions {
  /** For at least this long after it began nobody begins it again; 60 s. */
  atLeast?: number;
  /** The longest time it may take, after which others may begin it; 1 h. */
  atMost?: number;
  /** As of a lock. */
  minReplicas?: number;
  /** As of a lock. */
  replicationTimeout?: number;
}

/** A held lock. Belongs to its thread, which gives it back at its end. If nobody can reach it, its
 * `lost` signal or a listener of that, it is given back with a warning, `DLOCK_GARBAGE`. */
export class Lease implements AsyncDisposable {
  protected constructor();
  readonly name: Name;
  /** What stands for this holder in the store. */
  readonly token: string;
  /** Greater than that of every holder before: let the resource refuse smaller ones. */
  readonly fence: bigint;
  /** Aborted shortly before the lease can end, or when it is known to have ended; its reason is a
   * `DlockError`. Not by `release`. */
  readonly lost: AbortSignal;
  /** What is left of it by our own clock; 0 when it is over or released. */
  readonly validFor: number;
  readonly held: boolean;
  /** Throws `DLOCK_LOST`, saying why, or `DLOCK_USAGE` after a release. */
  ensureHeld(): void;
  /** From the writer, or an upgradeable reader, to a reader in one step: nobody writes in between. This
   * lease is used up. Rejects with `DLOCK_USAGE` for other leases. */
  downgradeToReader(): Promise<Lease>;
  /** Gives it back. Rejects with `DLOCK_LOST` if it had ended before, `DLOCK_UNREACHABLE` if the
   * server did not answer: it is repeated in the background. Twice does nothing. */
  release(): Promise<void>;
  /** `release`, where Node.js has `Symbol.asyncDispose`: 18.18. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Several locks, held as one: lost when any of them is, released together. */
export class Leases extends Lease {
  readonly names: Name[];
  /** Of each lock, in the order of the names. */
  readonly fences: bigint[];
}

/** Of `acquire` with `upgradeable`. */
export class UpgradeableLease extends Lease {
  /** Whether it is the writer. */
  readonly upgraded: boolean;
  /** Becomes the writer when the readers have gone, before all others who wait; the fence grows. If the
   * wait ends before that, with `DLOCK_TIMED_OUT` or the signal's reason, the lease is as before. */
  upgrade(options?: WaitOptions): Promise<void>;
  /** Becomes the writer if there is no reader now, or within `wait`; whether it did. */
  tryUpgrade(options?: WaitOptions): Promise<boolean>;
  /** Back to what it was before `upgrade`. */
  downgrade(): Promise<void>;
}

/** Of `Election.campaign`: the right to lead. */
export class Leadership extends Lease {
  /** Grows with each leader of this name: the fence. */
  readonly term: bigint;
  /** Says something else to all who observe: at most 64 KiB. */
  proclaim(value: string | Uint8Array): Promise<void>;
  /** Ends it, as `release`; whoever campaigns next leads. */
  resign(): Promise<void>;
}

/** A client as it registered itself; empty texts and 0 when it is not known. */
export interface Party {
  client: string;
  host: string;
  pid: number;
  program: string;
  label: string;
}

/** Who holds a lock, or some of it. Times are in milliseconds. */
export interface HolderInfo extends Party {
  fence: bigint | null;
  token: string;
  weight: number;
  role: 'reader' | 'writer' | 'upgradeable' | 'upgrade' | null;
  heldFor: number | null;
  ttlLeft: number | null;
}

/** Who waits, and for how long. */
export interface WaiterInfo extends Party {
  waiting: number;
  weight: number;
}

/** A lock as the server sees it. `foreign`: held by another library. */
export interface LockInfo {
  name: Name;
  held: boolean;
  foreign: boolean;
  kind: 'mutex' | 'shared_mutex' | 'semaphore' | null;
  fence: bigint | null;
  token: string | null;
  holder: Party | null;
  heldFor: number | null;
  ttlLeft: number | null;
  permits: number;
  used: number;
  holders: HolderInfo[];
  waiters: WaiterInfo[];
}

export interface LatchInfo {
  name: Name;
  count: number;
  left: number;
  broken: boolean;
  joined: Party[];
  waiters: (Party & { waiting: number })[];
}

export interface BarrierInfo {
  name: Name;
  parties: number;
  phase: number;
  broken: boolean;
  joined: Party[];
  /** `silent`: for how long the server has not heard of it. */
  arrived: (Party & { silent: number })[];
}

/** A lock in a ring of waits, and its holder, who waits for the next one. */
export interface DeadlockLink {
  name: Name;
  holder: Party;
}

/** What a client has counted since it was made. */
export interface Stats {
  acquired: number;
  granted: number;
  passed: number;
  released: number;
  lost: number;
  timedOut: number;
  renewals: number;
  reconnects: number;
  commands: number;
}

/** A connection to the lock store: one for each process is enough. Connects when it is used. */
export class Client implements AsyncDisposable {
  /** `url`: that of the store; else `$DLOCK_URL`, else a private server on this machine. */
  constructor(url?: string, options?: ClientOptions);
  /** Without its password. */
  readonly url: string;
  /** Waits for the lock, in order of arrival. Rejects with `DLOCK_TIMED_OUT` after `wait`. */
  acquire(name: Name, options: AcquireOptions & { upgradeable: true }): Promise<UpgradeableLease>;
  acquire(name: Name, options?: AcquireOptions): Promise<Lease>;
  /** The lock if it is free, or comes within `wait`; else null. */
  tryAcquire(name: Name, options: AcquireOptions & { upgradeable: true }): Promise<UpgradeableLease | null>;
  tryAcquire(name: Name, options?: AcquireOptions): Promise<Lease | null>;
  /** Waits until it has all mutexes `names`: in one step if all are free, otherwise one after another, in
   * an order that is the same for all clients, so that they cannot deadlock. If it fails, nothing is
   * held. */
  acquireAll(names: Name[], options?: TermOptions & WaitOptions): Promise<Leases>;
  /** All if they are free, or come within `wait`; else null. */
  tryAcquireAll(names: Name[], options?: TermOptions & WaitOptions): Promise<Leases | null>;
  /** Does `work` while it holds the lock. What `work` throws is what this rejects with; if the release
   * fails as well, that is its `suppressed`, and a warning, `DLOCK_RELEASE`. If it does not throw, but
   * the lease was lost meanwhile, `DLOCK_LOST`. Generators are refused with `DLOCK_USAGE`: iterate over
   * one in an async function. */
  withLock<T>(name: Name, work: (lease: Lease) => T | Promise<T>): Promise<T>;
  withLock<T>(
    name: Name,
    options: AcquireOptions,
    work: (lease: Lease) => T | Promise<T>,
  ): Promise<T>;
  /** A lease to do work that many schedulers start, and one of them shall do; null if somebody does it,
   * or did it less than `atLeast` ago. It is not renewed. */
  beginOnce(name: Name, options?: OnceOptions): Promise<Lease | null>;
  /** Does `work`, unless somebody does it, or did it less than `atLeast` ago; whether it did. What `work`
   * throws counts as done. Rejects with `DLOCK_LOST` if it took longer than `atMost`. */
  runOnce(name: Name, work: (lease: Lease) => unknown): Promise<boolean>;
  runOnce(name: Name, options: OnceOptions, work: (lease: Lease) => unknown): Promise<boolean>;
  /** Changes the number of permits of a semaphore. Holders keep what they have. */
  resize(name: Name, permits: number): Promise<void>;
  /** All locks that are held or waited for. `pattern` is a glob as of Redis' KEYS. */
  listLocks(pattern?: string): Promise<LockInfo[]>;
  /** One lock, held or not. */
  inspectLock(name: Name): Promise<LockInfo>;
  /** Null if nobody has used it lately. */
  inspectLatch(name: Name): Promise<LatchInfo | null>;
  inspectBarrier(name: Name): Promise<BarrierInfo | null>;
  /** The rings of waits that have lasted 2 s. */
  listDeadlocks(): Promise<DeadlockLink[][]>;
  /** Takes the lock from the holder with this fence, never from a later one; false if nobody holds it
   * with this fence. The holder is asked first, for `timeout`, 1 s. */
  breakLock(name: Name, fence: bigint, options?: { timeout?: number }): Promise<boolean>;
  /** What it has counted. */
  stats(): Stats;
  /** Ends all waits with `DLOCK_CANCELLED`; leases go on. Twice is the same. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Those of a `Client` without a URL, made when it is first used. */
export const acquire: Client['acquire'];
export const tryAcquire: Client['tryAcquire'];
export const withLock: Client['withLock'];
export const acquireAll: Client['acquireAll'];
export const tryAcquireAll: Client['tryAcquireAll'];
export const beginOnce: Client['beginOnce'];
export const runOnce: Client['runOnce'];

/** Who leads, as it says itself. `term` is its fence, `revision` how often it has proclaimed. */
export interface Leader {
  value: string;
  term: bigint;
  revision: number;
}

/** `elected`: `leader` leads, who did not before; `proclaimed`: it says something; `vacant`: nobody leads. */
export type LeaderChange =
  | { kind: 'elected' | 'proclaimed'; leader: Leader }
  | { kind: 'vacant'; leader: null };

/** A lock whose holder is the leader and says a value to all: an address, most often. */
export class Election {
  constructor(client: Client, name: Name, options?: TermOptions);
  readonly name: Name;
  /** Waits until it leads, as `acquire`, and proclaims `value`. */
  campaign(value?: string | Uint8Array, options?: WaitOptions): Promise<Leadership>;
  /** Leads if nobody else does, or will within `wait`; else null. */
  tryCampaign(value?: string | Uint8Array, options?: WaitOptions): Promise<Leadership | null>;
  /** Who leads now; null if nobody does, or has not proclaimed yet. */
  leader(): Promise<Leader | null>;
  /** Iterates over the changes; the first is what is so now. What changes twice before it is seen may come
   * as one change. Ends with the loop; `signal` makes it throw its reason. */
  observe(options?: { signal?: AbortSignal }): AsyncIterableIterator<LeaderChange>;
}

/** Is counted down by anybody, and opens for good at zero. All must say the same `count`. */
export class Latch {
  constructor(client: Client, name: Name, count: number, options?: { ttl?: number; keep?: number });
  readonly name: Name;
  /** Counts down by a number, 1 without one, or by one for a part, which is then used up. */
  countDown(what?: number | Lease): Promise<void>;
  /** A part, which shows that somebody will count down. One that is released without is dead. */
  join(): Promise<Lease>;
  /** Waits until it is at zero; whether it is. Rejects with `DLOCK_BROKEN` if a part is dead. */
  wait(options?: WaitOptions): Promise<boolean>;
}

/** Lets the parties through when all have arrived, again and again. All must say the same number. */
export class Barrier {
  constructor(client: Client, name: Name, parties: number, options?: { ttl?: number });
  readonly name: Name;
  /** Arrives, and waits for the others; whether all came. A wait that ends without them breaks the barrier:
   * all get `DLOCK_BROKEN` until somebody calls `reset`. */
  wait(options?: WaitOptions): Promise<boolean>;
  /** A part, which shows that a party is there. One that is released without `leave` breaks the barrier. */
  join(): Promise<Lease>;
  leave(part: Lease): Promise<void>;
  /** Begins a new phase. */
  reset(): Promise<void>;
}

/** Where holders of a lock wait until another program says that something has changed. */
export class ConditionVariable {
  constructor(client: Client, name: Name);
  readonly name: Name;
  /** Gives the lock of `lease` back, waits, and takes it again: `lease` then has another fence. Whether it
   * was notified, within `wait`; look again at what you wait for in any case. A wait that `signal` ends has
   * the lock again, too. */
  wait(lease: Lease, options?: WaitOptions): Promise<boolean>;
  /** Wakes whoever has waited longest. */
  notifyOne(): Promise<void>;
  notifyAll(): Promise<void>;
}
