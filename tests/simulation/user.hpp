// User: one thread that takes locks, works while they are valid, and gives them back.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "simulation/group.hpp"
#include "simulation/process.hpp"

namespace dlock::sim {

/// The longest time for which a holder keeps others out after its release.
inline constexpr Duration max_hold_off = std::chrono::milliseconds{200};

/// Honest: it acts only while its lease has validity left, and releases it in any case.
class User final : public Caller {
 public:
  enum class Kind : std::uint8_t {
    any,
    constant_reader,  ///< takes a reader-writer lock again and again; tests that writers get it
  };
  User(Stage& stage, Process& process, Kind kind, int rounds);

  [[nodiscard]] Kind kind() const { return kind_; }

  void begin();
  /// Takes at most this number of further locks.
  void limit(int rounds);
  [[nodiscard]] bool done() const { return state_ == State::done || !process_.alive(); }
  [[nodiscard]] bool waits() const { return state_ == State::waiting && process_.alive(); }
  [[nodiscard]] std::string describe() const;
  /// Whether waits may fail because of what goes wrong around them.
  void may_fail(bool may) { may_fail_ = may; }

  // Caller
  void obtained(std::shared_ptr<core::LeaseRecord> lease) override;
  void refused(const core::Refusal& refusal) override;
  void lost(core::LeaseId lease) override;
  void released(core::LeaseId lease, core::Released::Kind kind) override;

 private:
  enum class State { thinking, waiting, holding, releasing, done };
  void next();
  void ask();
  void ask_for_several();
  void choose_permits();
  void choose_limits();
  [[nodiscard]] Duration choose_hold();
  void upgrade();
  void downgrade();
  void let_go(core::LeaseId lease);
  void give_back();
  void check(const core::Refusal& refusal) const;
  [[nodiscard]] core::Instant soon() const;

  Stage& stage_;
  Process& process_;
  Random random_;
  Kind kind_;
  int rounds_;
  bool may_fail_ = true;
  State state_ = State::thinking;
  core::WaiterId waiter_ = 0;
  Time asked_{};
  core::AcquireRequest wish_;
  std::shared_ptr<core::LeaseRecord> lease_;
  std::shared_ptr<core::LeaseRecord> base_;  ///< of an upgrade: what was held before
  Group group_;
};

}  // namespace dlock::sim
