/// @file
/// Errors: one category, one code for each thing a caller can do something about.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>

#include "dlock/export.h"

namespace dlock {

struct LockInfo;
namespace detail {
class EndedWait;
}

/// The reason of an error, in category `dlock`. "Busy" and "timed out waiting" are results of the
/// `try_*` calls, not errors; `errc::timed_out` is thrown only by calls that must return a lock.
enum class errc {
  usage = 1,       ///< the call itself is wrong: a bad URL, ttl, name, or a recursive lock
  unreachable,     ///< no server answered: connect failed, or a request got no reply in time
  refused,         ///< the server refuses this client: wrong credentials, or a right is missing
  read_only,       ///< the server is a read-only replica
  loading,         ///< the server is still loading its data
  out_of_memory,   ///< the server is at `maxmemory` and may not evict
  not_a_lock,      ///< the key holds something that is not a lock (wrong type)
  store_unusable,  ///< any other state in which the server does not take writes
  timed_out,       ///< the lock was not acquired within the limit of the wait
  cancelled,       ///< a `std::stop_token` ended the wait
  lost,            ///< the lease ended while it was still wanted
  forked,          ///< this process is a fork of the one that made the client
  deadlock,  ///< the wait would be for ever; equal to `std::errc::resource_deadlock_would_occur`
  broken,    ///< a latch or barrier will not open any more for those who wait
  not_replicated,  ///< too few replicas had the lock in time; it was given back
};

/// The category of every error of this library; its name is "dlock". Thread-safe.
[[nodiscard]] DLOCK_API const std::error_category& error_category() noexcept;

/// For `std::error_code{errc}`, and comparisons with an `errc`.
[[nodiscard]] inline std::error_code make_error_code(errc code) noexcept {
  return {static_cast<int>(code), error_category()};
}

/// Base of all exceptions of this library. `code()` tells them apart, `what()` says what happened
/// and what to do about it.
class DLOCK_API Error : public std::system_error {
 public:
  /// `what` stands alone: unlike in `std::system_error`, the message of `code` does not follow it.
  Error(errc code, const std::string& what)
      : std::system_error(make_error_code(code)), text_(what) {}
  /// What went wrong, and what to do about it.
  [[nodiscard]] const char* what() const noexcept override { return text_.what(); }
  /// The code as the enum.
  [[nodiscard]] errc reason() const noexcept { return static_cast<errc>(code().value()); }

 private:
  std::runtime_error text_;  // its copies share the text: copying it cannot fail
};

/// `errc::usage` and `errc::forked`.
class DLOCK_API UsageError : public Error {
 public:
  using Error::Error;
};
/// `errc::unreachable`.
class DLOCK_API Unreachable : public Error {
 public:
  using Error::Error;
};
/// `errc::refused`.
class DLOCK_API Refused : public Error {
 public:
  using Error::Error;
};
/// `errc::read_only`, `loading`, `out_of_memory`, `not_a_lock`, `store_unusable`, `not_replicated`.
class DLOCK_API StoreUnusable : public Error {
 public:
  using Error::Error;
};
/// `errc::timed_out`. `what()` says what the client knew when the wait ended, without asking
/// anybody: the lock, the limit, and the place in the queue.
class DLOCK_API TimedOut : public Error {
 public:
  using Error::Error;
  /// For the library's own classes.
  TimedOut(const std::string& what, std::shared_ptr<const detail::EndedWait> wait)
      : Error(errc::timed_out, what), wait_(std::move(wait)) {}

  /// The place of this client in the queue at the server's last reply, at most 2.5 s before the
  /// wait ended, 1 being next; 0: it was not in the queue, or another thread of this client stood
  /// there for it. How many wait beside it only the server knows: `inspect()` asks.
  [[nodiscard]] std::int64_t place() const noexcept;
  /// The name of the lock that was not free, without the prefix; of `acquire_all` the one for which
  /// the call waited. Empty if that is not known: several locks were only tried, all at once.
  [[nodiscard]] const std::string& name() const noexcept;
  /// Asks the server now who holds the lock, and who waits, as `inspect_lock` does; include
  /// dlock/inspect.hpp. Of several locks that were only tried, it returns the first that is held.
  /// Throws what `inspect_lock` throws, and `UsageError` if the client is gone.
  [[nodiscard]] LockInfo inspect() const;
  /// `what()`, and what `inspect` found, as one line: host, pid, program and label of the holder,
  /// how long it has held the lock, and how many wait. Without the latter if the server does not
  /// answer.
  [[nodiscard]] std::string describe() const;

 private:
  std::shared_ptr<const detail::EndedWait> wait_;
};
/// `errc::cancelled`.
class DLOCK_API Cancelled : public Error {
 public:
  using Error::Error;
};
/// `errc::deadlock`: holders in a ring wait for each other, and this wait gave up; `what()` names
/// the ring. What this thread holds it still holds: give it back, so that the others can go on.
class DLOCK_API Deadlock : public Error {
 public:
  using Error::Error;
};
/// `errc::lost`: what the lock guarded may have been touched by another holder. Stop, and let the
/// resource refuse your late writes by their fence.
class DLOCK_API LockLost : public Error {
 public:
  using Error::Error;
};

/// `errc::broken`: a party of a barrier died or stopped waiting, or the server lost it or a latch.
class DLOCK_API Broken : public Error {
 public:
  using Error::Error;
};

/// Throws the exception class that belongs to `code`.
[[noreturn]] DLOCK_API void throw_error(errc code, const std::string& what);

}  // namespace dlock

/// Lets an `errc` stand for a `std::error_code`.
template <>
struct std::is_error_code_enum<dlock::errc> : std::true_type {};
