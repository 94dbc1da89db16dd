// BackgroundTask: slow work on a thread of its own. The thread that renews leases must not wait for
// a name server, a handshake, or a server that does not answer.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "runtime/background_thread.hpp"

namespace dlock::runtime {

/// One at a time. Not thread-safe. Destruction does not wait for it.
template <class Result>
class BackgroundTask {
 public:
  /// Begins `run`, which must not throw. Calls `wake` on the task's thread when it has ended. If no
  /// thread can start, `no_thread` makes the result.
  void start(std::function<Result()> run,
             const std::function<Result(const std::string&)>& no_thread,
             std::function<void()> wake) {
    under_way_ = std::make_shared<UnderWay>();
    const auto finish = [under_way = under_way_, wake = std::move(wake)](Result result) {
      {
        const std::lock_guard lock{under_way->mutex};
        under_way->result = std::move(result);
      }
      wake();
    };
    try {
      background_thread([run = std::move(run), finish] { finish(run()); }).detach();
    } catch (const std::exception& error) {
      finish(no_thread(error.what()));
    }
  }
  [[nodiscard]] bool is_busy() const { return under_way_ != nullptr; }
  /// The result, once, when it is there.
  [[nodiscard]] std::optional<Result> take() {
    if (!under_way_) {
      return std::nullopt;
    }
    std::optional<Result> result;
    {
      const std::lock_guard lock{under_way_->mutex};
      result = std::move(under_way_->result);
    }
    if (result) {
      under_way_.reset();
    }
    return result;
  }
  /// Drops the result.
  void abandon() { under_way_.reset(); }

 private:
  struct UnderWay {
    std::mutex mutex;
    std::optional<Result> result;
  };
  std::shared_ptr<UnderWay> under_way_;
};

}  // namespace dlock::runtime
