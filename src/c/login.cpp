// dlock_login.
#include "c/login.hpp"

#include <memory>
#include <utility>

#include "c/options.hpp"
#include "c/status.hpp"

namespace dlock::c {

void LoginQuestion::answer(Credentials credentials) {
  const std::lock_guard lock{mutex_};
  credentials_ = std::move(credentials);
  answered_.notify_all();
}

void LoginQuestion::refuse(std::string why) {
  const std::lock_guard lock{mutex_};
  refusal_ = std::move(why);
  answered_.notify_all();
}

Credentials LoginQuestion::await(std::chrono::milliseconds time) {
  std::unique_lock lock{mutex_};
  const bool in_time =
      answered_.wait_for(lock, time, [&] { return credentials_ || !refusal_.empty(); });
  if (!in_time) {
    throw_error(errc::unreachable, "the program did not give any within the connect timeout");
  }
  if (!credentials_) {
    throw_error(errc::unreachable, refusal_);
  }
  return *credentials_;
}

CredentialsFunction credentials_by(AskForLogin ask, std::chrono::milliseconds time) {
  return [ask = std::move(ask), time] {
    const auto question = std::make_shared<LoginQuestion>();
    if (!ask(question)) {
      throw_error(errc::unreachable, "the queue that is to ask for them has ended");
    }
    return question->await(time);
  };
}

}  // namespace dlock::c

using namespace dlock;

void dlock_login_answer(dlock_login* login, const char* user, const char* password,
                        std::int64_t life_ms) {
  const std::unique_ptr<dlock_login> owned{login};
  if (owned) {
    static_cast<void>(c::guarded([&] {
      Credentials credentials{user != nullptr ? user : "", password != nullptr ? password : "", {}};
      credentials.life = c::span_of(life_ms);
      owned->question->answer(std::move(credentials));
    }));
  }
}

void dlock_login_refuse(dlock_login* login, const char* why) {
  const std::unique_ptr<dlock_login> owned{login};
  if (owned) {
    static_cast<void>(c::guarded([&] {
      owned->question->refuse(why != nullptr && *why != '\0' ? why : "the program refused them");
    }));
  }
}
