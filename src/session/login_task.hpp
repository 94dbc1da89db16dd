// LoginTask: asks the user's function for new credentials, on a thread of its own.
#pragma once

#include <functional>
#include <string>

#include "dlock/options.hpp"
#include "redis/login.hpp"
#include "runtime/background_task.hpp"

namespace dlock::detail {

/// What the function returned, or why it did not.
struct Asked {
  Credentials credentials;
  std::string problem;  ///< empty: there is none
};

/// One question at a time. Not thread-safe.
class LoginTask : public runtime::BackgroundTask<Asked> {
 public:
  void start(const CredentialsFunction& ask, std::function<void()> wake) {
    BackgroundTask::start(
        [ask] {
          try {
            return Asked{redis::ask_for_credentials(ask), {}};
          } catch (const Error& error) {
            return Asked{{}, error.what()};
          }
        },
        [](const std::string& why) {
          return Asked{{}, "cannot start a thread to ask for credentials: " + why};
        },
        std::move(wake));
  }
};

}  // namespace dlock::detail
