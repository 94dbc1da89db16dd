// Credentials that end: asks for others in time, and logs in again on the open connection.
#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "redis/login.hpp"
#include "runtime/clock.hpp"
#include "session/topology.hpp"

namespace dlock::detail {
namespace {

// After a failure the old credentials are still good for a while, a quarter of their life at first.
constexpr std::chrono::seconds again{1};

}  // namespace

void Topology::plan_login(ServerLink& link,
                          std::optional<std::chrono::steady_clock::time_point> due) {
  link.login_at = due ? runtime::now() + (*due - std::chrono::steady_clock::now()) : never;
}

// A part of the work of the loop.
void Topology::log_in_again(ServerLink& link) {
  if (!link.connection) {
    return;
  }
  if (const auto asked = link.login.take()) {
    if (!asked->problem.empty()) {
      log_(LogLevel::warning, link.endpoint.display() + ": " + asked->problem);
      link.login_at = runtime::now() + again;
      return;
    }
    const auto& credentials = asked->credentials;
    plan_login(link, redis::login_due(credentials));
    if (credentials.user.empty() && credentials.password.empty()) {
      return;  // there is no log-in
    }
    if (link.connection->listener_fd() >= 0) {
      // In RESP2, a connection that listens takes no AUTH. The next one asks the function again.
      if (!link.connection->is_logged_in_with(credentials)) {
        end_connection(link, "other credentials follow on a new connection");
      }
      return;
    }
    const auto words = redis::login_command(credentials);
    link.connection->append(std::vector<std::string_view>{words.begin(), words.end()});
    link.owed.push_back({.is_login = true});
    ++link.unwritten;
    loop_.write(EventLoop::Write::now);
  } else if (link.login_at <= runtime::now() && !link.login.is_busy()) {
    link.login.start(config_.options.credentials, loop_.waker());
  }
}

// The connection keeps its former rights after an error.
void Topology::on_login_reply(ServerLink& link, const redis::ReplyView& reply) {
  if (reply.kind == redis::ReplyView::Kind::error) {
    log_(LogLevel::warning,
         link.endpoint.display() + ": cannot log in again: " + redis::classify(reply.text).what);
    link.login_at = std::min(link.login_at, runtime::now() + again);
  }
}

}  // namespace dlock::detail
