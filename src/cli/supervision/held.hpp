// Held: the locks, or the leadership of an election, that a command runs under.
#pragma once

#include <chrono>
#include <span>
#include <stop_token>
#include <variant>

#include "dlock/acquire_all.hpp"
#include "dlock/leadership.hpp"

namespace dlock::cli {

/// Move-only. Each member calls the one of the same name of the locks or the leadership.
class Held {
 public:
  explicit Held(Leases locks) : what_(std::move(locks)) {}
  explicit Held(Leadership leadership) : what_(std::move(leadership)) {}

  [[nodiscard]] std::span<const Lease> leases() const noexcept;
  [[nodiscard]] std::stop_token lost() const;
  [[nodiscard]] std::chrono::milliseconds valid_for() const noexcept;
  void ensure_held() const;
  /// Releases all locks, or resigns. Throws as these calls do.
  void release();

 private:
  std::variant<Leases, Leadership> what_;
};

}  // namespace dlock::cli
