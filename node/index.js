// A distributed lock on Redis: what a program gets by `import` or `require`.
'use strict';

const { Client, prometheusText } = require('./client.js');
const { Election } = require('./election.js');
const { Barrier, ConditionVariable, Latch } = require('./gates.js');
const { Leadership, Lease, Leases, UpgradeableLease } = require('./leases.js');
const { DlockError, TimedOutError } = require('./library.js');
const { version } = require('./native.js');

let shared;
const client = () => (shared ??= new Client());

const acquire = async (name, options) => client().acquire(name, options);
const tryAcquire = async (name, options) => client().tryAcquire(name, options);
const withLock = async (name, options, work) => client().withLock(name, options, work);
const acquireAll = async (names, options) => client().acquireAll(names, options);
const tryAcquireAll = async (names, options) => client().tryAcquireAll(names, options);
const beginOnce = async (name, options) => client().beginOnce(name, options);
const runOnce = async (name, options, work) => client().runOnce(name, options, work);

// Node.js reads the names for `import` from this text: only names may stand here.
module.exports = {
  acquire, acquireAll, Barrier, beginOnce, Client, ConditionVariable, DlockError, Election, Latch, Leadership,
  Lease, Leases, prometheusText, runOnce, TimedOutError, tryAcquire, tryAcquireAll, UpgradeableLease, version, withLock,
};
