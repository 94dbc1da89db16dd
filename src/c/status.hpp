// The border to C: no exception crosses it; it becomes a status, and a message of the thread.
#pragma once

#include <string_view>
#include <utility>

#include "dlock/dlock.h"
#include "dlock/error.hpp"

namespace dlock::c {

/// Of the exception being handled. Keeps its message for `dlock_last_error()`.
dlock_status status_of_exception() noexcept;
/// Throws `UsageError` for what is null.
void require(bool is_given, const char* name);

/// Runs `function`, and says how that went.
template <class Function>
dlock_status guarded(Function function) noexcept {
  try {
    std::move(function)();
    return DLOCK_OK;
  } catch (...) {
    return status_of_exception();
  }
}

}  // namespace dlock::c
