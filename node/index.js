// A distributed lock on Redis: what a program imports.
import { Client } from './client.js';

export { Client } from './client.js';
export { Election } from './election.js';
export { Barrier, ConditionVariable, Latch } from './gates.js';
export { Leadership, Lease, Leases, UpgradeableLease } from './leases.js';
export { DlockError, TimedOutError, version } from './native.js';

let shared;
const client = () => (shared ??= new Client());

export const acquire = async (name, options) => client().acquire(name, options);
export const tryAcquire = async (name, options) => client().tryAcquire(name, options);
export const withLock = async (name, options, work) => client().withLock(name, options, work);
export const acquireAll = async (names, options) => client().acquireAll(names, options);
export const tryAcquireAll = async (names, options) => client().tryAcquireAll(names, options);
export const beginOnce = async (name, options) => client().beginOnce(name, options);
export const runOnce = async (name, options, work) => client().runOnce(name, options, work);
