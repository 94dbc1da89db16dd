// The groups under which locks are counted. The library calls no JavaScript: it gets them beforehand.
'use strict';

const { Buffer } = require('node:buffer');

const koffi = require('koffi');

// So long that V8 does not move it.
const WORDS = 16;

class Groups {
  #groupOf;

  /** What dlock_group_next() reads. */
  next = new BigUint64Array(WORDS);

  constructor(groupOf) {
    this.#groupOf = groupOf;
  }

  /** Calls `make`, which makes locks of these names. */
  during(names, make) {
    const texts = Buffer.from(names.map((name) => `${this.#textOf(name)}\0`).join(''));
    this.next[0] = BigInt(koffi.address(texts));
    try {
      return make();
    } finally {
      this.next[0] = 0n;
      texts.fill(0); // it lived until here
    }
  }

  #textOf(name) {
    const group = this.#groupOf(name);
    if (typeof group === 'string') return group.replaceAll('\0', '');
    throw new TypeError('group must return a string');
  }
}

module.exports = { Groups };
