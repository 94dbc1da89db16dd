// What a client has counted and measured: the plain arrays of the C interface as objects.
'use strict';

const { Buffer } = require('node:buffer');

const koffi = require('koffi');

const { check, of } = require('./library.js');
const { camel } = require('./looking.js');

const native = {
  snapshot: of('int dlock_client_snapshot(void *client, void *snapshot)'),
  prometheusText: of('int dlock_prometheus_text(void *client, void *text)'),
  textOfAll: of('int dlock_prometheus_text_of_all(void *clients, void *names, size_t count, void *text)'),
  freeText: of('void dlock_text_free(void *text)'),
  bounds: of('void *dlock_histogram_bounds()'),
  kindName: of('const char *dlock_lease_kind_name(int kind)'),
  wayName: of('const char *dlock_way_name(int way)'),
  lossName: of('const char *dlock_loss_name(int loss)'),
};

const TEXT_BYTES = { group: 64, election: 256 };
const WAYS = 4; // the room for them, for kinds and for losses
const MORE = 16;
const RANGES = 22;

const COUNTERS = [
  'acquired', 'granted', 'passed', 'released', 'lost', 'timedOut', 'renewals', 'reconnects', 'commands',
  'deadlocks', 'held', 'waiting', 'sentBytes', 'receivedBytes', 'droppedEvents',
];
const GROUP_COUNTERS = ['released', 'timedOut', 'deadlocks', 'held', 'waiting'];
const HISTOGRAMS = ['wait', 'hold', 'handoffGap'];

const GROUP_WORDS = TEXT_BYTES.group / 8 + MORE * WAYS + MORE + GROUP_COUNTERS.length + HISTOGRAMS.length * (RANGES + 2);
const ELECTION_BYTES = TEXT_BYTES.election + 4;
const MAX_GROUPS = 66;
const MAX_ELECTIONS = 64;

function namesOf(nameOf) {
  const names = [];
  for (let name; (name = nameOf(names.length)); ) names.push(camel(name));
  return names;
}

// Made when they are first needed: what C writes, and the names and bounds it knows.
let room;
function roomForAll() {
  if (room) return room;
  const stats = new BigUint64Array(1 + COUNTERS.length);
  const groups = new BigUint64Array(MAX_GROUPS * GROUP_WORDS);
  const elections = new Uint8Array(MAX_ELECTIONS * ELECTION_BYTES);
  const snapshot = new BigUint64Array(10);
  stats[0] = BigInt(stats.byteLength);
  snapshot.set([
    snapshot.byteLength, koffi.address(stats), koffi.address(groups), GROUP_WORDS * 8, MAX_GROUPS, 0,
    koffi.address(elections), ELECTION_BYTES, MAX_ELECTIONS, 0,
  ].map(BigInt));
  // One by one: Node.js 18 dies of koffi.view() in a worker that is being terminated.
  const first = native.bounds();
  const bounds = Array.from({ length: RANGES - 1 }, (_, index) => koffi.decode(first, index * 8, 'double'));
  room = {
    stats, groups, elections, snapshot,
    bounds: Object.freeze(bounds.map((seconds) => Math.round(seconds * 10_000) / 10)),
    kinds: namesOf(native.kindName),
    ways: namesOf(native.wayName),
    losses: namesOf(native.lossName),
  };
  return room;
}

/** How long something took, each time. */
class Histogram {
  constructor(bounds, counts, sum) {
    this.bounds = bounds;
    this.counts = counts;
    this.count = counts.reduce((all, one) => all + one, 0);
    this.sum = sum;
  }

  quantile(q) {
    if (!(q >= 0 && q <= 1)) throw new RangeError('q must be a number from 0 to 1');
    let left = q * this.count;
    for (const [range, count] of this.counts.entries()) {
      if (count > 0 && left <= count) {
        const low = range ? this.bounds[range - 1] : 0;
        return low + ((this.bounds[range] ?? low) - low) * (left / count);
      }
      left -= count;
    }
    return this.count ? this.bounds.at(-1) : 0;
  }
}

// Reads word after word.
class Reader {
  #words;
  #index;

  constructor(words, index) {
    this.#words = words;
    this.#index = index;
  }

  number() {
    return Number(this.#words[this.#index++]);
  }

  numbers(count) {
    return Array.from({ length: count }, () => this.number());
  }

  text(bytes) {
    const view = new Uint8Array(this.#words.buffer, this.#words.byteOffset + this.#index * 8, bytes);
    this.#index += bytes / 8;
    return textOf(view);
  }

  histogram(bounds) {
    const counts = this.numbers(RANGES);
    this.#index++; // their sum
    const sum = new Float64Array(this.#words.buffer, this.#words.byteOffset)[this.#index++];
    return new Histogram(bounds, counts, sum * 1000);
  }
}

const decoder = new TextDecoder();
const textOf = (bytes) => decoder.decode(bytes.subarray(0, bytes.indexOf(0)));
const named = (names, values) => Object.fromEntries(names.map((name, index) => [name, values[index]]));

function groupOf(index, { groups, kinds, ways, losses, bounds }) {
  const from = new Reader(groups, index * GROUP_WORDS);
  const group = from.text(TEXT_BYTES.group);
  const acquisitions = Array.from({ length: MORE }, () => from.numbers(WAYS));
  return {
    group,
    acquisitions: named(kinds, acquisitions.map((byWay) => named(ways, byWay))),
    losses: named(losses, from.numbers(MORE)),
    ...named(GROUP_COUNTERS, from.numbers(GROUP_COUNTERS.length)),
    ...named(HISTOGRAMS, HISTOGRAMS.map(() => from.histogram(bounds))),
  };
}

function electionOf(index, { elections }) {
  const bytes = elections.subarray(index * ELECTION_BYTES, (index + 1) * ELECTION_BYTES);
  return { name: textOf(bytes), leads: bytes.subarray(TEXT_BYTES.election).some(Boolean) };
}

function sumOf(histograms, bounds) {
  const counts = Array.from({ length: RANGES }, (_, range) =>
    histograms.reduce((all, { counts: its }) => all + its[range], 0),
  );
  return new Histogram(bounds, counts, histograms.reduce((all, { sum }) => all + sum, 0));
}

/** All statistics of a client, of one moment. */
function statsOf(client) {
  const all = roomForAll();
  check(native.snapshot(client, all.snapshot));
  const { stats, snapshot, bounds } = all;
  const groups = Array.from({ length: Math.min(Number(snapshot[5]), MAX_GROUPS) }, (_, i) => groupOf(i, all));
  const elections = Array.from({ length: Math.min(Number(snapshot[9]), MAX_ELECTIONS) }, (_, i) => electionOf(i, all));
  const histograms = HISTOGRAMS.map((name) => sumOf(groups.map((group) => group[name]), bounds));
  return {
    ...named(COUNTERS, Array.from(stats.subarray(1), Number)),
    ...named(HISTOGRAMS, histograms),
    groups,
    elections,
  };
}

const text = new BigUint64Array(1);

/** The same in Prometheus' text format. */
function exposition(client) {
  check(native.prometheusText(client, text));
  return taken();
}

/** The same of several clients, each by its name. */
function expositionOfAll(clients, names) {
  const texts = names.map((name) => Buffer.from(`${name}\0`));
  const addresses = BigUint64Array.from(texts, (one) => BigInt(koffi.address(one)));
  const status = native.textOfAll(BigUint64Array.from(clients), addresses, clients.length, text);
  texts.length = 0; // not before
  check(status);
  return taken();
}

function taken() {
  try {
    return koffi.decode(text[0], 'char', -1);
  } finally {
    native.freeText(text[0]);
  }
}

module.exports = { Histogram, exposition, expositionOfAll, statsOf };
