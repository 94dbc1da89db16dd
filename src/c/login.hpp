// A question for credentials, and its answer, which may come later and on another thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "dlock/dlock.h"
#include "dlock/options.hpp"

namespace dlock::c {

/// Thread-safe.
class LoginQuestion {
 public:
  void answer(Credentials credentials);
  void refuse(std::string why);
  /// Returns the answer. Throws `Unreachable` if it is a refusal, or does not come in time.
  [[nodiscard]] Credentials await(std::chrono::milliseconds time);

 private:
  std::mutex mutex_;
  std::condition_variable answered_;
  std::optional<Credentials> credentials_;
  std::string refusal_;
};

/// Asks, and returns false when there is nobody to ask.
using AskForLogin = std::function<bool(const std::shared_ptr<LoginQuestion>&)>;

/// A function that asks by `ask`, and waits for the answer for `time`.
[[nodiscard]] CredentialsFunction credentials_by(AskForLogin ask, std::chrono::milliseconds time);

}  // namespace dlock::c

struct dlock_login {
  std::shared_ptr<dlock::c::LoginQuestion> question;
};
