// Held: what a command runs under: locks, or the leadership of an election.
#pragma once

#include <chrono>
#include <span>
#include <stop_token>
#include <variant>

#include "dlock/acquire_all.hpp"
#include "dlock/leadership.hpp"

namespace dlock::cli {

/// Move-only. Each member is that of the same name of what is held.
class Held {
 public:
  explicit Held(Leases locks) : what_(std::move(locks)) {}
  explicit Held(Leadership leadership) : what_(std::move(leadership)) {}

  [[nodiscard]] std::span<const Lease> leases() const noexcept;
  [[nodiscard]] std::stop_token lost() const;
  [[nodiscard]] std::chrono::milliseconds valid_for() const noexcept;
  void ensure_held() const;
  /// Gives all back; a leader resigns. Throws as these.
  void release();

 private:
  std::variant<Leases, Leadership> what_;
};

}  // namespace dlock::cli
