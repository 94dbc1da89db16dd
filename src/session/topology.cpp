// Topology: which line is on which node, and what they hear from there.
#include <algorithm>
#include <utility>

#include "runtime/clock.hpp"
#include "runtime/random.hpp"
#include "session/primary_watch.hpp"
#include "session/session.hpp"
#include "store/registration.hpp"

namespace dlock::detail {
namespace {

using Kind = redis::Endpoint::Kind;
using std::chrono::milliseconds;

// Connecting ends by itself in its time, unless a name server keeps it longer.
constexpr milliseconds grace{100};

bool is_of_another_role(std::string_view error) {
  return error.starts_with("READONLY") || error.starts_with("MASTERDOWN");
}

bool is_of_another_node(std::string_view error) {
  return error.starts_with("MOVED ") || error.starts_with("CLUSTERDOWN");
}

bool is_of_a_moving_slot(std::string_view error) {
  return error.starts_with("ASK ") || error.starts_with("TRYAGAIN");
}

}  // namespace

// --- lines and nodes ----------------------------------------------------------------------------

core::Router::Settings Session::router_settings() const {
  const auto& options = config_.options;
  core::Router::Settings settings;
  if (config_.is_cluster()) {
    settings.mode = core::Router::Mode::cluster;
  } else if (is_quorum()) {
    settings.mode = core::Router::Mode::quorum;
    settings.servers = config_.endpoint.addresses.size();
  }
  auto& engine = settings.engine;
  engine.client = config_.client_id;
  engine.registration = describe_self(options.label);
  engine.drift = {options.drift_rate, options.drift_floor};
  engine.safety_margin = options.safety_margin;
  engine.request_timeout = options.request_timeout;
  engine.patience = options.patience;
  engine.random = random_bits;
  return settings;
}

Shard& Session::line_at(core::ServerId server) {
  while (lines_.size() <= server) {
    lines_.push_back(std::make_unique<Shard>(lines_.size()));
  }
  return *lines_[server];
}

void Session::ask(core::Instant begin, Call& call, core::AcquireRequest&& wish,
                  const core::LeaseRecord* former) {
  call.asked = former != nullptr ? router_.exchange(begin, id_of(call), std::move(wish), *former)
                                 : router_.acquire(begin, id_of(call), std::move(wish));
}

void Session::ask_for_release(const core::LeaseRecord& lease) { router_.release(now(), lease); }

// After a release had no answer in its time.
void Session::note_unanswered(Shard& line) {
  if (line.node != nullptr && line.node->heard + config_.options.request_timeout <= now()) {
    count_as_silent(*line.node, true);
  }
}

void Session::count_as_silent(ServerLink& node, bool is_silent) {
  node.is_silent = is_silent;
  for (const auto* const line : node.lines) {
    router_.count_as_silent(line->server, is_silent);
  }
}

ServerLink& Session::node_at(const redis::Endpoint& endpoint) {
  const auto found = std::find_if(nodes_.begin(), nodes_.end(), [&](const auto& node) {
    return node->endpoint.host == endpoint.host && node->endpoint.port == endpoint.port;
  });
  return found != nodes_.end() ? **found
                               : *nodes_.emplace_back(std::make_unique<ServerLink>(endpoint));
}

void Session::settle_on(Shard& line, ServerLink& node) {
  if (line.node == &node) {
    return;
  }
  if (line.node != nullptr) {
    std::erase(line.node->lines, &line);
  }
  line.node = &node;
  node.lines.push_back(&line);
  router_.count_as_silent(line.server, node.is_silent);
}

// --- connecting ---------------------------------------------------------------------------------

// Takes the line to its node, once that is known and connected.
void Session::connect(Shard& line) {
  line.wants_node = true;
  if (config_.is_cluster()) {
    if (slots_are_old_) {
      survey();
      return;
    }
    const auto slot = router_.slot(line.server);
    const auto range = std::find_if(slots_.begin(), slots_.end(), [&](const auto& some) {
      return some.first <= slot && slot <= some.last;
    });
    if (range == slots_.end()) {
      line.wants_node = false;
      slots_are_old_ = true;
      // In a failover that may pass: waits go on for their patience.
      router_.on_connect_failed(now(), line.server, errc::unreachable,
                                config_.url + ": no node of the cluster has slot " +
                                    std::to_string(slot) + "; see CLUSTER INFO on its nodes");
      return;
    }
    settle_on(line, node_at(config_.endpoint.at(range->primary, Kind::cluster_node)));
  }
  if (line.node->connection) {
    // What it sent there before comes before what it sends now; elsewhere its slot is no more.
    join(line, true);
  } else if (!line.node->connector.is_busy()) {
    dial(*line.node);
  }
}

void Session::join(Shard& line, bool old_is_dead) {
  line.wants_node = false;
  line.is_connected = true;
  router_.on_connected(now(), line.server, old_is_dead);
}

// Takes the line off its node, whose connection goes on for others.
void Session::part(Shard& line, const std::string& why) {
  line.is_connected = false;
  std::replace(line.node->owed.begin(), line.node->owed.end(), &line, static_cast<Shard*>(nullptr));
  slots_are_old_ = true;
  router_.on_disconnected(now(), line.server, why);
}

// `knows`: the one who wanted it.
void Session::end_connection(ServerLink& node, const std::string& why, const Shard* knows) {
  const auto connection = std::exchange(node.connection, nullptr);
  node.owed.clear();
  slots_are_old_ = true;
  for (auto* const line : node.lines) {
    if (std::exchange(line->is_connected, false) && line != knows) {
      router_.on_disconnected(now(), line->server, why);
    }
  }
  connection->abort();
}

void Session::dial(ServerLink& node) {
  const bool kills = std::any_of(node.lines.begin(), node.lines.end(), [&](const Shard* line) {
    return router_.engine(line->server).has_unanswered();
  });
  const auto kill = kills ? node.connection_id : 0;
  node.connect_by = now() + config_.options.connect_timeout + grace +
                    (kill != 0 ? 2 * config_.options.request_timeout : milliseconds::zero());
  auto settings = config_.connection_settings();
  settings.endpoint = node.endpoint;
  node.connector.start({std::move(settings), kill, config_.options.request_timeout}, loop_.waker());
}

void Session::take_connection(ServerLink& node) {
  auto dialled = node.connector.take();
  if (!dialled && node.connector.is_busy() && node.connect_by <= now()) {
    node.connector.abandon();
    dialled = Dialled{nullptr, true, errc::unreachable,
                      node.endpoint.display() +
                          ": no connection within the connect timeout; check its host name"};
  }
  if (!dialled) {
    return;
  }
  if (dialled->connection) {
    node.connection = std::move(dialled->connection);
    node.connection_id = node.connection->id();
    ++node.number;
    watch_primary();
  } else {
    slots_are_old_ = true;
  }
  for (auto* const line : node.lines) {
    if (!line->wants_node) {
      continue;
    }
    if (node.connection) {
      join(*line, dialled->old_is_dead);
    } else {
      line->wants_node = false;
      router_.on_connect_failed(now(), line->server, dialled->code, dialled->what,
                                dialled->may_recover);
    }
  }
}

// Asks the cluster where its slots are, those who are known to be there before all.
void Session::survey() {
  if (surveyor_.is_busy()) {
    return;
  }
  std::vector<redis::Endpoint::Address> known;
  for (const auto& node : nodes_) {
    if (node->connection) {
      known.push_back({node->endpoint.host, node->endpoint.port});
    }
  }
  survey_by_ = now() + config_.options.connect_timeout + grace;
  surveyor_.start(config_.connection_settings(), std::move(known), loop_.waker());
}

void Session::take_survey() {
  auto surveyed = surveyor_.take();
  if (!surveyed && surveyor_.is_busy() && survey_by_ <= now()) {
    surveyor_.abandon();
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
  for (const auto& line : lines_) {
    if (!line->wants_node || line->is_connected) {
      continue;
    }
    if (is_known) {
      connect(*line);
    } else {
      line->wants_node = false;
      router_.on_connect_failed(now(), line->server, surveyed->code, surveyed->what);
    }
  }
}

// Leases whose renewal a moving slot refused.
void Session::rescue() {
  if (!stranded_.empty() && !rescuer_.is_busy()) {
    rescuer_.start(config_, std::exchange(stranded_, {}), loop_.waker());
  }
}

void Session::take_rescued() {
  const auto rescued = rescuer_.take();
  if (!rescued) {
    return;
  }
  for (const auto& [lease, sent] : rescued->kept) {
    router_.on_unblocked(now(), *lease, sent);
  }
  if (!rescued->problem.empty()) {
    log(LogLevel::warning, "renewal failed while a slot moves: " + rescued->problem);
  }
}

// The connection to a server that is the primary no more is ended, so that another is made.
void Session::watch_primary() {
  if (config_.endpoint.kind != Kind::sentinel || primary_watch_ || loop_.is_ending()) {
    return;
  }
  primary_watch_ = std::make_unique<PrimaryWatch>(
      config_.connection_settings(),
      [this](const redis::Endpoint::Address& primary) {
        const Lock lock{loop_};
        const auto& connection = nodes_.front()->connection;
        if (connection && connection->primary() != primary) {
          connection->hang_up();
        }
      },
      [this](const std::string& why) { log(LogLevel::debug, why); });
}

// --- input --------------------------------------------------------------------------------------

/// Feeds the router with what a connection reads.
class Session::Intake final : public redis::Receiver {
 public:
  Intake(Session& client, ServerLink& node) : client_(client), node_(node), at_(now()) {}

  void on_reply(const redis::ReplyView& view) override {
    if (!problem.empty()) {
      return;  // it answers nothing any more
    }
    if (node_.owed.empty()) {
      problem = "an unexpected reply";
      return;
    }
    node_.heard = at_;
    if (node_.is_silent) {
      client_.count_as_silent(node_, false);
    }
    auto* const line = node_.owed.front();
    node_.owed.pop_front();
    if (line == nullptr) {
      return;
    }
    core::Reply reply;
    reply.text = view.text;
    if (view.kind == redis::ReplyView::Kind::error) {
      if (client_.config_.endpoint.kind == Kind::sentinel && is_of_another_role(view.text)) {
        problem = "the server is no longer the primary";
        return;
      }
      auto error = redis::classify(view.text);
      if (client_.config_.is_cluster() &&
          (is_of_another_node(view.text) || is_of_another_role(view.text))) {
        client_.part(*line, error.what);
        return;
      }
      reply.is_error = true;
      reply.unknown_script = view.text.starts_with("NOSCRIPT");
      reply.moving = is_of_a_moving_slot(view.text);
      reply.passing =
          view.text.starts_with("LOADING") || view.text.starts_with("BUSY ") || reply.moving;
      reply.code = error.code;
      reply.what = std::move(error.what);
    }
    client_.router_.on_reply(at_, line->server, reply);
  }
  void on_message(std::string_view channel, std::string_view payload) override {
    if (auto* const line = listener(channel)) {
      client_.router_.on_message(at_, line->server, payload);
    }
  }
  void on_unsubscribed(std::string_view channel) override {
    if (!client_.config_.is_cluster()) {
      problem = "the server ended the subscription";
    } else if (auto* const line = listener(channel)) {
      client_.part(*line, "the lock's slot moved to another node of the cluster");
    }
  }

  std::string problem;

 private:
  /// Whose channel it is.
  Shard* listener(std::string_view channel) const {
    if (!client_.config_.is_cluster()) {
      return node_.lines.front();
    }
    const auto server = client_.router_.find(channel);
    auto* const line = server ? &client_.line_at(*server) : nullptr;
    return line != nullptr && line->node == &node_ && line->is_connected ? line : nullptr;
  }

  Session& client_;
  ServerLink& node_;
  core::Instant at_;
};

void Session::take_input(ServerLink& node) {
  Intake intake{*this, node};
  const bool sound = node.connection->receive(intake);
  if (!sound || !intake.problem.empty()) {
    end_connection(node, sound ? intake.problem : node.connection->problem());
  }
}

}  // namespace dlock::detail
