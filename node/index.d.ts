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
  /** Put before each name to make its key; none. */
  prefix?: string;
  /** Shown by `dlock info`; none. */
  label?: string;
}

export interface LockOptions {
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
  /** As a reader of a reader-writer lock. */
  shared?: boolean;
  /** As its writer. */
  exclusive?: boolean;
  /** As `weight` of so many permits of a semaphore. */
  permits?: number;
  /** 1. */
  weight?: number;
}

export interface AcquireOptions extends LockOptions {
  /** Longest time to wait; for ever, as is `Infinity`. 0: only if it is free. */
  wait?: number;
  /** Ends the wait, which rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** A held lock. Belongs to its thread, which gives it back at its end. If nobody can reach it, its
 * `lost` signal or a listener of that, it is given back with a warning, `DLOCK_GARBAGE`. */
export class Lease implements AsyncDisposable {
  private constructor();
  readonly name: string | Uint8Array;
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
  /** Gives it back. Rejects with `DLOCK_LOST` if it had ended before, `DLOCK_UNREACHABLE` if the
   * server did not answer: it is repeated in the background. Twice does nothing. */
  release(): Promise<void>;
  /** `release`, where Node.js has `Symbol.asyncDispose`: 18.18. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A connection to the lock store: one for each process is enough. Connects when it is used. */
export class Client implements AsyncDisposable {
  /** `url`: that of the store; else `$DLOCK_URL`, else a private server on this machine. */
  constructor(url?: string, options?: ClientOptions);
  /** Without its password. */
  readonly url: string;
  /** Waits for the lock, in order of arrival. Rejects with `DLOCK_TIMED_OUT` after `wait`. */
  acquire(name: string | Uint8Array, options?: AcquireOptions): Promise<Lease>;
  /** The lock if it is free, or comes within `wait`; else null. */
  tryAcquire(name: string | Uint8Array, options?: AcquireOptions): Promise<Lease | null>;
  /** Does `work` while it holds the lock. What `work` throws is what this rejects with; if the release
   * fails as well, that is its `suppressed`, and a warning, `DLOCK_RELEASE`. If it does not throw, but
   * the lease was lost meanwhile, `DLOCK_LOST`. Generators are refused with `DLOCK_USAGE`: iterate over
   * one in an async function. */
  withLock<T>(name: string | Uint8Array, work: (lease: Lease) => T | Promise<T>): Promise<T>;
  withLock<T>(
    name: string | Uint8Array,
    options: AcquireOptions,
    work: (lease: Lease) => T | Promise<T>,
  ): Promise<T>;
  /** Ends all waits with `DLOCK_CANCELLED`; leases go on. Twice is the same. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Those of a `Client` without a URL, made when it is first used. */
export const acquire: Client['acquire'];
export const tryAcquire: Client['tryAcquire'];
export const withLock: Client['withLock'];
