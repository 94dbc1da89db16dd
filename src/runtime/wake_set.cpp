// Sleeping on a bit of a futex.
#include "runtime/wake_set.hpp"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

namespace dlock::runtime {
namespace {

void sleep(const std::atomic<std::uint32_t>& word, std::uint32_t seen, std::uint32_t bits) {
  ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, seen, nullptr, nullptr, bits);
}

// syscall() is no cancellation point, so this makes it one as the C library does for its own. A
// cancelled thread may be at any instruction here: so there is nothing to be destroyed, by the
// thread sanitizer or the coverage counters neither, and it is not inlined.
__attribute__((noinline, no_sanitize("thread"), no_profile_instrument_function)) void
sleep_cancellably(const std::atomic<std::uint32_t>& word, std::uint32_t seen, std::uint32_t bits) {
  int type = 0;
  // NOLINTNEXTLINE(concurrency-thread-canceltype-asynchronous)
  ::pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
  sleep(word, seen, bits);
  ::pthread_setcanceltype(type, nullptr);
  // A signal that ends the thread may be under way, and would end it at its next call of the
  // system, where it must not be cancelled. A cancellation point of the C library waits for that
  // signal.
  static_cast<void>(::read(-1, nullptr, 0));
}

}  // namespace

void WakeSet::add(Sleeper& sleeper) {
  for (std::size_t tried = 0; tried < futexes_.size(); ++tried) {
    if (futexes_[last_]->free != 0) break;
    last_ = last_ + 1 == futexes_.size() ? 0 : last_ + 1;
  }
  if (futexes_.empty() || futexes_[last_]->free == 0) {
    last_ = futexes_.size();
    futexes_.push_back(std::make_unique<Futex>());
  }
  auto& futex = *futexes_[last_];
  const std::uint32_t free = futex.free;
  const auto bit = free & (~free + 1);  // the lowest
  futex.free.fetch_and(~bit);
  sleeper.place_ = {&futex, bit};
  sleeper.raised_ = 0;
}

void WakeSet::forget(Sleeper& sleeper) noexcept {
  sleeper.place_.futex->free.fetch_or(sleeper.place_.bits);
}

void WakeSet::raise(Sleeper& sleeper, std::uint32_t what) {
  const auto place = sleeper.place_;
  const auto same = std::find_if(raised_.begin(), raised_.end(),
                                 [&](const Place& other) { return other.futex == place.futex; });
  if (same != raised_.end()) {
    same->bits |= place.bits;
  } else {
    raised_.push_back(place);
  }
  sleeper.raised_.store(what, std::memory_order_release);  // from now on it may be gone
  place.futex->wakes.fetch_add(1, std::memory_order_release);
}

void WakeSet::wake(const Batch& batch) noexcept {
  for (const auto& [futex, bits] : batch) {
    ::syscall(SYS_futex, &futex->wakes, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, nullptr, nullptr, bits);
  }
}

std::uint32_t WakeSet::await(Sleeper& sleeper, bool is_cancellable) {
  const auto [futex, bits] = sleeper.place_;
  for (;;) {
    const auto seen = futex->wakes.load(std::memory_order_acquire);
    if (const auto what = sleeper.raised_.load(std::memory_order_acquire); what != 0) {
      forget(sleeper);
      return what;
    }
    is_cancellable ? sleep_cancellably(futex->wakes, seen, bits) : sleep(futex->wakes, seen, bits);
  }
}

}  // namespace dlock::runtime
