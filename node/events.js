// What happens to the locks of a client: the dlock_lock_event of the C interface as an object.
'use strict';

const koffi = require('koffi');

const { bytesAt, of } = require('./library.js');
const { camel } = require('./looking.js');

const nameOf = {
  event: of('const char *dlock_lock_event_kind_name(int kind)'),
  kind: of('const char *dlock_lease_kind_name(int kind)'),
  way: of('const char *dlock_way_name(int way)'),
  loss: of('const char *dlock_loss_name(int loss)'),
};

const BYTES = 144;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function bytesOrText(bytes) {
  try {
    return decoder.decode(bytes);
  } catch {
    return bytes; // it is no text
  }
}

/** Of the pointer to it, which is valid during the call. */
function lockEventOf(pointer) {
  const event = bytesAt(pointer, BYTES);
  const view = new DataView(event.buffer, event.byteOffset, BYTES);
  const whole = (offset) => Number(view.getBigInt64(offset, true));
  const micros = (offset) => whole(offset) / 1000;
  const text = (offset) => {
    const address = view.getBigUint64(offset, true);
    return address ? koffi.decode(address, 'char', -1) : null;
  };
  const numberOr = (offset, none) => (whole(offset) === none ? null : whole(offset));
  const given = (offset, name) => (view.getInt32(offset, true) < 0 ? null : camel(name(view.getInt32(offset, true))));
  const bytes = new Uint8Array(bytesAt(view.getBigUint64(16, true), whole(24)));
  const kind = camel(nameOf.event(view.getInt32(8, true)));
  const fence = view.getBigInt64(40, true);
  const host = text(88);
  return {
    kind,
    name: bytesOrText(bytes),
    lock: nameOf.kind(view.getInt32(12, true)),
    at: micros(32),
    fence: fence || null,
    way: given(48, nameOf.way),
    reason: given(52, nameOf.loss),
    waited: micros(56),
    held: micros(64),
    place: whole(72),
    waiters: numberOr(80, -1),
    holder: host === null ? null : { host, program: text(96), label: text(104), pid: whole(112), heldFor: whole(120) },
    text: text(128),
    dropped: whole(136),
  };
}

module.exports = { lockEventOf };
