// Checks times, all in milliseconds, and makes them what the C interface takes.
'use strict';

const YEARS = 366 * 24 * 3_600_000;
const NO_LIMIT = Infinity;
const MAX = {
  wait: NO_LIMIT,
  maxHold: NO_LIMIT,
  ttl: 10 * YEARS,
  keep: 10 * YEARS,
  atMost: 10 * YEARS,
  atLeast: 10 * YEARS,
  replicationTimeout: 3_600_000,
};

// Undefined stands for the default, which is no limit where there may be none. 100 years and more
// stand for the maximum. Anything but a number would be something else to C.
/** One time, checked; `min` is 0 for a `wait`. */
function span(name, value, min = 1) {
  if (value === undefined) return undefined;
  const max = MAX[name] ?? YEARS;
  const isForEver = value >= 100 * YEARS && name !== 'safetyMargin';
  if (typeof value !== 'number' || !(value >= min && (value <= max || isForEver))) {
    throw new RangeError(`${name} must be a number of milliseconds, from ${min} to ${max}`);
  }
  if (max === NO_LIMIT) return value < 100 * YEARS ? Math.ceil(value) : undefined;
  return Math.min(Math.ceil(value), max);
}

/** `options` with the times `names` of it checked; a `wait` may be 0. */
function withSpans(options, ...names) {
  const given = { ...options };
  for (const name of names) given[name] = span(name, options[name], name === 'wait' ? 0 : 1);
  return given;
}

/** Checks a count, of which C would cut off a fraction. */
function whole(name, value) {
  if (!Number.isInteger(value) || value < 1 || value >= 2 ** 30) {
    throw new RangeError(`${name} must be a whole number from 1 to ${2 ** 30 - 1}`);
  }
  return value;
}

module.exports = { span, withSpans, whole };
