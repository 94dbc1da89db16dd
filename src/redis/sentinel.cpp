// Asking Sentinels for the primary.
#include "redis/sentinel.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace dlock::redis {
namespace {

using std::chrono::milliseconds;

std::optional<Endpoint::Address> ask(const Connection::Settings& settings,
                                     const Endpoint::Address& sentinel, milliseconds time) {
  const auto& store = settings.endpoint;
  Connection::Settings there;
  there.client_name = settings.client_name;
  there.connect_timeout = time;
  there.to_sentinel = true;
  there.endpoint.kind = Endpoint::Kind::tcp;
  there.endpoint.host = sentinel.host;
  there.endpoint.port = sentinel.port;
  there.endpoint.user = store.sentinel_user;
  there.endpoint.password = store.sentinel_password;
  const auto connection = Connection::open(there);
  const auto reply = connection->call({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", store.service}, time);
  if (reply.kind == ReplyView::Kind::error) {
    const auto error = classify(reply.text);
    throw_error(error.code, there.endpoint.display() + ": " + error.what);
  }
  Endpoint::Address primary;
  if (reply.elements.size() != 2) return std::nullopt;
  primary.host = reply.elements[0].text;
  const auto& port = reply.elements[1].text;
  std::from_chars(port.data(), port.data() + port.size(), primary.port);
  return primary;
}

}  // namespace

Endpoint::Address find_primary(const Connection::Settings& settings, Deadline deadline) {
  const auto& store = settings.endpoint;
  std::string problem;
  auto code = errc::unreachable;
  auto left = static_cast<int>(store.sentinels.size()) + 1;  // the primary wants its share too
  for (const auto& sentinel : store.sentinels) {
    const auto time = deadline - std::chrono::steady_clock::now();
    const auto share = std::max(milliseconds{1}, std::chrono::ceil<milliseconds>(time / left--));
    try {
      if (const auto primary = ask(settings, sentinel, share)) return *primary;
      code = errc::store_unusable;
      problem = "the Sentinels do not know the service \"" + store.service +
                "\"; check its name (SENTINEL MASTERS lists them)";
    } catch (const Error& error) {
      if (error.reason() != errc::unreachable || problem.empty()) {
        code = error.reason();
        problem = "no Sentinel knows the primary; of the last: " + without_code(error);
      }
    }
  }
  throw_error(code, problem);
}

}  // namespace dlock::redis
