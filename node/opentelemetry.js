// Spans of OpenTelemetry from the events of a client.
'use strict';

const { ROOT_CONTEXT, SpanStatusCode, trace } = require('@opentelemetry/api');

const { version } = require('./index.js');

// By the kind of event: the name of the span, and the member that has its duration.
const SPANS = {
  acquired: ['dlock acquire', 'waited'],
  timedOut: ['dlock acquire', 'waited'],
  deadlock: ['dlock acquire', 'waited'],
  waiting: ['dlock wait', 'waited'],
  released: ['dlock hold', 'held'],
  lost: ['dlock hold', 'held'],
  deposed: ['dlock lead', 'held'],
};
const FAILURES = ['timedOut', 'deadlock'];
const snake = (text) => text.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

// Seconds and nanoseconds: a number might be taken for one of performance.now().
const hrTime = (ms) => [Math.floor(ms / 1000), Math.floor((ms % 1000) * 1e6)];
const decoder = new TextDecoder();
const textOf = (name) => (typeof name === 'string' ? name : decoder.decode(name));

function attributesOf({ name, lock, fence, way, place, waiters, holder }, error) {
  const attributes = {
    'dlock.lock.name': textOf(name),
    'dlock.lock.kind': lock,
    'dlock.fence': fence?.toString(), // it outgrows a number
    'dlock.way': way,
    'dlock.place': place || null,
    'dlock.waiters': waiters,
    'dlock.holder.host': holder?.host,
    'dlock.holder.pid': holder?.pid,
    'dlock.holder.program': holder?.program,
    'dlock.holder.label': holder?.label,
    'error.type': error && snake(error),
  };
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value != null));
}

/** An `onEvent` that makes spans. */
function spans({ tracer = trace.getTracer('dlock', version), context = () => ROOT_CONTEXT } = {}) {
  return (event) => {
    const [name, duration] = SPANS[event.kind] ?? [];
    if (!name) return;
    const error = FAILURES.includes(event.kind) ? event.kind : event.reason;
    const startTime = hrTime(event.at - event[duration]);
    const span = tracer.startSpan(name, { startTime, attributes: attributesOf(event, error) }, context(event));
    if (error) span.setStatus({ code: SpanStatusCode.ERROR, message: event.text });
    span.end(hrTime(event.at));
  };
}

module.exports = { spans };
