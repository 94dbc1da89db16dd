// Spans from the events of a client. Run by package_test.py.
import assert from 'node:assert/strict';
import process from 'node:process';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { Client, Election, version } from 'dlock';
import { spans } from 'dlock/opentelemetry';
import { Server, lose } from 'dlock/testing';

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const server = new Server();
after(() => server.close());

const inMs = ([seconds, nanoseconds]) => seconds * 1000 + nanoseconds / 1e6;
const { ERROR, UNSET } = SpanStatusCode;

test('spans have the times of waits and holds, and say what went wrong', async (t) => {
  trace.setGlobalTracerProvider(provider);
  t.after(() => trace.disable());
  const began = Date.now();
  let reports = 0;
  const toSpan = spans();
  const onEvent = (event) => {
    reports += Number(event.kind === 'waiting');
    toSpan(event);
  };
  const client = new Client(server.url, { onEvent, slowWait: 20 });
  const parent = { traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 1 };
  const context = ({ name }) => trace.setSpanContext(ROOT_CONTEXT, name === 'a' ? parent : undefined);
  const others = spans({ tracer: trace.getTracer('mine'), context });
  const holder = new Client(server.url, { label: 'nightly', onEvent: others });
  const held = await holder.acquire('a');
  await client.acquire('a', { wait: 50 }).catch(() => {});
  const next = client.acquire('a');
  while (!reports || (await holder.inspectLock('a')).waiters.length === 0) await sleep(5);
  await held.release();
  const lease = await next;
  await sleep(20);
  await lease.release();
  const lost = await client.acquire('b', { shared: true });
  await lose(client, lost);
  await lost.release().catch(() => {});
  await (await new Election(client, 'e').campaign()).resign();
  await Promise.all([client.close(), holder.close()]);
  const ended = Date.now();

  const all = exporter.getFinishedSpans();
  const own = all.filter(({ instrumentationScope: { name } }) => name === 'dlock');
  const theirs = all.filter((span) => !own.includes(span));
  assert.deepEqual(theirs.map(({ name }) => name), ['dlock acquire', 'dlock hold']);
  assert.deepEqual(theirs.map(({ parentSpanContext: { spanId } }) => spanId), Array(2).fill(parent.spanId));
  assert.equal(own[0].instrumentationScope.version, version);
  for (const { startTime, endTime, parentSpanContext, attributes } of own) {
    assert.ok(inMs(startTime) >= began - 5 && inMs(endTime) <= ended + 5 && inMs(endTime) >= inMs(startTime));
    assert.equal(parentSpanContext, undefined);
    assert.match(attributes['dlock.lock.name'], /^[abe]$/);
  }
  const slow = own.filter(({ name }) => name === 'dlock wait');
  assert.ok(slow.length >= 1);
  assert.equal(slow[0].attributes['dlock.holder.label'], 'nightly');
  assert.equal(slow[0].attributes['dlock.holder.pid'], process.pid);

  const usual = own.filter((span) => !slow.includes(span));
  assert.deepEqual(usual.map(({ name, status }) => [name, status.code]), [
    ['dlock acquire', ERROR], // timed out
    ['dlock acquire', UNSET], ['dlock hold', UNSET],
    ['dlock acquire', UNSET], ['dlock hold', ERROR], // lost
    ['dlock acquire', UNSET], ['dlock lead', UNSET], ['dlock hold', UNSET],
  ]);
  const [timedOut, acquired, released, reader, loss] = usual;
  assert.ok(inMs(timedOut.duration) >= 50);
  assert.equal(timedOut.attributes['error.type'], 'timed_out');
  assert.match(timedOut.status.message, /"a" not acquired within/);
  assert.deepEqual(acquired.attributes, {
    'dlock.lock.name': 'a', 'dlock.lock.kind': 'mutex', 'dlock.fence': String(lease.fence), 'dlock.way': 'grant',
  });
  assert.ok(inMs(released.duration) >= 19);
  assert.equal(reader.attributes['dlock.lock.kind'], 'reader');
  assert.equal(loss.attributes['error.type'], 'broken');
});
