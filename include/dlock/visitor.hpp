/// @file
/// Visitor: the event loop of a program reads the answers of its asynchronous calls itself.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>

#include "dlock/async.hpp"
#include "dlock/export.h"
#include "dlock/lease.hpp"
#include "dlock/lease_source.hpp"

namespace dlock::detail {

class Visits;

/// For packages of other languages. One thread at a time begins calls and takes their answers; no
/// other thread is woken on the way. It reads the sockets of the clients of its calls, unless
/// another visitor does, for as long as calls are under way.
class DLOCK_API Visitor {
 public:
  /// Throws std::system_error when there are no descriptors left.
  Visitor();
  /// Runs the handlers that were not taken. Later ones run on the callback threads of their
  /// clients.
  ~Visitor();
  Visitor(const Visitor&) = delete;
  Visitor& operator=(const Visitor&) = delete;

  /// Is readable while there is something to take.
  [[nodiscard]] int descriptor() const noexcept;
  /// Makes it readable until the next `take`, unless `take` goes on. Any thread may call this.
  void wake() noexcept;
  /// Reads what has come, and runs the handlers of calls that were answered. Does not block.
  void take();

  /// As `LeaseSource::async_try_acquire_for`; without a limit as `async_acquire`.
  void acquire(const LeaseSource& from, std::optional<std::chrono::milliseconds> limit,
               AcquireHandler handler, const std::stop_token& stop);
  /// As `async_release`.
  void release(Lease lease, ReleaseHandler handler);

 private:
  std::shared_ptr<Visits> visits_;
};

}  // namespace dlock::detail
