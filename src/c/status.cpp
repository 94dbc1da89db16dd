// Statuses, their names, and the last failure of each thread.
#include "c/status.hpp"

#include <array>
#include <cstddef>
#include <exception>
#include <new>
#include <string>

#include "dlock/version.hpp"
#include "runtime/of_thread.hpp"

namespace dlock::c {
namespace {

constexpr std::array names{"DLOCK_OK",
                           "DLOCK_USAGE",
                           "DLOCK_UNREACHABLE",
                           "DLOCK_REFUSED",
                           "DLOCK_READ_ONLY",
                           "DLOCK_LOADING",
                           "DLOCK_OUT_OF_MEMORY",
                           "DLOCK_NOT_A_LOCK",
                           "DLOCK_STORE_UNUSABLE",
                           "DLOCK_TIMED_OUT",
                           "DLOCK_CANCELLED",
                           "DLOCK_LOST",
                           "DLOCK_FORKED",
                           "DLOCK_DEADLOCK",
                           "DLOCK_BROKEN",
                           "DLOCK_NOT_REPLICATED"};

// The numbers of both enumerations are the same.
static_assert(DLOCK_USAGE == static_cast<int>(errc::usage));
static_assert(DLOCK_OUT_OF_MEMORY == static_cast<int>(errc::out_of_memory));
static_assert(DLOCK_LOST == static_cast<int>(errc::lost));
static_assert(DLOCK_BROKEN == static_cast<int>(errc::broken));
static_assert(DLOCK_NOT_REPLICATED == static_cast<int>(errc::not_replicated));
static_assert(names.size() == DLOCK_NOT_REPLICATED + 1);

dlock_status fail(dlock_status status, const char* what, std::int64_t place = 0,
                  const std::string& lock = {}) noexcept {
  try {
    auto& last = runtime::of_thread<Failure>();
    last.place = place;
    last.lock.clear();
    last.what = what;
    last.lock = lock;
  } catch (const std::exception&) {
    return status;  // it has to do
  }
  return status;
}

}  // namespace

const Failure& last_failure() { return runtime::of_thread<Failure>(); }

dlock_status status_of_exception() noexcept {
  try {
    throw;
  } catch (const TimedOut& error) {
    return fail(DLOCK_TIMED_OUT, error.what(), error.place(), error.name());
  } catch (const Error& error) {
    return fail(static_cast<dlock_status>(error.code().value()), error.what());
  } catch (const std::exception& error) {
    return fail(DLOCK_SYSTEM, error.what());
  } catch (...) {
    return fail(DLOCK_SYSTEM, "an unknown error");
  }
}

void require(bool is_given, const char* name) {
  if (!is_given) {
    throw_error(errc::usage, std::string{name} + " is NULL");
  }
}

}  // namespace dlock::c

const char* dlock_status_name(dlock_status status) {
  const auto number = static_cast<std::size_t>(status);
  return number < dlock::c::names.size() ? dlock::c::names[number]
         : status == DLOCK_SYSTEM        ? "DLOCK_SYSTEM"
                                         : "DLOCK_UNKNOWN";
}

const char* dlock_last_error(void) {
  try {
    return dlock::c::last_failure().what.c_str();
  } catch (const std::bad_alloc&) {
    return "out of memory";
  }
}

std::int64_t dlock_last_place(void) {
  try {
    return dlock::c::last_failure().place;
  } catch (const std::bad_alloc&) {
    return 0;
  }
}

const char* dlock_last_lock(std::size_t* length) {
  const std::string* lock = nullptr;
  try {
    lock = &dlock::c::last_failure().lock;
  } catch (const std::bad_alloc&) {
    lock = nullptr;
  }
  if (length != nullptr) {
    *length = lock != nullptr ? lock->size() : 0;
  }
  return lock != nullptr ? lock->c_str() : "";
}

const char* dlock_version(void) { return DLOCK_VERSION; }
