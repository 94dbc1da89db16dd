// The doctor: finds the servers of a store, asks all of them, and judges the answers.
#include "dlock/doctor.hpp"

#include <algorithm>
#include <charconv>
#include <memory>
#include <set>
#include <thread>

#include "dlock/error.hpp"
#include "doctor/diagnosis.hpp"
#include "doctor/server_probe.hpp"
#include "redis/cluster.hpp"
#include "session/session.hpp"

namespace dlock {
namespace {

using detail::Examination;
using redis::Endpoint;
using redis::NodeFacts;
using redis::ServerProbe;
using std::chrono::steady_clock;
using Role = NodeFacts::Role;

constexpr int clock_rounds = 5;
constexpr std::chrono::hours max_clock_span{24 * 366};

// A probe for each server of a store.
class Probes {
 public:
  explicit Probes(const detail::StoreConfig& config)
      : settings_(config.connection_settings()), timeout_(config.options.request_timeout) {
    settings_.client_name += ":doctor";
  }

  // Throws if the server with the locks refuses the doctor; of several servers, if all do.
  void find() {
    const auto stores = places();
    bool any = false;
    for (const auto& endpoint : stores) {
      auto there = settings_;
      there.endpoint = endpoint;
      auto& store = add(there, shown(endpoint), Role::primary);
      list_.back().has_locks = true;
      if (!store.answers()) {
        if (!any && &endpoint == &stores.back()) {
          throw_error(store.problem_code(), store.facts().problem);
        }
        continue;
      }
      any = true;
      store.ask();
      if (endpoint.kind == Endpoint::Kind::tcp || endpoint.kind == Endpoint::Kind::cluster_node) {
        add_replicas(store.facts(), endpoint);
      }
    }
  }
  struct Server {
    std::unique_ptr<ServerProbe> node;
    bool has_locks;  // according to the URL
  };
  [[nodiscard]] const std::vector<Server>& list() const { return list_; }
  [[nodiscard]] const Endpoint& endpoint() const { return settings_.endpoint; }

 private:
  ServerProbe& add(const redis::Connection::Settings& settings, std::string address, Role role) {
    std::vector<std::string> hosts{settings.endpoint.host};
    if (settings_.endpoint.kind != Endpoint::Kind::quorum) {  // these are one service
      hosts.push_back(settings_.endpoint.host);
      for (const auto& named : settings_.endpoint.addresses) hosts.push_back(named.host);
    }
    list_.push_back({std::make_unique<ServerProbe>(settings, std::move(address), role, timeout_,
                                                   settings_.endpoint.service, std::move(hosts)),
                     false});
    return *list_.back().node;
  }

  // The addresses of the servers with the locks. Adds the Sentinels that name them.
  std::vector<Endpoint> places() {
    const auto& endpoint = settings_.endpoint;
    std::vector<Endpoint> stores;
    if (endpoint.kind == Endpoint::Kind::sentinel) {
      add_sentinels();
      stores.push_back(endpoint.at(redis::Connection::open(settings_)->primary()));
    } else if (endpoint.kind == Endpoint::Kind::cluster) {
      const auto deadline = steady_clock::now() + settings_.connect_timeout;
      std::set<Endpoint::Address> primaries;
      for (const auto& range : redis::fetch_slots(settings_, {}, deadline)) {
        primaries.insert(range.primary);
      }
      for (const auto& primary : primaries) {
        stores.push_back(endpoint.at(primary, Endpoint::Kind::cluster_node));
      }
    } else if (endpoint.kind == Endpoint::Kind::quorum) {
      for (const auto& address : endpoint.addresses) stores.push_back(endpoint.at(address));
    } else {
      stores.push_back(endpoint);
    }
    return stores;
  }

  static std::string shown(const Endpoint& endpoint) {
    if (endpoint.kind == Endpoint::Kind::unix_socket) return endpoint.path;
    if (endpoint.kind == Endpoint::Kind::local) return endpoint.display();
    return redis::display_address(endpoint.host, endpoint.port);
  }

  void add_sentinels() {
    for (const auto& address : settings_.endpoint.addresses) {
      auto there = settings_;
      there.to_sentinel = true;
      there.endpoint = settings_.endpoint.at(address);
      there.endpoint.db = 0;
      there.endpoint.user = settings_.endpoint.sentinel_user;
      there.endpoint.password = settings_.endpoint.sentinel_password;
      add(there, shown(there.endpoint), Role::sentinel).ask();
    }
  }

  // The replicas that the primary knows.
  void add_replicas(const NodeFacts& store, const Endpoint& primary) {
    for (const auto& [host, port] : detail::replicas_of(store)) {
      auto there = settings_;
      there.endpoint = primary.at({host, port}, primary.kind);
      add(there, shown(there.endpoint), Role::replica).ask();
    }
  }

  redis::Connection::Settings settings_;
  const std::chrono::milliseconds timeout_;
  std::vector<Server> list_;
};

void watch_clocks(const Probes& servers, std::chrono::milliseconds span) {
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
  Probes servers{state.config()};
  Examination examination;
  examination.fails_over = servers.endpoint().kind == Endpoint::Kind::sentinel ||
                           servers.endpoint().kind == Endpoint::Kind::cluster;
  examination.is_private = servers.endpoint().kind == Endpoint::Kind::local;
  examination.prefix = state.options().prefix;
  examination.drift_rate = state.options().drift_rate;
  examination.request_timeout = state.options().request_timeout;
  if (options.clock_span < Span::zero() || options.clock_span > max_clock_span) {
    throw_error(errc::usage, "clock_span must be from zero to a year");
  }
  servers.find();
  const detail::WalkOptions walk{examination.prefix, servers.endpoint().db, options.max_keys,
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
