// The border to C: no exception crosses it; it becomes a status, and the last failure of the
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "dlock/dlock.h"
#include "dlock/error.hpp"
#include "runtime/cancellation.hpp"

namespace dlock::c {

/// What is known of a thread's last call that failed.
struct Failure {
  std::string what{};
  std::int64_t place = 0;  ///< of a wait that ran out: see `TimedOut::place`
  std::string lock{};      ///< ... and see `TimedOut::name`
};
[[nodiscard]] const Failure& last_failure();

/// The status of the exception being handled, which becomes the thread's last failure.
dlock_status status_of_exception() noexcept;
/// Throws `UsageError` for what is null.
void require(bool is_given, const char* name);

/// Runs `function`, and says how that went.
template <class Function>
dlock_status guarded(Function function) noexcept {
  const runtime::Cancellation none{PTHREAD_CANCEL_DISABLE};  // C frames are not to be unwound
  try {
    std::move(function)();
    return DLOCK_OK;
  } catch (...) {
    return status_of_exception();
  }
}

/// The same for what makes something: `*made` is what `function` returns, or NULL.
template <class Handle, class Function>
dlock_status make(Handle** made, const char* name, Function function) noexcept {
  return guarded([&] {
    require(made != nullptr, name);
    *made = nullptr;
    *made = std::move(function)();
  });
}

}  // namespace dlock::c
