// Driver of what locks in Node.js: dlock, redlock and redis-semaphore. Protocol: bench/driver.py.
'use strict';

const fs = require('fs');
const readline = require('readline');

const now = () => process.hrtime.bigint(); // CLOCK_MONOTONIC
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function connect(url) {
  const Redis = require('ioredis');
  return new Redis(url.replace('redis+unix://', '')); // a path is that of a unix socket
}

// Each makes what closes it, and a function that acquires a name and returns the function that
// releases it. They load late: dlock is installed apart from its peers.
const subjects = {
  'dlock-node': async (url, ttl) => {
    const { Client } = await import('dlock');
    const client = new Client(url);
    const acquire = async (name) => {
      const lease = await client.acquire(name, { ttl });
      return () => lease.release();
    };
    return { acquire, close: () => client.close() };
  },
  redlock: async (url, ttl) => {
    const Redlock = require('redlock');
    const client = connect(url);
    const redlock = new Redlock([client], { retryCount: -1 }); // its own delay, without a limit
    const acquire = async (name) => {
      const lock = await redlock.lock(name, ttl);
      return () => lock.unlock();
    };
    return { acquire, close: () => client.disconnect() };
  },
  'redis-semaphore': async (url, ttl) => {
    const { Mutex } = require('redis-semaphore');
    const client = connect(url);
    const acquire = async (name) => {
      const mutex = new Mutex(client, name, { lockTimeout: ttl, acquireTimeout: 3600000 });
      await mutex.acquire();
      return () => mutex.release();
    };
    return { acquire, close: () => client.disconnect() };
  },
};

class Run {
  constructor(subject, mode, name, workers, count, hold, ttl, file) {
    Object.assign(this, { subject, own: mode === 'own', name, workers: Number(workers), file });
    Object.assign(this, { count: Number(count), hold: Number(hold), ttl: Number(ttl) });
    Object.assign(this, { samples: [], errors: 0 });
  }

  async arm(url) {
    Object.assign(this, await subjects[this.subject](url, this.ttl));
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
    await this.close();
    return this.samples.length / 5;
  }
}

async function main(url) {
  console.log('ready');
  let run;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const words = line.trim().split(' ');
    if (words[0] === 'start') {
      run = new Run(...words.slice(1));
      await run.arm(url);
      console.log('armed');
    } else if (words[0] === 'go') {
      const acquired = await run.go(BigInt(words[1]), BigInt(words[2]));
      console.log(`done ${acquired} ${run.errors}`);
    }
  }
}

main(process.argv[2]);
