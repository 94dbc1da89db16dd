// The doctor: finds a store's servers, asks them all, and has them judged.
#include "dlock/doctor.hpp"

#include <algorithm>
#include <charconv>
#include <memory>
#include <thread>

#include "client/client_state.hpp"
#include "client/diagnosis.hpp"
#include "dlock/error.hpp"
#include "redis/node.hpp"

namespace dlock {
namespace {

using detail::Examination;
using redis::Endpoint;
using redis::Node;
using redis::NodeFacts;
using std::chrono::steady_clock;
using Role = NodeFacts::Role;

constexpr int clock_rounds = 5;

// The servers of a store.
class Servers {
 public:
  explicit Servers(detail::ClientState& client)
      : settings_(client.connection_settings()), timeout_(client.options().request_timeout) {
    settings_.client_name += ":doctor";
  }

  // Throws if the server that is to have the locks does not let us.
  void find() {
    if (settings_.endpoint.kind == Endpoint::Kind::sentinel) add_sentinels();
    const auto address = primary();
    auto& store = add(settings_, address, Role::primary);
    list_.back().has_locks = true;
    if (!store.answers()) throw_error(store.problem_code(), store.facts().problem);
    store.ask();
    if (settings_.endpoint.kind != Endpoint::Kind::unix_socket &&
        settings_.endpoint.kind != Endpoint::Kind::local) {
      add_replicas(store.facts());
    }
  }
  struct Server {
    std::unique_ptr<Node> node;
    bool has_locks;  // as far as the URL goes
  };
  [[nodiscard]] const std::vector<Server>& list() const { return list_; }
  [[nodiscard]] const Endpoint& endpoint() const { return settings_.endpoint; }

 private:
  Node& add(const redis::Connection::Settings& settings, std::string address, Role role) {
    list_.push_back({std::make_unique<Node>(settings, std::move(address), role, timeout_,
                                            settings_.endpoint.service),
                     false});
    return *list_.back().node;
  }

  // Where the locks are, as it is shown. With Sentinels, turns the endpoint into the primary's.
  std::string primary() {
    auto& endpoint = settings_.endpoint;
    switch (endpoint.kind) {
      case Endpoint::Kind::sentinel: {
        const auto named = redis::Connection::open(settings_)->primary();
        settings_.endpoint = at(named.host, named.port);
        return redis::display_address(named.host, named.port);
      }
      case Endpoint::Kind::tcp:
        return redis::display_address(endpoint.host, endpoint.port);
      case Endpoint::Kind::unix_socket:
        return endpoint.path;
      case Endpoint::Kind::local:
        break;
    }
    return endpoint.display();
  }

  // Another server of this store: the same user and encryption.
  [[nodiscard]] Endpoint at(const std::string& host, int port) const {
    auto endpoint = settings_.endpoint;
    endpoint.kind = Endpoint::Kind::tcp;
    endpoint.host = host;
    endpoint.port = port;
    return endpoint;
  }

  void add_sentinels() {
    for (const auto& [host, port] : settings_.endpoint.sentinels) {
      auto there = settings_;
      there.to_sentinel = true;
      there.endpoint = {};
      there.endpoint.kind = Endpoint::Kind::tcp;
      there.endpoint.host = host;
      there.endpoint.port = port;
      there.endpoint.user = settings_.endpoint.sentinel_user;
      there.endpoint.password = settings_.endpoint.sentinel_password;
      add(there, redis::display_address(host, port), Role::sentinel).ask();
    }
  }

  // As the primary knows them.
  void add_replicas(const NodeFacts& store) {
    for (const auto& [host, port] : detail::replicas_of(store)) {
      auto there = settings_;
      there.endpoint = at(host, port);
      add(there, redis::display_address(host, port), Role::replica).ask();
    }
  }

  redis::Connection::Settings settings_;
  const std::chrono::milliseconds timeout_;
  std::vector<Server> list_;
};

void watch_clocks(const Servers& servers, std::chrono::milliseconds span) {
  const auto begin = steady_clock::now();
  for (int i = 0; i < clock_rounds; ++i) {
    std::this_thread::sleep_until(begin + span * i / (clock_rounds - 1));
    for (const auto& [node, has_locks] : servers.list()) {
      if (node->facts().role != Role::sentinel) node->read_clock();
    }
  }
}

}  // namespace

std::string_view to_string(Grade grade) noexcept {
  switch (grade) {
    case Grade::ok:
      return "ok";
    case Grade::note:
      return "note";
    case Grade::warning:
      return "warning";
    case Grade::danger:
      break;
  }
  return "danger";
}

Grade Checkup::worst() const noexcept {
  auto worst = Grade::ok;
  for (const auto& finding : findings) worst = std::max(worst, finding.grade);
  return worst;
}

Checkup check_up(Client& client, const CheckupOptions& options) {
  auto& state = *client.state();
  state.check_process();
  Servers servers{state};
  Examination examination;
  examination.fails_over = servers.endpoint().kind == Endpoint::Kind::sentinel;
  examination.is_private = servers.endpoint().kind == Endpoint::Kind::local;
  examination.prefix = state.options().prefix;
  examination.drift_rate = state.options().drift_rate;
  examination.request_timeout = state.options().request_timeout;
  servers.find();
  const detail::WalkOptions walk{examination.prefix, servers.endpoint().db, options.most_keys,
                                 options.progress};
  for (const auto& [node, has_locks] : servers.list()) {
    auto& examined = examination.nodes.emplace_back();
    examined.has_locks = has_locks;
    if (!has_locks) continue;
    examined.rights = detail::find_missing_rights(*node, examination.prefix);
    examined.keys = detail::walk_keys(*node, walk);
  }
  watch_clocks(servers, options.clock_span);
  for (std::size_t i = 0; i < servers.list().size(); ++i) {
    auto& node = *servers.list()[i].node;
    auto& examined = examination.nodes[i];
    if (examined.has_locks) detail::look_again(node, examined.keys);
    examined.facts = node.facts();
  }
  return diagnose(examination);
}

}  // namespace dlock
