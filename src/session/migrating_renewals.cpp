// Renews one key at a time, on the node that has it now.
#include "session/migrating_renewals.hpp"

#include <charconv>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "core/engine/renewals.hpp"
#include "core/wire/command.hpp"
#include "runtime/clock.hpp"
#include "script/scripts.hpp"
#include "store/side_connections.hpp"
#include "store/store_config.hpp"

namespace dlock::detail {
namespace {

using redis::Endpoint;
using std::chrono::milliseconds;

// `ASK SLOT HOST:PORT`; without a host, that of the node that answered.
Endpoint::Address address_of(std::string_view ask, const Endpoint::Address& speaker) {
  const auto place = ask.substr(ask.rfind(' ') + 1);
  const auto colon = place.rfind(':');
  auto address = speaker;
  if (colon != std::string_view::npos) {
    if (colon != 0) address.host = place.substr(0, colon);
    std::from_chars(place.data() + colon + 1, place.data() + place.size(), address.port);
  }
  return address;
}

// The usual renewal, with the lock key in the place of all keys.
redis::Reply call(redis::Connection& node, const core::LeaseRecord& lease, milliseconds timeout) {
  const bool permits = lease.kind == core::Kind::permits;
  const auto& script = permits ? script::permits_renew : script::renew;
  std::vector<std::string> words{"EVAL", std::string{node.word_for(script, true)}, "4"};
  words.insert(words.end(), 4, std::string{lease.key.text()});
  words.emplace_back(core::echo_of(lease.token));
  core::append_renewal(words, lease, std::chrono::ceil<milliseconds>(lease.ttl).count());
  return node.call(std::vector<std::string_view>{words.begin(), words.end()}, timeout);
}

// Whether the lease was renewed.
bool keep(SideConnections& servers, const core::LeaseRecord& lease, milliseconds timeout) {
  auto reply = call(servers.of(lease.key), lease, timeout);
  if (reply.kind == redis::ReplyView::Kind::error && reply.text.starts_with("ASK ")) {
    auto& target = servers.at(address_of(reply.text, servers.address_of(lease.key)));
    static_cast<void>(target.call({"ASKING"}, timeout));
    reply = call(target, lease, timeout);
  }
  if (reply.kind == redis::ReplyView::Kind::error) {
    const auto error = redis::classify(reply.text);
    throw_error(error.code, error.what);
  }
  core::Words words{reply.text};
  const bool echoes = words.next() == core::echo_of(lease.token);
  const auto letter = words.next();  // b: a client asks for it, which the next renewal sees again
  return echoes && (letter == "k" || letter == "b");
}

Rescued rescue(SideConnections& servers, milliseconds timeout,
               const MigratingRenewals::Leases& leases) {
  Rescued result;
  try {
    for (const auto& lease : leases) {
      const auto sent = runtime::now();
      if (keep(servers, *lease, timeout)) result.kept.emplace_back(lease, sent);
    }
  } catch (const std::exception& error) {
    result.problem = error.what();
  }
  return result;
}

}  // namespace

void MigratingRenewals::start(const StoreConfig& config, Leases leases,
                              std::function<void()> wake) {
  const auto servers = std::make_shared<SideConnections>(config, config.endpoint);
  BackgroundTask::start(
      [servers, timeout = config.options.request_timeout, leases = std::move(leases)] {
        return rescue(*servers, timeout, leases);
      },
      [](const std::string& why) { return Rescued{{}, "cannot start a thread for it: " + why}; },
      std::move(wake));
}

}  // namespace dlock::detail
