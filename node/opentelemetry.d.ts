// Spans of OpenTelemetry from the events of a client. Needs `@opentelemetry/api`.
import type { Context, Tracer } from '@opentelemetry/api';

import type { LockEvent } from './index.js';

export interface SpanOptions {
  /** Makes the spans; the tracer `dlock` of the global provider. */
  tracer?: Tracer;
  /** The context of the span's parent: an event belongs to no call. Without it, spans have no parent. */
  context?: (event: LockEvent) => Context;
}

/** An `onEvent` for a `Client`, which makes each span when that is over: `dlock acquire` from a call to
 * its lease, time-out or deadlock; `dlock hold` from a lease to its release or loss; `dlock lead`
 * likewise, of a leadership; and `dlock wait` from a call until it has waited for `slowWait`, with the
 * holder. */
export function spans(options?: SpanOptions): (event: LockEvent) => void;
