// Waiting for a descriptor until a deadline.
#include "runtime/deadline.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>

namespace dlock::runtime {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

bool wait_for(int fd, short events, Deadline deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd entry{fd, events, 0};
    const auto span = std::min<milliseconds::rep>(left.count(), 1'000'000);
    const int ready = ::poll(&entry, 1, static_cast<int>(span));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR && errno != EAGAIN) return true;  // the next call on fd tells
  }
}

}  // namespace dlock::runtime
