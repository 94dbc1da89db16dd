// How far apart two cores are.
#pragma once

namespace dlock::bench {

/// How many nanoseconds a cache line needs from one core to the other and back, at best. It
/// measures for some milliseconds. The calling thread stays on `one`. Throws if a core may not be
/// used.
double distance_ns(int one, int other);

}  // namespace dlock::bench
