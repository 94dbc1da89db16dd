// Driving the engine: the socket, the actions, and the keeper thread.
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <array>

#include "client/client_state.hpp"
#include "client/process.hpp"
#include "script/scripts.hpp"

namespace dlock::detail {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// After a caller read the socket the keeper stays away from it for so long: the next call is likely
// to come soon, and two sleepers on one socket cost a wake-up each.
constexpr core::Duration stand_down = milliseconds{10};
// So long at most does anybody sleep while a lease is held: poll() counts on a clock that stands
// still while the machine sleeps.
constexpr core::Duration longest_sleep = seconds{1};

struct ScriptText {
  std::string_view text;
  std::string_view sha;
};

ScriptText script_of(const core::Command& command) {
  const bool permits = command.kind == core::Kind::permits;
  switch (command.verb) {
    case core::Verb::acquire:
      return permits ? ScriptText{script::permits_acquire, script::permits_acquire_sha}
                     : ScriptText{script::acquire, script::acquire_sha};
    case core::Verb::release:
      return permits ? ScriptText{script::permits_release, script::permits_release_sha}
                     : ScriptText{script::release, script::release_sha};
    case core::Verb::renew:
      return permits ? ScriptText{script::permits_renew, script::permits_renew_sha}
                     : ScriptText{script::renew, script::renew_sha};
    default:
      return {};
  }
}

// Whether nothing sent on connection `old` can still be carried out. Kills it if need be, but only
// if it is ours: after a restart of the server its number may be somebody else's.
bool kill_old(redis::Connection& connection, std::int64_t old, const std::string& name,
              milliseconds timeout) {
  if (old == 0 || old == connection.id()) {
    return true;
  }
  const auto id = std::to_string(old);
  const auto listed = connection.call({"CLIENT", "LIST", "ID", id}, timeout);
  if (listed.kind != redis::ReplyView::Kind::text) {
    return false;
  }
  if (listed.text.find(" name=" + name + " ") == std::string::npos) {
    return true;
  }
  const auto killed = connection.call({"CLIENT", "KILL", "ID", id}, timeout);
  return killed.kind == redis::ReplyView::Kind::text;
}

}  // namespace

/// Feeds the engine with what the connection reads.
class ClientState::Intake final : public redis::Receiver {
 public:
  Intake(core::Engine& engine, core::Instant at) : engine_(engine), at_(at) {}

  void on_reply(const redis::ReplyView& view) override {
    core::Reply reply;
    reply.text = view.text;
    if (view.kind == redis::ReplyView::Kind::error) {
      auto error = redis::classify(view.text);
      reply.is_error = true;
      reply.unknown_script = view.text.starts_with("NOSCRIPT");
      reply.passing = view.text.starts_with("LOADING") || view.text.starts_with("BUSY ");
      reply.code = error.code;
      reply.what = std::move(error.what);
    }
    engine_.on_reply(at_, reply);
  }
  void on_message(std::string_view /*channel*/, std::string_view payload) override {
    engine_.on_message(at_, payload);
  }
  void on_unsubscribed() override { unsubscribed = true; }

  bool unsubscribed = false;

 private:
  core::Engine& engine_;
  core::Instant at_;
};

void ClientState::take_input() {
  Intake intake{engine_, now()};
  const bool sound = connection_->receive(intake);
  if (!sound || intake.unsubscribed) {
    engine_.on_disconnected(now(),
                            sound ? "the server ended the subscription" : connection_->problem());
    connection_->abort();
    connection_.reset();
  }
}

// Sleeps until there is input, a wake-up, or `until`; then takes the input and runs the timers.
void ClientState::poll_once(Lock& lock, std::optional<core::Instant> until, Role role) {
  const bool caller = role == Role::caller;
  auto& wake = caller ? leader_wake_ : keeper_wake_;
  auto& asleep_until = caller ? leader_until_ : keeper_until_;
  const bool reads =
      caller || (leader_ == nullptr && !engine_.idle() && now() - active_ >= stand_down);
  const auto number = connection_number_;
  std::array<::pollfd, 2> fds{};
  fds[0] = {wake.fd(), POLLIN, 0};
  ::nfds_t count = 1;
  if (reads && connection_) {
    const bool writes = connection_->wants_write();
    fds[1] = {connection_->fd(), static_cast<short>(writes ? POLLIN | POLLOUT : POLLIN), 0};
    count = 2;
  }
  const auto start = now();
  if (!engine_.idle()) {
    until = std::min(until.value_or(start + longest_sleep), start + longest_sleep);
  }
  ::timespec span{};
  if (until) {
    const auto length = std::max(core::Duration::zero(), *until - start);
    span.tv_sec = std::chrono::duration_cast<seconds>(length).count();
    span.tv_nsec = (length % seconds{1}).count();
  }
  asleep_until = until.value_or(core::Instant::max());
  lock.unlock();
  const int ready = ::ppoll(fds.data(), count, until ? &span : nullptr, nullptr);
  lock.lock();
  asleep_until.reset();

  if (ready > 0 && fds[0].revents != 0) {
    wake.clear();
  }
  if (caller || leader_ == nullptr) {
    if (ready > 0 && count == 2 && fds[1].revents != 0 && connection_ &&
        connection_number_ == number) {
      take_input();
    }
    const auto next = engine_.next_timer();
    if (const auto at = now(); next && *next <= at) {
      engine_.on_timer(at);
    }
    carry_out();
  }
}

void ClientState::connect(Lock& lock) {
  connect_wanted_ = false;
  const auto old = connection_id_;
  const bool must_kill = engine_.has_unanswered();
  const auto settings = connection_settings();
  lock.unlock();
  std::unique_ptr<redis::Connection> connection;
  bool old_is_dead = true;
  auto code = errc::unreachable;
  std::string what;
  try {
    connection = redis::Connection::open(settings);
    if (must_kill) {
      old_is_dead = kill_old(*connection, old, settings.client_name, options_.request_timeout);
    }
  } catch (const Error& error) {
    connection.reset();
    code = error.reason();
    what = error.what();
  } catch (const std::exception& error) {
    connection.reset();
    what = std::string{"cannot connect to "} + url_ + ": " + error.what();
  }
  lock.lock();
  if (connection) {
    connection_ = std::move(connection);
    connection_id_ = connection_->id();
    ++connection_number_;
    engine_.on_connected(now(), old_is_dead);
    engine_.on_timer(now());
    if (leader_until_) {
      leader_wake_.notify();  // it sleeps without the new socket
    }
  } else {
    engine_.on_connect_failed(now(), code, what);
  }
  carry_out();
  after_change();
}

// --- actions ------------------------------------------------------------------------------------

void ClientState::carry_out() {
  for (auto actions = engine_.take_actions(); !actions.empty(); actions = engine_.take_actions()) {
    for (auto& action : actions) {
      perform(action);
    }
    if (connection_ && connection_->wants_write() && !connection_->flush()) {
      engine_.on_disconnected(now(), connection_->problem());
      connection_->abort();
      connection_.reset();
    }
  }
  if (settling_ && engine_.settled() && !settled_.done) {
    answer(settled_);
  }
}

void ClientState::perform(core::Action& action) {
  if (auto* send = std::get_if<core::Send>(&action)) {
    if (connection_) {
      write(send->command);
    }
  } else if (auto* obtained = std::get_if<core::Obtained>(&action)) {
    auto& call = *reinterpret_cast<Call*>(obtained->waiter);
    call.answer = std::move(*obtained);
    answer(call);
  } else if (auto* refusal = std::get_if<core::Refusal>(&action)) {
    auto& call = *reinterpret_cast<Call*>(refusal->waiter);
    call.answer = std::move(*refusal);
    answer(call);
  } else if (auto* released = std::get_if<core::Released>(&action)) {
    if (const auto found = releases_.find(released->lease); found != releases_.end()) {
      auto& call = *found->second;
      releases_.erase(found);
      call.answer = *released;
      answer(call);
    }
  } else if (auto* lost = std::get_if<core::Lost>(&action)) {
    log(LogLevel::error, "lock lost: " + lost->lease->key);
    if (lost->lease->lost.stop_possible()) {
      callbacks_.post([source = lost->lease->lost]() mutable { source.request_stop(); });
    }
  } else if (std::holds_alternative<core::Connect>(action)) {
    connect_wanted_ = true;
  } else if (std::holds_alternative<core::Disconnect>(action)) {
    if (connection_) {
      connection_->abort();
      connection_.reset();
    }
  } else if (auto* report = std::get_if<core::Report>(&action)) {
    log(report->level, std::move(report->text));
  }
}

void ClientState::write(const core::Command& command) {
  fields_.clear();
  std::string key_count;
  switch (command.verb) {
    case core::Verb::acquire:
    case core::Verb::release:
    case core::Verb::renew: {
      const auto script = script_of(command);
      key_count = std::to_string(command.keys.size());
      fields_.insert(fields_.end(), {command.whole ? "EVAL" : "EVALSHA",
                                     command.whole ? script.text : script.sha, key_count});
      break;
    }
    case core::Verb::subscribe:
      fields_.emplace_back("SSUBSCRIBE");
      break;
    case core::Verb::enroll:
      fields_.emplace_back("SET");
      break;
    case core::Verb::withdraw:
      fields_.emplace_back("DEL");
      break;
    case core::Verb::ping:
      fields_.emplace_back("PING");
      break;
  }
  fields_.insert(fields_.end(), command.keys.begin(), command.keys.end());
  if (command.verb == core::Verb::enroll) {
    fields_.insert(fields_.end(), {command.args[0], "PX", command.args[1]});
  } else {
    fields_.insert(fields_.end(), command.args.begin(), command.args.end());
  }
  connection_->append(fields_);
}

// --- the keeper ---------------------------------------------------------------------------------

void ClientState::ensure_keeper() {
  if (keeper_.joinable() || keeper_ends_) {
    return;
  }
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  keeper_ = std::thread{[this] {
    Lock lock{mutex_};
    keep(lock);
  }};
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void ClientState::keep(Lock& lock) {
  while (!keeper_ends_) {
    if (connect_wanted_) {
      connect(lock);
      continue;
    }
    const auto at = now();
    auto until = leader_ == nullptr ? engine_.next_timer() : std::nullopt;
    if (leader_ != nullptr || !followers_.empty() || at - active_ < stand_down) {
      until = std::min(until.value_or(at + stand_down), at + stand_down);
    }
    poll_once(lock, until, Role::keeper);
  }
}

}  // namespace dlock::detail
