// Group: several locks at once, all of them or none, for one user.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "simulation/process.hpp"

namespace dlock::sim {

/// Like the library, it gives back what it got if that is not all, and all when one is lost.
class Group final : public Caller {
 public:
  /// Calls `then` when it has given everything back, and `refused` when it did not obtain one.
  Group(Stage& stage, Process& process, std::function<void(const core::Refusal&)> refused,
        std::function<void()> then)
      : stage_(stage), process_(process), on_refused_(std::move(refused)), then_(std::move(then)) {}

  /// `wishes` have different names. Holds what it obtains for `hold`.
  void ask(const std::vector<core::AcquireRequest>& wishes, Duration hold);
  /// Ends the wait, if it is the one of `round`.
  void cancel(int round);
  [[nodiscard]] int round() const { return round_; }

  // Caller
  void obtained(std::shared_ptr<core::LeaseRecord> lease) override;
  void refused(const core::Refusal& refusal) override;
  void lost(core::LeaseId lease) override;
  void released(core::LeaseId lease, core::Released::Kind kind) override;

 private:
  enum class State { idle, waiting, holding, releasing };
  void answered();
  void let_go_in(Duration delay);
  void let_go();

  Stage& stage_;
  Process& process_;
  std::function<void(const core::Refusal&)> on_refused_;
  std::function<void()> then_;
  State state_ = State::idle;
  int round_ = 0;
  Duration hold_{};
  std::vector<core::WaiterId> waiters_;
  std::vector<std::shared_ptr<core::LeaseRecord>> leases_;
  std::size_t open_ = 0;  ///< answers to come
  bool complete_ = false;
};

}  // namespace dlock::sim
