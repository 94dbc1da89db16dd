// An Express application on several hosts, in which one request at a time works on an order. Others
// get 409 and may try again.
//
//   DLOCK_URL=redis://locks.example.com PORT=3000 node express_app.mjs
import { appendFile } from 'node:fs/promises';
import process from 'node:process';

import { Client } from 'dlock';
import express from 'express';

process.env.DLOCK_REQUIRE_URL ??= '1'; // without DLOCK_URL: an error, not a server of this host only
const locks = new Client();

/** Middleware: the request holds the lock until it is answered, or its client is gone. */
function locked(nameOf) {
  return async (request, response, next) => {
    const lease = await locks.tryAcquire(nameOf(request), { ttl: 10_000 });
    if (!lease) {
      response.set('Retry-After', '1').status(409).json({ error: 'somebody else works on it' });
      return;
    }
    response.on('close', () => lease.release().catch((error) => console.error(error.message)));
    request.lease = lease;
    next();
  };
}

const app = express();

app.post('/orders/:id/invoice', locked((request) => `order:${request.params.id}`), async (request, response) => {
  const note = (what) => appendFile(process.env.OUTBOX, `${what} ${request.params.id}\n`);
  await note('begin');
  request.lease.ensureHeld(); // throws if the lock was lost; request.lease.lost is an AbortSignal
  await note('end');
  response.json({ fence: String(request.lease.fence) }); // for what refuses a writer that is too late
});

const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`listening on ${server.address().port}`);
});
process.once('SIGTERM', () => server.close(() => locks.close()));
