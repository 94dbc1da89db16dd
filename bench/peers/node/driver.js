// Driver of the Node.js peers: redlock and redis-semaphore. Protocol: bench/driver.py.
'use strict';

const fs = require('fs');
const readline = require('readline');
const Redis = require('ioredis');
const Redlock = require('redlock');
const { Mutex } = require('redis-semaphore');

const now = () => process.hrtime.bigint(); // CLOCK_MONOTONIC
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Each makes a function that acquires a name and returns the function that releases it.
const subjects = {
  redlock: (client, ttl) => {
    const redlock = new Redlock([client], { retryCount: -1 }); // its own delay, without a limit
    return async (name) => {
      const lock = await redlock.lock(name, ttl);
      return () => lock.unlock();
    };
  },
  'redis-semaphore': (client, ttl) => async (name) => {
    const mutex = new Mutex(client, name, { lockTimeout: ttl, acquireTimeout: 3600000 });
    await mutex.acquire();
    return () => mutex.release();
  },
};

class Run {
  constructor(url, subject, mode, name, workers, count, hold, ttl, file) {
    this.client = new Redis(url);
    this.acquire = subjects[subject](this.client, Number(ttl));
    Object.assign(this, { own: mode === 'own', name, workers: Number(workers), file });
    Object.assign(this, { count: Number(count), hold: Number(hold), samples: [], errors: 0 });
  }

  async arm() {
    for (let worker = 0; worker < this.workers; ++worker) {
      const release = await this.acquire(`warm:${process.pid}:${worker}`);
      await release();
    }
  }

  async work(worker, end) {
    const name = this.own ? `${this.name}:${process.pid}:${worker}` : this.name;
    for (let done = 0; (!this.count || done < this.count) && now() < end; ++done) {
      try {
        const asked = now();
        const release = await this.acquire(name);
        const acquired = now();
        if (this.hold) await pause(this.hold);
        const releasing = now();
        await release();
        this.samples.push(BigInt(worker), asked, acquired, releasing, now());
      } catch (error) {
        ++this.errors;
        console.error(String(error));
      }
    }
  }

  async go(begin, end) {
    const wait = Number(begin - now()) / 1e6;
    if (wait > 0) await pause(wait);
    await Promise.all(Array.from({ length: this.workers }, (_, worker) => this.work(worker, end)));
    fs.writeFileSync(this.file, Buffer.from(BigInt64Array.from(this.samples).buffer));
    this.client.disconnect();
    return this.samples.length / 5;
  }
}

async function main(url) {
  console.log('ready');
  let run;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const words = line.trim().split(' ');
    if (words[0] === 'start') {
      run = new Run(url, ...words.slice(1));
      await run.arm();
      console.log('armed');
    } else if (words[0] === 'go') {
      const acquired = await run.go(BigInt(words[1]), BigInt(words[2]));
      console.log(`done ${acquired} ${run.errors}`);
    }
  }
}

main(process.argv[2]);
