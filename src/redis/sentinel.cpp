// Asking Sentinels for the primary.
#include "redis/sentinel.hpp"

#include <algorithm>
#include <charconv>

#include "dlock/error.hpp"

namespace dlock::redis {

using std::chrono::milliseconds;

std::unique_ptr<Connection> Sentinels::open(const Endpoint::Address& sentinel,
                                            milliseconds time) const {
  Connection::Settings there;
  there.client_name = settings_.client_name;
  there.connect_timeout = time;
  there.to_sentinel = true;
  there.endpoint = settings_.endpoint.at(sentinel);
  there.endpoint.db = 0;
  there.endpoint.user = settings_.endpoint.sentinel_user;
  there.endpoint.password = settings_.endpoint.sentinel_password;
  return Connection::open(there);
}

std::optional<Endpoint::Address> Sentinels::ask(milliseconds time) {
  const auto reply =
      connection_->call({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", settings_.endpoint.service}, time);
  if (reply.kind == ReplyView::Kind::error) {
    const auto error = classify(reply.text);
    throw_error(error.code, error.what);
  }
  if (reply.elements.size() != 2) return std::nullopt;
  Endpoint::Address primary{.host = reply.elements[0].text};
  const auto& port = reply.elements[1].text;
  std::from_chars(port.data(), port.data() + port.size(), primary.port);
  return primary;
}

Endpoint::Address Sentinels::primary(Deadline deadline) {
  const auto& all = settings_.endpoint.addresses;
  auto left = static_cast<int>(all.size()) + 2;  // the one that answered last, and the primary
  const auto share = [&] {
    const auto time = deadline - std::chrono::steady_clock::now();
    return std::max(milliseconds{1}, std::chrono::ceil<milliseconds>(time / left--));
  };
  std::string problem;
  auto code = errc::unreachable;
  const auto try_one = [&](const Endpoint::Address* sentinel) -> std::optional<Endpoint::Address> {
    try {
      const auto time = share();
      if (sentinel != nullptr) connection_ = open(*sentinel, time);
      if (auto primary = ask(time)) return primary;
      code = errc::store_unusable;
      problem = "the Sentinels do not know the service \"" + settings_.endpoint.service +
                "\"; check its name (SENTINEL MASTERS lists them)";
    } catch (const Error& error) {
      if (error.reason() != errc::unreachable || problem.empty()) {
        code = error.reason();
        problem = std::string{"no Sentinel knows the primary; the last error: "} + error.what();
      }
    }
    connection_.reset();
    return std::nullopt;
  };
  if (connection_) {
    if (const auto primary = try_one(nullptr)) return *primary;
  }
  for (const auto& sentinel : all) {
    if (const auto primary = try_one(&sentinel)) return *primary;
  }
  throw_error(code, problem);
}

}  // namespace dlock::redis
