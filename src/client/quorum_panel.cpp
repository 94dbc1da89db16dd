// A round: ask all, count what they say, and leave those behind that say nothing.
#include "client/quorum_panel.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "client/client_state.hpp"

namespace dlock::detail {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds pause{100};  ///< at least, between two connections to a server
constexpr milliseconds longest_wait = std::chrono::hours{1};  ///< what poll() can take

}  // namespace

/// Takes what one server sends.
class QuorumPanel::Intake final : public redis::Receiver {
 public:
  Intake(QuorumPanel& panel, Server& server) : panel_(panel), server_(server) {}

  void on_reply(const redis::ReplyView& reply) override {
    if (!problem.what.empty()) {
      return;
    }
    if (server_.owed.empty()) {
      problem = {errc::unreachable, "a reply that nothing asked for"};
      return;
    }
    const auto round = server_.owed.front().round;
    server_.owed.pop_front();
    server_.suspect = false;
    const bool is_error = reply.kind == redis::ReplyView::Kind::error;
    if (round == 0) {
      if (is_error) problem = redis::classify(reply.text);
    } else if (round != panel_.round_ || panel_.call_ == nullptr) {
      return;  // too late
    } else if (is_error && reply.text.starts_with("NOSCRIPT")) {
      is_unknown_script = true;
    } else if (is_error) {
      server_.problem = redis::classify(reply.text);
    } else {
      server_.voted = true;
      panel_.votes_.emplace_back(reply.text);
    }
  }
  void on_message(std::string_view /*channel*/, std::string_view /*payload*/) override {
    panel_.has_news_ = true;
  }
  void on_unsubscribed(std::string_view /*channel*/) override {
    problem = {errc::unreachable, "the server ended the subscription"};
  }

  redis::ServerError problem{};  ///< it answers nothing any more
  bool is_unknown_script = false;

 private:
  QuorumPanel& panel_;
  Server& server_;
};

QuorumPanel::QuorumPanel(const ClientState& client)
    : Panel(client.endpoint().addresses.size()), timeout_(client.options().request_timeout) {
  client.check_process();
  auto settings = client.connection_settings();
  // As `Servers` has it: the shared connection's name is what that one's successor kills by.
  settings.client_name += ":inspect";
  for (const auto& address : client.endpoint().addresses) {
    settings.endpoint = client.endpoint().at(address);
    servers_.emplace_back().settings = settings;
  }
}

Panel::Votes QuorumPanel::run(const ScriptCall& call, const Decides& decide,
                              milliseconds patience) {
  begin_round(call);
  const auto end = Clock::now() + std::min(patience, longest_wait);
  const auto expects = [this](const Server& server) { return is_expected(server); };
  while (!decide(votes_, size() - votes_.size()) && std::ranges::any_of(servers_, expects)) {
    const bool is_majority = votes_.size() >= majority();
    if (is_majority && end <= Clock::now()) break;
    wait(is_majority ? end : Clock::time_point::max());
    go_on();
  }
  call_ = nullptr;
  if (votes_.size() < majority()) fail();
  return std::move(votes_);
}

void QuorumPanel::begin_round(const ScriptCall& call) {
  call_ = nullptr;
  go_on();  // with what was left behind
  ++round_;
  call_ = &call;
  votes_.clear();
  for (auto& server : servers_) {
    server.asked = server.voted = server.dialled = false;
    server.problem.reset();
    if (server.connection) {
      ask(server, false);
    } else if (!server.connector.is_busy() && server.dial_at <= Clock::now()) {
      dial(server);
    }
  }
}

void QuorumPanel::dial(Server& server) {
  const auto now = Clock::now();
  server.dialled = true;
  server.dial_at = now + pause;
  server.dial_by = now + server.settings.connect_timeout;
  server.connector.start({server.settings, 0, timeout_}, wake_, wake_);
}

void QuorumPanel::take_dialled(Server& server) {
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
    has_news_ = true;  // since it was gone
    if (!server.connection->flush()) drop(server, server.connection->problem());
  }
}

void QuorumPanel::ask(Server& server, bool whole) {
  const auto key_count = std::to_string(call_->keys.size());
  std::vector<std::string_view> fields{whole ? "EVAL" : "EVALSHA",
                                       whole ? call_->script : call_->sha, key_count};
  fields.insert(fields.end(), call_->keys.begin(), call_->keys.end());
  fields.insert(fields.end(), call_->arguments.begin(), call_->arguments.end());
  server.connection->append(fields);
  server.owed.push_back({round_, Clock::now()});
  server.asked = true;
  if (!server.connection->flush()) drop(server, server.connection->problem());
}

void QuorumPanel::receive(Server& server) {
  Intake intake{*this, server};
  if (!server.connection->receive(intake) || !server.connection->flush()) {
    drop(server, server.connection->problem());
  } else if (!intake.problem.what.empty()) {
    give_up(server, std::move(intake.problem));
  } else if (intake.is_unknown_script) {
    ask(server, true);
  }
}

// A connection that was idle may have ended unseen: then there is another one, once a round.
void QuorumPanel::drop(Server& server, const std::string& why) {
  const bool again =
      call_ != nullptr && !server.voted && !server.dialled && server.dial_at <= Clock::now();
  give_up(server, {errc::unreachable, server.settings.endpoint.display() + ": " + why});
  if (again) {
    server.problem.reset();
    server.suspect = false;
    dial(server);
  }
}

// Until the next round.
void QuorumPanel::give_up(Server& server, redis::ServerError problem) {
  has_news_ = has_news_ || (server.connection && call_ == nullptr);
  server.connector.abandon();
  server.connection.reset();
  server.owed.clear();
  server.asked = false;
  server.suspect = true;
  server.problem = std::move(problem);
}

// Takes what there is, and gives up who had its time.
void QuorumPanel::go_on() {
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

void QuorumPanel::wait(Clock::time_point end) {
  std::vector<pollfd> ready;
  watch(ready);
  for (const auto& server : servers_) {
    if (const auto deadline = deadline_of(server, timeout_)) end = std::min(end, *deadline);
  }
  const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
  const auto span = std::clamp(left, milliseconds::zero(), longest_wait);
  (void)::poll(ready.data(), ready.size(), static_cast<int>(span.count()));
}

void QuorumPanel::watch(std::vector<pollfd>& ready) {
  ready.push_back({wake_->fd(), POLLIN, 0});
  for (const auto& server : servers_) {
    if (!server.connection) continue;
    const bool writes = server.connection->wants_write();
    ready.push_back(
        {server.connection->fd(), static_cast<short>(writes ? POLLIN | POLLOUT : POLLIN), 0});
  }
}

bool QuorumPanel::is_connected() const {
  const auto connected = std::ranges::count_if(
      servers_, [](const Server& server) { return server.connection != nullptr; });
  return static_cast<std::size_t>(connected) >= majority();
}

bool QuorumPanel::take_news() {
  go_on();
  return std::exchange(has_news_, false);
}

// Suspects only while without them there can be no majority.
bool QuorumPanel::is_expected(const Server& server) const {
  const bool open = server.connector.is_busy() || server.asked;
  return open && !server.voted && !server.problem &&
         (!server.suspect || votes_.size() < majority());
}

std::optional<QuorumPanel::Clock::time_point> QuorumPanel::deadline_of(const Server& server,
                                                                       milliseconds timeout) {
  if (server.connector.is_busy()) return server.dial_by;
  if (server.owed.empty()) return std::nullopt;
  return server.owed.front().sent + timeout;
}

void QuorumPanel::fail() const {
  const auto is_failure = [](const Server& server) {
    return server.problem && server.problem->code != errc::unreachable;
  };
  const auto failures = std::ranges::count_if(servers_, is_failure);
  const bool is_refused = static_cast<std::size_t>(failures) > size() - majority();
  std::string why = "no majority of the servers answers";
  for (const auto& server : servers_) {
    if (is_refused && is_failure(server)) throw_error(server.problem->code, server.problem->what);
    if (server.problem) why = "no majority of the servers answers: " + server.problem->what;
  }
  throw_error(errc::unreachable, why);
}

}  // namespace dlock::detail
