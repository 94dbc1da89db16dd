// Times, in milliseconds, as C takes them.
const YEARS = 366 * 24 * 3_600_000;
const NO_LIMIT = Infinity;
const LONGEST = {
  wait: NO_LIMIT,
  maxHold: NO_LIMIT,
  ttl: 10 * YEARS,
  keep: 10 * YEARS,
  atMost: 10 * YEARS,
  atLeast: 10 * YEARS,
  replicationTimeout: 3_600_000,
};

// Milliseconds. Undefined is the default, which is no limit where there may be none; 100 years and
// more are the longest there is. What is no number would be something else to C.
function span(name, value, least) {
  if (value === undefined) return undefined;
  const most = LONGEST[name] ?? YEARS;
  const isForEver = value >= 100 * YEARS && name !== 'safetyMargin';
  if (typeof value !== 'number' || !(value >= least && (value <= most || isForEver))) {
    throw new RangeError(`${name} must be a number of milliseconds, from ${least} to ${most}`);
  }
  if (most === NO_LIMIT) return value < 100 * YEARS ? Math.ceil(value) : undefined;
  return Math.min(Math.ceil(value), most);
}

/** `options` with the times `names` of it checked; a `wait` may be 0. */
export function withSpans(options, ...names) {
  const spans = names.map((name) => [name, span(name, options[name], name === 'wait' ? 0 : 1)]);
  return { ...options, ...Object.fromEntries(spans) };
}

/** A count, which is more to C than any number. */
export function whole(name, value) {
  if (!Number.isInteger(value) || value < 1 || value >= 2 ** 30) {
    throw new RangeError(`${name} must be a whole number from 1 to ${2 ** 30 - 1}`);
  }
  return value;
}
