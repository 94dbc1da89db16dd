// Locks as somebody else sees them: the JSON of the C interface as objects.
'use strict';

const { Buffer } = require('node:buffer');

/** What can be looked at, as dlock_subject has it. */
const SUBJECT = { locks: 1, lock: 2, latch: 3, barrier: 4, deadlocks: 5 };

/** `a_b` as `aB`. */
const camel = (key) => key.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());

function reviver(_, value) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  const object = Object.fromEntries(Object.entries(value).map(([key, each]) => [camel(key.replace(/_ms$/, '')), each]));
  if (typeof object.fence === 'string') object.fence = BigInt(object.fence);
  if (object.nameBase64) {
    object.name = new Uint8Array(Buffer.from(object.nameBase64, 'base64')); // it is no text
    delete object.nameBase64;
  }
  return object;
}

const fromJson = (text) => JSON.parse(text, reviver);

module.exports = { SUBJECT, camel, fromJson };
