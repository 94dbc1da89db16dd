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

/** A failure of a call; `message` says what to do. */
export class DlockError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string);
}

/** The code is `DLOCK_TIMED_OUT`; `message` says what the client knew when the wait ended. */
export class TimedOutError extends DlockError {
  constructor(message: string, place?: number);
  /** The place of this client in the queue by the server's last reply, 1 being next; 0 if it was not in
   * the queue, or if another call of this client stood there for it. How many clients wait only the
   * server knows: `inspect` asks. */
  readonly place: number;
  /** Asks the server now who holds the lock and who waits, like `inspectLock`. Of several locks it is the
   * one for which the call waited, or the first that is held if they were only tried. Rejects with
   * `DLOCK_CANCELLED` if the client is closed, with `DLOCK_USAGE` if the program made the error. */
  inspect(): Promise<LockInfo>;
  /** `message`, and one line that says what `inspect` does: host, pid, program and label of the holder,
   * how long it has held the lock, and how many clients wait. Only `message` if the server does not say. */
  describe(): Promise<string>;
}

/** The version of the library, as `0.1.0`. */
export const version: string;

/** A user and a password of the server. */
export interface Credentials {
  /** The server's default user, without it. */
  user?: string;
  password?: string;
  /** How long they are good from now on; for ever. */
  life?: number;
  /** ... or the instant at which they end. */
  until?: Date;
}

export interface ClientOptions {
  /** Returns the user and the password, in place of those in the URL; may return a promise. It is called
   * for each connection, also those beside the shared one, and again when three quarters of their life
   * have passed: the client then logs in again on the open connection, and waits and leases go on. An
   * attempt to connect fails if it throws, or takes longer than `connectTimeout`. The event loop calls it,
   * so it must not be blocked for that long. */
  credentials?: () => Credentials | Promise<Credentials>;
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
  /** Receives the library's own reports, such as reconnects and losses; none: they are dropped. The
   * event loop calls it, so lines may be missing after the loop was blocked. Its exceptions are dropped. */
  log?: (level: 'debug' | 'info' | 'warning' | 'error', text: string) => void;
  /** Is told what happens to the locks of this client. The event loop calls it; it may use the client.
   * What it throws becomes an uncaught exception. It does not keep the process alive. At most 1000 events
   * wait for the loop; later ones are dropped. Without it there are no events, and they cost nothing. */
  onEvent?: (event: LockEvent) => void;
  /** A wait that has lasted for so long is reported once, to `log` and as a `waiting` event, with the
   * holder: the library asks the server for it. Never, without it. */
  slowWait?: number;
  /** Names the group under which a lock is counted: one for many locks, as `order` for `order:4711`; at
   * most 63 bytes. Called once for each call that acquires or begins, since no object stands for the lock
   * between two calls, and for each new `Election`, `Latch`, `Barrier` and `ConditionVariable`; what it
   * throws reaches the caller. All locks are in the group `''` without it. */
  group?: (name: Name) => string;
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

/** The terms of any lock. */
export interface TermOptions {
  /** How long the lock outlives a dead holder: dlock renews it. 30 s; at most 10 years, as is `Infinity`. */
  ttl?: number;
  /** `false`: the holder has it for `ttl`, and no longer. */
  renew?: boolean;
  /** Longest time to hold it; for ever, as is `Infinity`. */
  maxHold?: number;
  /** Acquire the lock only if this many replicas have it too; 0. */
  minReplicas?: number;
  /** ... within this time, or release it and reject with `DLOCK_NOT_REPLICATED`; 1 s. */
  replicationTimeout?: number;
}

export interface LockOptions extends TermOptions {
  /** As a reader of a reader-writer lock. */
  shared?: boolean;
  /** As its writer. */
  exclusive?: boolean;
  /** As the one reader of it that may become the writer. */
  upgradeable?: boolean;
  /** As `weight` permits of a semaphore that has this number. */
  permits?: number;
  /** The number of permits to acquire; 1. */
  weight?: number;
}

export interface AcquireOptions extends LockOptions, WaitOptions {}

/** For work that is done once in a period. */
export interface OnceOptions {
  /** Minimum time between two begins; 60 s. */
  atLeast?: number;
  /** How long the work may take, after which others may begin it; 1 h. */
  atMost?: number;
  /** As of a lock. */
  minReplicas?: number;
  /** As of a lock. */
  replicationTimeout?: number;
}

/** A held lock. It belongs to its thread, whose end releases it. It is also released, with the warning
 * `DLOCK_GARBAGE`, when nothing refers to it, to its `lost` signal, or to a listener of that. */
export class Lease implements AsyncDisposable {
  protected constructor();
  readonly name: Name;
  /** Identifies this holder in the store. */
  readonly token: string;
  /** Greater than that of every earlier holder: let the resource reject smaller ones. */
  readonly fence: bigint;
  /** Aborted shortly before the lease can end, or when dlock learns that it has ended, but not by
   * `release`. Its reason is a `DlockError`. */
  readonly lost: AbortSignal;
  /** The time that is left by this machine's clock; 0 when the lease is over or released. */
  readonly validFor: number;
  readonly held: boolean;
  /** Throws `DLOCK_LOST`, saying why, or `DLOCK_USAGE` after a release. */
  ensureHeld(): void;
  /** Turns the writer, or an upgradeable reader, into a reader in one step: nobody writes in between.
   * Uses this lease up. Rejects with `DLOCK_USAGE` for other leases. */
  downgradeToReader(): Promise<Lease>;
  /** Releases the lock. Rejects with `DLOCK_LOST` if the lease had ended before, or with
   * `DLOCK_UNREACHABLE` if the server does not answer: dlock then repeats the release in the
   * background. A second call does nothing. */
  release(): Promise<void>;
  /** The same as `release`; Node.js 18.18 or newer has `Symbol.asyncDispose`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Several locks, held as one: lost when any of them is, released together. */
export class Leases extends Lease {
  readonly names: Name[];
  /** The fence of each lock, in the order of the names. */
  readonly fences: bigint[];
}

/** The lease that `acquire` gives with `upgradeable`. */
export class UpgradeableLease extends Lease {
  /** Whether it is the writer. */
  readonly upgraded: boolean;
  /** Becomes the writer when the readers have gone, ahead of all other waiters; the fence grows. If the
   * wait ends before that, it rejects with `DLOCK_TIMED_OUT` or the signal's reason, and the lease stays
   * as it was. */
  upgrade(options?: WaitOptions): Promise<void>;
  /** Becomes the writer if there is no reader now, or within `wait`. Returns whether it did. */
  tryUpgrade(options?: WaitOptions): Promise<boolean>;
  /** Undoes `upgrade`. */
  downgrade(): Promise<void>;
}

/** The right to lead, which `Election.campaign` gives. */
export class Leadership extends Lease {
  /** Grows with each leader of this name: the fence. */
  readonly term: bigint;
  /** Replaces the value that observers see: at most 64 KiB. */
  proclaim(value: string | Uint8Array): Promise<void>;
  /** Ends the leadership, like `release`: the next candidate leads. */
  resign(): Promise<void>;
}

/** A client as it registered itself; empty texts and 0 if it did not. */
export interface Party {
  client: string;
  host: string;
  pid: number;
  program: string;
  label: string;
}

/** A holder of a lock, or of some of its permits. Times are in milliseconds. */
export interface HolderInfo extends Party {
  fence: bigint | null;
  token: string;
  weight: number;
  role: 'reader' | 'writer' | 'upgradeable' | 'upgrade' | null;
  heldFor: number | null;
  ttlLeft: number | null;
}

/** A waiter, and how long it has waited. */
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

/** What a lease holds. `upgrade`: what an upgradeable reader has in addition while it is the writer. */
export type LeaseKind = 'mutex' | 'reader' | 'writer' | 'upgradeable' | 'upgrade' | 'permits' | 'part';
/** How a client got a lease: by the server's reply, by another client's release, or from another call of
 * this client. */
export type Way = 'request' | 'grant' | 'passing';
/** Why a lease ended before its release; docs/observability.md says more. */
export type LossReason = 'expired' | 'gone' | 'taken' | 'broken' | 'maxHold' | 'timeUp';

/** How long something took, each time, in milliseconds. */
export interface Histogram {
  /** The upper bounds of the ranges, from 0.1 to 500,000; the last range has none. */
  readonly bounds: readonly number[];
  /** How often it was in each range; not cumulative. */
  readonly counts: readonly number[];
  readonly count: number;
  readonly sum: number;
  /** The time below which the share `q` (0.99) of all times was, interpolated in its range. 0 if there
   * are none; the last bound if it is beyond that. */
  quantile(q: number): number;
}

/** What concerns leases and waits. */
export interface LockStats {
  /** Releases that the server confirmed, or that were passed on. */
  released: number;
  /** Waits whose limit passed. */
  timedOut: number;
  /** Waits that ended with `DLOCK_DEADLOCK`. */
  deadlocks: number;
  /** Leases held now. */
  held: number;
  /** Calls under way that want a lock, or wait at a latch, barrier or condition. */
  waiting: number;
  /** From the call to the lease. */
  wait: Histogram;
  /** From the lease to its release or loss. */
  hold: Histogram;
  /** From another client's release to the lease that it granted. */
  handoffGap: Histogram;
}

/** Of one group of locks. */
export interface GroupStats extends LockStats {
  group: string;
  acquisitions: Record<LeaseKind, Record<Way, number>>;
  losses: Record<LossReason, number>;
}

/** What a client has counted and measured since it was made: the sums over all groups. */
export interface Stats extends LockStats {
  /** Acquisitions that ended with a lease; of these `granted` and `passed` by these ways. */
  acquired: number;
  granted: number;
  passed: number;
  /** Leases that ended while they were wanted. */
  lost: number;
  renewals: number;
  reconnects: number;
  commands: number;
  sentBytes: number;
  receivedBytes: number;
  /** Events that `onEvent` was not told, because the event loop was too slow. */
  droppedEvents: number;
  /** One for each group that was used, `''` first. */
  groups: GroupStats[];
  /** The elections in which this client has campaigned, at most 64. */
  elections: { name: string; leads: boolean }[];
}

/** Something that happened to a lock of a client. Times are in milliseconds, with fractions. */
export interface LockEvent {
  /** `waiting`: a wait has lasted for `slowWait`. Each `acquired` is followed by one `released` or `lost`. */
  kind: 'acquired' | 'waiting' | 'released' | 'lost' | 'timedOut' | 'deadlock' | 'elected' | 'deposed';
  name: Name;
  lock: LeaseKind;
  /** When: since 1970, as of `Date.now()`. */
  at: number;
  fence: bigint | null;
  /** Of `acquired`. */
  way: Way | null;
  /** Of `lost`, and of `deposed` if the lease was lost. */
  reason: LossReason | null;
  /** How long the wait lasted, of waits that ended or go on; otherwise 0. */
  waited: number;
  /** How long the lease was held, of leases that ended; otherwise 0. */
  held: number;
  /** In the queue, 1 being next; 0 if it is not known. */
  place: number;
  /** How many clients wait, of `waiting`, if that is known. */
  waiters: number | null;
  /** Who holds the lock, of `waiting`, if that is known. */
  holder: { host: string; pid: number; program: string; label: string; heldFor: number } | null;
  /** A line for people. */
  text: string;
  /** How many events were dropped just before this one. */
  dropped: number;
}

/** A connection to the lock store: one for each process is enough. Connects when it is used. */
export class Client implements AsyncDisposable {
  /** `url`: of the store. Without it: `$DLOCK_URL`, or a private server on this machine, unless
   * `$DLOCK_REQUIRE_URL` is 1. An empty one throws `DLOCK_USAGE`, here and in `$DLOCK_URL`. */
  constructor(url?: string, options?: ClientOptions);
  /** Without its password. */
  readonly url: string;
  /** Waits for the lock, in order of arrival. Rejects with `DLOCK_TIMED_OUT` after `wait`. */
  acquire(name: Name, options: AcquireOptions & { upgradeable: true }): Promise<UpgradeableLease>;
  acquire(name: Name, options?: AcquireOptions): Promise<Lease>;
  /** Acquires the lock if it is free, or gets free within `wait`; otherwise returns null. */
  tryAcquire(name: Name, options: AcquireOptions & { upgradeable: true }): Promise<UpgradeableLease | null>;
  tryAcquire(name: Name, options?: AcquireOptions): Promise<Lease | null>;
  /** Waits until it has all mutexes `names`: in one step if all are free, otherwise one after another, in
   * an order that is the same for all clients, so that they cannot deadlock. If it fails, it holds none
   * of them. */
  acquireAll(names: Name[], options?: TermOptions & WaitOptions): Promise<Leases>;
  /** Acquires all if they are free, or get free within `wait`; otherwise returns null. */
  tryAcquireAll(names: Name[], options?: TermOptions & WaitOptions): Promise<Leases | null>;
  /** Calls `work` while it holds the lock. If `work` throws, this rejects with that error; if the release
   * fails too, that error is its `suppressed`, and the warning `DLOCK_RELEASE`. If `work` does not throw
   * but the lease was lost meanwhile, this rejects with `DLOCK_LOST`. It refuses generators with
   * `DLOCK_USAGE`: iterate over one in an async function. */
  withLock<T>(name: Name, work: (lease: Lease) => T | Promise<T>): Promise<T>;
  withLock<T>(
    name: Name,
    options: AcquireOptions,
    work: (lease: Lease) => T | Promise<T>,
  ): Promise<T>;
  /** A lease to do work once, however many schedulers start it; null if another client does it, or did
   * it less than `atLeast` ago. The lease is not renewed. */
  beginOnce(name: Name, options?: OnceOptions): Promise<Lease | null>;
  /** Calls `work`, unless another client does it, or did it less than `atLeast` ago. Returns whether it
   * called it. Work that throws counts as done. Rejects with `DLOCK_LOST` if it took longer than
   * `atMost`. */
  runOnce(name: Name, work: (lease: Lease) => unknown): Promise<boolean>;
  runOnce(name: Name, options: OnceOptions, work: (lease: Lease) => unknown): Promise<boolean>;
  /** Changes the number of permits of a semaphore. Holders keep what they have. */
  resize(name: Name, permits: number): Promise<void>;
  /** All locks that are held or waited for. `pattern` is a glob, as for KEYS in Redis. */
  listLocks(pattern?: string): Promise<LockInfo[]>;
  /** One lock, held or not. */
  inspectLock(name: Name): Promise<LockInfo>;
  /** Null if nobody has used the latch lately. */
  inspectLatch(name: Name): Promise<LatchInfo | null>;
  inspectBarrier(name: Name): Promise<BarrierInfo | null>;
  /** The rings of waits that have lasted 2 s. */
  listDeadlocks(): Promise<DeadlockLink[][]>;
  /** Takes the lock from the holder with this fence, never from a later one. Returns false if no holder
   * has this fence. First asks the holder's process, for `timeout` (1 s). */
  breakLock(name: Name, fence: bigint, options?: { timeout?: number }): Promise<boolean>;
  /** All statistics of this client, of one moment. */
  stats(): Stats;
  /** The same in Prometheus' text format, to be served as `text/plain; version=0.0.4`. Of several clients
   * use the function `prometheusText`: one body cannot have two of these texts. */
  prometheusText(): string;
  /** Ends all waits with `DLOCK_CANCELLED`; leases go on. A second call does nothing. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The statistics of several clients in Prometheus' text format: each sample has the label `client`, the
 * key under which its client stands in `clients`. */
export function prometheusText(clients: Record<string, Client>): string;

/** The methods of a `Client` without a URL, which is made when it is first used. */
export const acquire: Client['acquire'];
export const tryAcquire: Client['tryAcquire'];
export const withLock: Client['withLock'];
export const acquireAll: Client['acquireAll'];
export const tryAcquireAll: Client['tryAcquireAll'];
export const beginOnce: Client['beginOnce'];
export const runOnce: Client['runOnce'];

/** The leader and its value. `term` is its fence, `revision` counts its proclamations. */
export interface Leader {
  value: string;
  term: bigint;
  revision: number;
}

/** `elected`: `leader` is new; `proclaimed`: its value changed; `vacant`: nobody leads. */
export type LeaderChange =
  | { kind: 'elected' | 'proclaimed'; leader: Leader }
  | { kind: 'vacant'; leader: null };

/** A lock whose holder is the leader, and shows all observers a value, usually its address. */
export class Election {
  constructor(client: Client, name: Name, options?: TermOptions);
  readonly name: Name;
  /** Waits until it leads, like `acquire`, and proclaims `value`. */
  campaign(value?: string | Uint8Array, options?: WaitOptions): Promise<Leadership>;
  /** Leads if nobody else does, or stops within `wait`; otherwise returns null. */
  tryCampaign(value?: string | Uint8Array, options?: WaitOptions): Promise<Leadership | null>;
  /** The leader now; null if there is none, or it has not proclaimed yet. */
  leader(): Promise<Leader | null>;
  /** Iterates over the changes, beginning with the present state. Changes that follow each other quickly
   * may come as one. Ends with the loop; `signal` makes it throw the signal's reason. */
  observe(options?: { signal?: AbortSignal }): AsyncIterableIterator<LeaderChange>;
}

/** A counter that anybody counts down; it opens for good at zero. All must say the same `count`. */
export class Latch {
  constructor(client: Client, name: Name, count: number, options?: { ttl?: number; keep?: number });
  readonly name: Name;
  /** Counts down by a number (1 without one), or by one for a part, which it uses up. */
  countDown(what?: number | Lease): Promise<void>;
  /** A part: a promise to count down. If it ends without that, the latch is broken. */
  join(): Promise<Lease>;
  /** Waits until it is at zero. Returns whether it is. Rejects with `DLOCK_BROKEN` if it is broken. */
  wait(options?: WaitOptions): Promise<boolean>;
}

/** Lets the parties through when all have arrived, again and again. All must say the same number. */
export class Barrier {
  constructor(client: Client, name: Name, parties: number, options?: { ttl?: number });
  readonly name: Name;
  /** Arrives, and waits for the others. Returns whether all came. A wait that ends without them breaks
   * the barrier: all get `DLOCK_BROKEN` until somebody calls `reset`. */
  wait(options?: WaitOptions): Promise<boolean>;
  /** A part, which shows that a party is there. If it ends without `leave`, it breaks the barrier. */
  join(): Promise<Lease>;
  leave(part: Lease): Promise<void>;
  /** Begins a new phase. */
  reset(): Promise<void>;
}

/** Holders of a lock wait here until another program says that something has changed. */
export class ConditionVariable {
  constructor(client: Client, name: Name);
  readonly name: Name;
  /** Releases the lock of `lease`, waits, and acquires it again: `lease` then has another fence. Returns
   * whether it was notified within `wait`; check your condition again in any case. It also has the lock
   * again when `signal` ended the wait. */
  wait(lease: Lease, options?: WaitOptions): Promise<boolean>;
  /** Wakes the first waiter. */
  notifyOne(): Promise<void>;
  notifyAll(): Promise<void>;
}
