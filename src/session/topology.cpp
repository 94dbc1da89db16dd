// Connections: makes them, assigns shards to them, and notices their end. reply_router.cpp has
// their input.
#include "session/topology.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <span>
#include <string_view>
#include <utility>

#include "core/wire/keys.hpp"
#include "runtime/clock.hpp"
#include "session/primary_watch.hpp"

namespace dlock::detail {
namespace {

using Kind = redis::Endpoint::Kind;
using std::chrono::milliseconds;

// Connecting ends by its timeout, unless a name server takes longer.
constexpr milliseconds grace{100};
constexpr milliseconds first_round{100};

}  // namespace

Topology::Topology(const StoreConfig& config, core::Router& router, EventLoop& loop, Log log)
    : config_(config), router_(router), loop_(loop), log_(std::move(log)) {
  const auto& endpoint = config_.endpoint;
  if (config_.is_quorum()) {
    for (core::ServerId server = 0; server < router_.servers(); ++server) {
      settle_on(shard_at(server), link_to(endpoint.at(endpoint.addresses[server])));
    }
  } else if (!config_.is_cluster()) {
    settle_on(shard_at(0), link_to(endpoint));
  }
}

Topology::~Topology() = default;

void Topology::end_watch() {
  std::unique_ptr<PrimaryWatch> watch;  // ends without the mutex, for which it may wait
  const EventLoop::Lock lock{loop_};
  watch = std::move(primary_watch_);
  watch_is_over_ = true;
}

void Topology::abandon() {
  slot_survey_.abandon();
  for (const auto& link : links_) {
    link->connector.abandon();
    link->login.abandon();
  }
}

// --- requests of the router ---------------------------------------------------------------------

void Topology::connect(core::ServerId server) { connect(shard_at(server)); }

void Topology::disconnect(core::ServerId server, const std::string& why) {
  if (auto& shard = *shards_[server]; shard.is_connected) {
    end_connection(*shard.link, why, &shard);
  }
}

void Topology::send(core::ServerId server, const core::Command& command) {
  if (auto& shard = *shards_[server]; shard.is_connected) {
    const bool is_watch = command.verb == core::Verb::watch;
    if (is_watch) {
      prepare_watch(*shard.link);
    }
    writer_.append(command, *shard.link->connection);
    const bool acquires = command.verb == core::Verb::acquire;
    const bool is_bare = command.bare;
    shard.link->owed.push_back({.shard = &shard,
                                .is_block = is_bare && acquires,
                                .is_delete = is_bare && !acquires,
                                .is_watch = is_watch,
                                .is_plain = shard.link->connection->has_plain_scripts()});
    ++shard.link->unwritten;
  }
}

// CLIENT CACHING is for the next command alone, so a short lease costs the server nothing.
void Topology::prepare_watch(ServerLink& link) {
  if (!link.connection->tells_changes()) {
    link.watch_refusal = "it speaks RESP2, which has no pushes";
    return;
  }
  if (*config_.endpoint_has_slots()) {
    link.watch_refusal = "behind one endpoint are many servers, of which one would tell";
    return;
  }
  const auto append = [&](std::initializer_list<std::string_view> fields) {
    link.connection->append(std::span{fields.begin(), fields.size()});
    link.owed.push_back({.prepares_watch = true});
    ++link.unwritten;
  };
  if (!std::exchange(link.is_tracking, true)) {
    append({"CLIENT", "TRACKING", "ON", "OPTIN", "NOLOOP"});
  }
  append({"CLIENT", "CACHING", "YES"});
}

// To be called when a release had no answer in time.
void Topology::note_unanswered(core::ServerId server) {
  auto* const link = shards_[server]->link;
  if (link != nullptr && link->heard + config_.options.request_timeout <= runtime::now()) {
    count_as_silent(*link, true);
  }
}

// --- work of the loop ---------------------------------------------------------------------------

void Topology::show_sockets() {
  for (const auto& link : links_) {
    if (link->connection) {
      loop_.show_visitor(*link->connection);
    }
  }
}

void Topology::add_sockets(runtime::PollSet& into) const {
  for (std::size_t i = 0; i < links_.size(); ++i) {
    if (const auto& connection = links_[i]->connection) {
      into.add(connection->fd(), connection->wants_write(), {i, links_[i]->number});
      if (const int second = connection->listener_fd(); second >= 0) {
        into.add(second, connection->listener_wants_write(), {i, links_[i]->number});
      }
    }
  }
}

bool Topology::wants_write() const {
  return std::any_of(links_.begin(), links_.end(), [](const auto& link) {
    return link->connection && link->connection->wants_write();
  });
}

bool Topology::servers_have_enough() const {
  const auto is_idle_soon = [](const auto& link) {
    return link->unwritten > 0 && 2 * (link->owed.size() - link->unwritten) <= link->unwritten;
  };
  return wants_write() && std::none_of(links_.begin(), links_.end(), is_idle_soon);
}

bool Topology::servers_owe_replies() const {
  const auto is_idle = [](const auto& link) {
    return link->unwritten > 0 && link->owed.size() <= link->unwritten;
  };
  return wants_write() && std::none_of(links_.begin(), links_.end(), is_idle);
}

bool Topology::awaits_replies() const {
  return std::any_of(links_.begin(), links_.end(),
                     [](const auto& link) { return !link->owed.empty(); });
}

void Topology::flush() {
  for (std::size_t i = 0; i < links_.size(); ++i) {
    auto& link = *links_[i];
    if (!link.connection || !link.connection->wants_write()) continue;
    if (link.connection->flush()) {
      link.unwritten = 0;
    } else {
      end_connection(link, link.connection->problem());
    }
  }
}

core::Instant Topology::next_timer() const {
  auto next = join_by_;
  for (const auto& link : links_) {
    if (link->connector.is_busy()) {
      next = std::min(next, link->connect_by);
    }
    if (link->connection && !link->login.is_busy()) {
      next = std::min(next, link->login_at);
    }
  }
  if (slot_survey_.is_busy()) {
    next = std::min(next, survey_by_);
  }
  return next;
}

void Topology::serve(const runtime::PollSet& ready) {
  if (slot_survey_.is_busy()) take_survey();
  if (migrating_.is_busy()) take_renewed();
  for (std::size_t i = 0; i < links_.size(); ++i) {  // more may be added
    auto& link = *links_[i];
    if (link.connector.is_busy()) take_connection(link);
    if (link.login.is_busy() || link.login_at != never) log_in_again(link);
  }
  if (join_by_ != never) end_first_round();
  for (std::size_t i = 0; i < ready.size(); ++i) {
    const auto& source = ready.source(i);
    auto& link = *links_[source.index];
    if (ready.is_ready(i) && link.connection && link.number == source.generation) {
      take_input(link);
    }
  }
}

// --- shards and links ---------------------------------------------------------------------------

Shard& Topology::shard_at(core::ServerId server) {
  while (shards_.size() <= server) {
    shards_.push_back(std::make_unique<Shard>(shards_.size()));
  }
  return *shards_[server];
}

void Topology::count_as_silent(ServerLink& link, bool is_silent) {
  link.is_silent = is_silent;
  for (const auto* const shard : link.shards) {
    router_.count_as_silent(shard->server, is_silent);
  }
}

ServerLink& Topology::link_to(const redis::Endpoint& endpoint) {
  const auto found = std::find_if(links_.begin(), links_.end(), [&](const auto& link) {
    return link->endpoint.host == endpoint.host && link->endpoint.port == endpoint.port;
  });
  return found != links_.end() ? **found
                               : *links_.emplace_back(std::make_unique<ServerLink>(endpoint));
}

void Topology::settle_on(Shard& shard, ServerLink& link) {
  if (shard.link == &link) {
    return;
  }
  if (shard.link != nullptr) {
    std::erase(shard.link->shards, &shard);
  }
  shard.link = &link;
  link.shards.push_back(&shard);
  router_.count_as_silent(shard.server, link.is_silent);
}

// --- connecting ---------------------------------------------------------------------------------

// Assigns the shard to its link, when that is known and connected.
void Topology::connect(Shard& shard) {
  shard.wants_link = true;
  if (config_.is_cluster()) {
    if (slots_are_old_) {
      survey();
      return;
    }
    const auto slot = router_.slot(shard.server);
    const auto range = std::find_if(slots_.begin(), slots_.end(), [&](const auto& some) {
      return some.first <= slot && slot <= some.last;
    });
    if (range == slots_.end()) {
      slots_are_old_ = true;
      // In a failover this may pass, so waits continue for their patience.
      fail_to_connect(shard, errc::unreachable,
                      config_.url + ": no node of the cluster has slot " + std::to_string(slot) +
                          "; see CLUSTER INFO on its nodes");
      return;
    }
    settle_on(shard, link_to(config_.endpoint.at(range->primary, Kind::cluster_node)));
  } else if (shard.link == nullptr) {
    settle_on(shard, *links_.front());  // of an endpoint that has slots
  }
  if (shard.link->connection && join_by_ == never) {
    // On the same node, old commands run before new ones; another node does not have its slot any
    // more.
    join(shard, true);
  } else if (!shard.link->connection && !shard.link->connector.is_busy()) {
    dial(*shard.link);
  }
}

// A single server may turn out to be many behind one endpoint, or become that.
void Topology::note_slots(ServerLink& link) {
  if (config_.is_cluster() || config_.is_quorum()) {
    return;
  }
  if (link.connection->has_slots()) {
    link.was_split = false;  // each connection tells
  }
  const bool has_slots = link.connection->has_slots() || link.was_split;
  *config_.endpoint_has_slots() = has_slots;
  router_.use_slots(runtime::now(), has_slots);
}

// The counter of a slot begins where the one for all locks had come to.
void Topology::begin_fence(const Shard& shard) {
  auto& link = *shard.link;
  if (link.former_fence.empty() || shard.server == 0) {
    return;
  }
  const auto counter = core::fence_key_behind_endpoint(router_.slot(shard.server));
  if (counter == core::fence_key) {
    return;
  }
  link.connection->append(std::array<std::string_view, 4>{"SET", counter, link.former_fence, "NX"});
  link.owed.push_back({});
  ++link.unwritten;
}

void Topology::join(Shard& shard, bool old_is_dead) {
  shard.wants_link = false;
  shard.is_connected = true;
  begin_fence(shard);
  router_.on_connected(runtime::now(), shard.server, old_is_dead);
}

// Removes the shard from its link, whose connection stays for other shards.
void Topology::leave(Shard& shard, const std::string& why) {
  shard.is_connected = false;
  for (auto& debt : shard.link->owed) {
    debt.shard = debt.shard == &shard ? nullptr : debt.shard;
  }
  slots_are_old_ = true;
  router_.on_disconnected(runtime::now(), shard.server, why);
}

// `knows` asked for it, and gets no event.
void Topology::end_connection(ServerLink& link, const std::string& why, const Shard* knows) {
  const auto connection = std::exchange(link.connection, nullptr);
  link.owed.clear();
  link.block = {};
  link.unwritten = 0;
  link.login.abandon();
  link.is_tracking = false;
  link.watch_refusal.clear();
  slots_are_old_ = true;
  for (auto* const shard : link.shards) {
    if (std::exchange(shard->is_connected, false) && shard != knows) {
      router_.on_disconnected(runtime::now(), shard->server, why);
    }
  }
  connection->abort();
}

void Topology::dial(ServerLink& link) {
  const bool kills = std::any_of(link.shards.begin(), link.shards.end(), [&](const Shard* shard) {
    return router_.engine(shard->server).has_unanswered();
  });
  const auto kill = kills ? link.connection_id : std::nullopt;
  link.connect_by = runtime::now() + config_.options.connect_timeout + grace +
                    (kill ? 2 * config_.options.request_timeout : milliseconds::zero());
  auto settings = config_.connection_settings();
  settings.endpoint = link.endpoint;
  settings.wants_run_id = config_.is_quorum();
  link.connector.start({std::move(settings), kill, config_.options.request_timeout,
                        !config_.is_cluster() && !config_.is_quorum()},
                       loop_.waker());
}

void Topology::take_connection(ServerLink& link) {
  auto dialled = link.connector.take();
  if (!dialled && link.connector.is_busy() && link.connect_by <= runtime::now()) {
    link.connector.abandon();
    dialled = Dialled{nullptr,
                      {},
                      true,
                      errc::unreachable,
                      link.endpoint.display() +
                          ": no connection within the connect timeout; check its host name"};
  }
  if (!dialled) {
    return;
  }
  if (dialled->connection) {
    link.connection = std::move(dialled->connection);
    link.connection_id = link.connection->id();
    loop_.show_visitor(*link.connection);
    link.connection->count_in(traffic_);
    plan_login(link, link.connection->login_due());
    ++link.number;
    link.former_fence = std::move(dialled->former_fence);
    note_slots(link);
    watch_primary();
    if (config_.is_quorum() && is_first_round_) {
      join_by_ = std::min(join_by_, runtime::now() + first_round);
      return;  // see end_first_round
    }
    if (auto twins = name_twins(); !twins.empty()) {
      end_connection(link, twins);
      dialled->code = errc::usage;
      dialled->what = std::move(twins);
    }
  } else {
    slots_are_old_ = true;
  }
  for (auto* const shard : link.shards) {
    if (!shard->wants_link) {
      continue;
    }
    if (link.connection) {
      join(*shard, dialled->old_is_dead);
    } else {
      fail_to_connect(*shard, dialled->code, dialled->what, dialled->may_recover);
    }
  }
}

void Topology::fail_to_connect(Shard& shard, errc code, const std::string& what, bool may_recover) {
  shard.wants_link = false;
  router_.on_connect_failed(runtime::now(), shard.server, code, what, may_recover);
}

// Asks the cluster for the nodes of its slots; connected nodes first.
void Topology::survey() {
  if (slot_survey_.is_busy()) {
    return;
  }
  std::vector<redis::Endpoint::Address> known;
  for (const auto& link : links_) {
    if (link->connection) {
      known.push_back({link->endpoint.host, link->endpoint.port});
    }
  }
  survey_by_ = runtime::now() + config_.options.connect_timeout + grace;
  slot_survey_.start(config_.connection_settings(), std::move(known), loop_.waker());
}

void Topology::take_survey() {
  auto surveyed = slot_survey_.take();
  if (!surveyed && slot_survey_.is_busy() && survey_by_ <= runtime::now()) {
    slot_survey_.abandon();
    surveyed = Surveyed{{},
                        errc::unreachable,
                        config_.url +
                            ": no answer within the connect timeout; check the "
                            "host names"};
  }
  if (!surveyed) {
    return;
  }
  const bool is_known = !surveyed->ranges.empty();
  slots_are_old_ = !is_known;
  if (is_known) {
    slots_ = std::move(surveyed->ranges);
  }
  for (const auto& shard : shards_) {
    if (!shard->wants_link || shard->is_connected) {
      continue;
    }
    if (is_known) {
      connect(*shard);
    } else {
      fail_to_connect(*shard, surveyed->code, surveyed->what);
    }
  }
}

void Topology::renew_migrating() {
  if (!blocked_.empty() && !migrating_.is_busy()) {
    migrating_.start(config_, std::exchange(blocked_, {}), loop_.waker());
  }
}

void Topology::take_renewed() {
  const auto renewed = migrating_.take();
  if (!renewed) {
    return;
  }
  for (const auto& [lease, sent] : renewed->kept) {
    router_.on_unblocked(runtime::now(), *lease, sent);
  }
  if (!renewed->problem.empty()) {
    log_(LogLevel::warning, "renewal failed while a slot moves: " + renewed->problem);
  }
}

// Ends the connection to a server that is no longer the primary, so that a new one is made.
void Topology::watch_primary() {
  if (config_.endpoint.kind != Kind::sentinel || primary_watch_ || watch_is_over_) {
    return;
  }
  primary_watch_ = std::make_unique<PrimaryWatch>(
      config_.connection_settings(),
      [this](const redis::Endpoint::Address& primary) {
        const EventLoop::Lock lock{loop_};
        const auto& connection = links_.front()->connection;
        if (connection && connection->primary() != primary) {
          connection->hang_up();
        }
      },
      [this](const std::string& why) { log_(LogLevel::debug, why); });
}

}  // namespace dlock::detail
