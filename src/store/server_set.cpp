// A round: ask all servers, count their replies, and leave the silent ones behind.
#include "store/server_set.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/wire/keys.hpp"
#include "store/store_config.hpp"

namespace dlock::detail {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds pause{100};  ///< at least, between two connections to a server
constexpr milliseconds max_wait = std::chrono::hours{1};  ///< what poll() can take
constexpr int max_moves = 5;                              ///< while a cluster settles

// The key is on another node, or the server is no longer a primary.
bool is_of_another_server(std::string_view error) {
  return error.starts_with("MOVED ") || error.starts_with("READONLY") ||
         error.starts_with("MASTERDOWN");
}

bool knows_others(const redis::Endpoint& endpoint) {
  using Kind = redis::Endpoint::Kind;
  return endpoint.kind == Kind::cluster || endpoint.kind == Kind::sentinel;
}

}  // namespace

/// Takes what one server sends.
class ServerSet::Intake final : public redis::Receiver {
 public:
  Intake(ServerSet& set, Server& server) : set_(set), server_(server) {}

  void on_reply(const redis::ReplyView& reply) override {
    if (!problem.what.empty()) {
      return;
    }
    if (server_.owed.empty()) {
      problem = {errc::unreachable, "an unexpected reply"};
      return;
    }
    const auto round = server_.owed.front().round;
    server_.owed.pop_front();
    server_.suspect = false;
    const bool is_error = reply.kind == redis::ReplyView::Kind::error;
    const auto& endpoint = server_.settings.endpoint;
    const auto error = [&] {
      auto what = redis::classify(reply.text);
      const bool is_misused = what.code == errc::not_a_lock && set_.call_ != nullptr;
      what.what = endpoint.display() + ": " +
                  (is_misused ? core::misuse_of(set_.call_->keys.front()) : what.what);
      return what;
    };
    if (is_error && knows_others(endpoint) && is_of_another_server(reply.text)) {
      problem = error();
      is_elsewhere = true;
    } else if (round == 0) {
      if (is_error) problem = error();
    } else if (round != set_.round_ || set_.call_ == nullptr) {
      return;  // too late
    } else if (is_error && server_.connection->lacks_script(reply.text, server_.asked_plain)) {
      is_unknown_script = true;
    } else if (is_error) {
      server_.problem = error();
    } else {
      server_.replied = true;
      set_.replies_.emplace_back(reply.text);
    }
  }
  void on_message(std::string_view /*channel*/, std::string_view /*payload*/) override {
    set_.has_news_ = true;
  }
  void on_unsubscribed(std::string_view /*channel*/) override {
    problem = {errc::unreachable, "the server ended the subscription"};
  }

  redis::ServerError problem{};  ///< it will answer nothing more
  bool is_elsewhere = false;     ///< another node has the key
  bool is_unknown_script = false;

 private:
  ServerSet& set_;
  Server& server_;
};

ServerSet::ServerSet(const StoreConfig& config, std::string_view key)
    : timeout_(config.options.request_timeout) {
  config.check_process();
  auto settings = config.connection_settings();
  // As in `SideConnections`: the next shared connection kills the former one by its name.
  settings.client_name += ":inspect";
  if (!config.is_quorum()) {
    settings.slot = core::slot_of(key);
    servers_.emplace_back().settings = std::move(settings);
    return;
  }
  for (const auto& address : config.endpoint.addresses) {
    settings.endpoint = config.endpoint.at(address);
    servers_.emplace_back().settings = settings;
  }
}

ServerSet::Replies ServerSet::run(const ScriptCall& call, const Decides& decide,
                                  const RunLimits& limits) {
  const std::stop_callback on_stop{limits.stop, [this] { wake_->notify(); }};
  struct Round {
    ServerSet& set;
    ~Round() { set.call_ = nullptr; }
  } const round{*this};
  begin_round(call);
  const auto enough_at = Clock::now() + std::min(limits.linger, max_wait);
  const auto expects = [this](const Server& server) { return is_expected(server); };
  while (!decide(replies_, size() - replies_.size()) && std::ranges::any_of(servers_, expects)) {
    if (limits.stop.stop_requested())
      throw_error(errc::cancelled, "the wait for the servers was cancelled");
    const auto end = replies_.size() >= majority() ? enough_at : limits.end;
    if (end <= Clock::now()) break;
    wait(end);
    go_on();
  }
  if (replies_.size() < majority()) fail();
  return std::move(replies_);
}

void ServerSet::begin_round(const ScriptCall& call) {
  call_ = nullptr;
  go_on();  // with what was left behind
  ++round_;
  call_ = &call;
  replies_.clear();
  for (auto& server : servers_) {
    server.asked = server.replied = server.dialled = false;
    server.moves = 0;
    if (server.connection) {
      server.problem.reset();
      ask(server, false);
    } else if (!server.connector.is_busy() && server.dial_at <= Clock::now()) {
      dial(server);
    }
  }
}

void ServerSet::dial(Server& server) {
  const auto now = Clock::now();
  server.problem.reset();
  server.dialled = true;
  server.dial_at = now + pause;
  server.dial_by = now + server.settings.connect_timeout;
  server.connector.start({server.settings, {}, timeout_}, [wake = wake_] { wake->notify(); });
}

void ServerSet::take_dialled(Server& server) {
  auto dialled = server.connector.take();
  if (!dialled) return;
  if (!dialled->connection) {
    give_up(server, {dialled->code, std::move(dialled->what)});
    return;
  }
  server.connection = std::move(dialled->connection);
  if (!channel_.empty()) {
    server.connection->append(std::array<std::string_view, 2>{"SSUBSCRIBE", channel_});
    server.owed.push_back({0, Clock::now()});
  }
  if (call_ != nullptr) {
    ask(server, false);
  } else {
    has_news_ = true;  // a message may have been missed
    if (!server.connection->flush()) drop(server, server.connection->problem());
  }
}

void ServerSet::ask(Server& server, bool whole) {
  const auto key_count = std::to_string(call_->keys.size());
  std::vector<std::string_view> fields{whole ? "EVAL" : "EVALSHA",
                                       server.connection->word_for(call_->what, whole), key_count};
  fields.insert(fields.end(), call_->keys.begin(), call_->keys.end());
  fields.insert(fields.end(), call_->arguments.begin(), call_->arguments.end());
  server.connection->append(fields);
  server.owed.push_back({round_, Clock::now()});
  server.asked = true;
  server.asked_plain = server.connection->has_plain_scripts();
  if (!server.connection->flush()) drop(server, server.connection->problem());
}

void ServerSet::receive(Server& server) {
  Intake intake{*this, server};
  if (!server.connection->receive(intake) || !server.connection->flush()) {
    drop(server, server.connection->problem());
  } else if (intake.is_elsewhere) {
    follow(server, std::move(intake.problem));
  } else if (!intake.problem.what.empty()) {
    give_up(server, std::move(intake.problem));
  } else if (intake.is_unknown_script) {
    ask(server, true);
  }
}

// An idle connection may have ended unnoticed: then it makes another one, once in a round.
void ServerSet::drop(Server& server, const std::string& why) {
  const bool again =
      call_ != nullptr && !server.replied && !server.dialled && server.dial_at <= Clock::now();
  give_up(server, {errc::unreachable, server.settings.endpoint.display() + ": " + why});
  if (again) {
    server.suspect = false;
    dial(server);
  }
}

// Turns to the server that has the key now.
void ServerSet::follow(Server& server, redis::ServerError problem) {
  give_up(server, std::move(problem));
  if (call_ != nullptr && server.moves++ < max_moves) {
    server.suspect = false;
    dial(server);
  }
}

// Skips the server until the next round.
void ServerSet::give_up(Server& server, redis::ServerError problem) {
  has_news_ = has_news_ || (server.connection && call_ == nullptr);
  server.connector.abandon();
  server.connection.reset();
  server.owed.clear();
  server.asked = false;
  server.suspect = true;
  server.problem = std::move(problem);
}

// Takes what has arrived, and gives up the servers whose time is over.
void ServerSet::go_on() {
  wake_->clear();
  for (auto& server : servers_) {
    take_dialled(server);
    if (server.connection) receive(server);
    if (const auto deadline = deadline_of(server, timeout_);
        deadline && *deadline <= Clock::now()) {
      const auto& endpoint = server.settings.endpoint;
      give_up(server, {errc::unreachable, endpoint.display() + ": no answer in time"});
    }
  }
}

void ServerSet::wait(Clock::time_point end) {
  std::vector<pollfd> ready;
  watch(ready);
  for (const auto& server : servers_) {
    if (const auto deadline = deadline_of(server, timeout_)) end = std::min(end, *deadline);
  }
  const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
  const auto span = std::clamp(left, milliseconds::zero(), max_wait);
  (void)::poll(ready.data(), ready.size(), static_cast<int>(span.count()));
}

void ServerSet::watch(std::vector<pollfd>& ready) {
  ready.push_back({wake_->fd(), POLLIN, 0});
  for (const auto& server : servers_) {
    if (!server.connection) continue;
    const auto add = [&](int fd, bool writes) {
      ready.push_back({fd, static_cast<short>(writes ? POLLIN | POLLOUT : POLLIN), 0});
    };
    add(server.connection->fd(), server.connection->wants_write());
    add(server.connection->listener_fd(), server.connection->listener_wants_write());  // or -1
  }
}

bool ServerSet::is_connected() const {
  const auto connected = std::ranges::count_if(
      servers_, [](const Server& server) { return server.connection != nullptr; });
  return static_cast<std::size_t>(connected) >= majority();
}

bool ServerSet::take_news() {
  go_on();
  return std::exchange(has_news_, false);
}

// Waits for suspects only while no majority is possible without them.
bool ServerSet::is_expected(const Server& server) const {
  const bool open = server.connector.is_busy() || server.asked;
  return open && !server.replied && !server.problem &&
         (!server.suspect || replies_.size() < majority());
}

std::optional<ServerSet::Clock::time_point> ServerSet::deadline_of(const Server& server,
                                                                   milliseconds timeout) {
  if (server.connector.is_busy()) return server.dial_by;
  if (server.owed.empty()) return std::nullopt;
  return server.owed.front().sent + timeout;
}

void ServerSet::fail() const {
  const auto is_failure = [](const Server& server) {
    return server.problem && server.problem->code != errc::unreachable;
  };
  const auto failures = std::ranges::count_if(servers_, is_failure);
  const bool is_refused = static_cast<std::size_t>(failures) > size() - majority();
  auto why = servers_.front().settings.endpoint.display() + ": no answer in time";
  for (const auto& server : servers_) {
    if (is_refused && is_failure(server)) throw_error(server.problem->code, server.problem->what);
    if (server.problem) why = server.problem->what;
  }
  throw_error(errc::unreachable, size() == 1 ? why : "no majority of the servers answers: " + why);
}

}  // namespace dlock::detail
