// SharedQuestion: one call of the user's function for credentials at a time, whose answer all
// share.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <utility>

#include "dlock/options.hpp"

namespace dlock::detail {

/// Thread-safe. So a function that hangs holds up one thread, and a client that connects to several
/// servers asks once.
class SharedQuestion {
 public:
  SharedQuestion(CredentialsFunction function, std::chrono::milliseconds timeout)
      : function_(std::move(function)), timeout_(timeout) {}

  /// Returns what the function returns, now or on the thread that is asking it. Throws what it
  /// throws, and `Unreachable` when that takes longer than the timeout.
  [[nodiscard]] Credentials ask();

 private:
  Credentials note(Credentials credentials, std::exception_ptr problem);
  [[nodiscard]] Credentials shared() const;

  const CredentialsFunction function_;
  const std::chrono::milliseconds timeout_;
  std::mutex mutex_;
  std::condition_variable answered_;
  bool is_asking_ = false;
  std::uint64_t answers_ = 0;
  Credentials credentials_;
  std::exception_ptr problem_;  ///< in place of them
};

}  // namespace dlock::detail
