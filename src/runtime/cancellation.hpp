// When a thread may be ended with pthread_cancel().
#pragma once

#include <pthread.h>

namespace dlock::runtime {

/// The calling thread's cancellation is `state` as long as this lives.
class Cancellation {
 public:
  explicit Cancellation(int state) noexcept { ::pthread_setcancelstate(state, &before_); }
  ~Cancellation() { ::pthread_setcancelstate(before_, nullptr); }
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;
  [[nodiscard]] int before() const noexcept { return before_; }

 private:
  int before_ = PTHREAD_CANCEL_ENABLE;
};

}  // namespace dlock::runtime
