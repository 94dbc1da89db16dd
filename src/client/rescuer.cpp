// Rescuing: one key at a time, where it is just now.
#include "client/rescuer.hpp"

#include <algorithm>
#include <charconv>
#include <exception>
#include <map>
#include <string_view>
#include <tuple>

#include "client/process.hpp"
#include "core/command.hpp"
#include "core/keys.hpp"
#include "redis/cluster.hpp"
#include "script/scripts.hpp"

namespace dlock::detail {
namespace {

using redis::Endpoint;
using std::chrono::milliseconds;

// `ASK SLOT HOST:PORT`; no host: that of the node which says so.
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

class Rescue {
 public:
  Rescue(redis::Connection::Settings settings, milliseconds timeout)
      : settings_(std::move(settings)), timeout_(timeout) {
    const auto deadline = std::chrono::steady_clock::now() + settings_.connect_timeout;
    ranges_ = redis::fetch_slots(settings_, {}, deadline);
  }

  /// What the server said: kept or not. Throws errors of the store.
  bool keep(const core::LeaseRecord& lease) {
    const auto slot = core::slot_of(lease.key);
    const auto range = std::find_if(ranges_.begin(), ranges_.end(), [&](const auto& some) {
      return some.first <= slot && slot <= some.last;
    });
    if (range == ranges_.end()) return false;
    auto reply = ask(range->primary, lease);
    if (reply.kind == redis::ReplyView::Kind::error && reply.text.starts_with("ASK ")) {
      const auto target = address_of(reply.text, range->primary);
      static_cast<void>(at(target).call({"ASKING"}, timeout_));
      reply = ask(target, lease);
    }
    if (reply.kind == redis::ReplyView::Kind::error) {
      const auto error = redis::classify(reply.text);
      throw_error(error.code, error.what);
    }
    core::Words words{reply.text};
    return words.next() == core::echo_of(lease.token) && words.next() == "k";
  }

 private:
  // A renewal as always, with the lock's key in place of all.
  redis::Reply ask(const Endpoint::Address& node, const core::LeaseRecord& lease) {
    const auto& [key, token] = std::tie(lease.key, lease.token);
    const bool permits = lease.kind == core::Kind::permits;
    const auto ttl = std::to_string(std::chrono::ceil<milliseconds>(lease.ttl).count());
    const auto noted = std::to_string(permits ? lease.fence.counter : lease.fence.sequence);
    return at(node).call({"EVAL", permits ? script::permits_renew : script::renew, "4", key, key,
                          key, key, core::echo_of(token), token, ttl, noted},
                         timeout_);
  }

  redis::Connection& at(const Endpoint::Address& address) {
    auto& connection = connections_[address];
    if (!connection) {
      auto settings = settings_;
      settings.endpoint = settings_.endpoint.at(address, Endpoint::Kind::cluster_node);
      connection = redis::Connection::open(settings);
    }
    return *connection;
  }

  redis::Connection::Settings settings_;
  const milliseconds timeout_;
  std::vector<redis::SlotRange> ranges_;
  std::map<Endpoint::Address, std::unique_ptr<redis::Connection>> connections_;
};

Rescued rescue(redis::Connection::Settings settings, milliseconds timeout,
               const Rescuer::Leases& leases) {
  Rescued result;
  // A name of its own: the shared connection's is what that one's successor kills by.
  settings.client_name += ":rescue";
  try {
    Rescue attempt{std::move(settings), timeout};
    for (const auto& lease : leases) {
      const auto sent = now();
      if (attempt.keep(*lease)) result.kept.emplace_back(lease, sent);
    }
  } catch (const std::exception& error) {
    result.problem = error.what();
  }
  return result;
}

}  // namespace

void Rescuer::start(redis::Connection::Settings settings, milliseconds timeout, Leases leases,
                    std::shared_ptr<Wake> leader, std::shared_ptr<Wake> keeper) {
  Errand::start([settings = std::move(settings), timeout,
                 leases = std::move(leases)] { return rescue(settings, timeout, leases); },
                [](const std::string& why) {
                  return Rescued{{}, "no thread could be started for it: " + why};
                },
                std::move(leader), std::move(keeper));
}

}  // namespace dlock::detail
