// Driving the engine: the socket, the actions, and the keeper thread.
#include <poll.h>

#include <algorithm>
#include <array>

#include "client/client_state.hpp"
#include "client/primary_watch.hpp"
#include "client/process.hpp"
#include "client/quiet_thread.hpp"
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
// So long at most is output left to threads that were woken, or to handlers that were posted.
constexpr core::Duration longest_unwritten = std::chrono::microseconds{100};

struct ScriptText {
  std::string_view text;
  std::string_view sha;
};

ScriptText script_of(const core::Command& command) {
  const bool acquires = command.verb == core::Verb::acquire;
  switch (command.kind) {
    case core::Kind::condition:
      return acquires ? ScriptText{script::condition, script::condition_sha}
                      : ScriptText{script::condition_leave, script::condition_leave_sha};
    case core::Kind::latch:
      return acquires ? ScriptText{script::latch, script::latch_sha}
                      : ScriptText{script::latch_leave, script::latch_leave_sha};
    case core::Kind::barrier:
      return acquires ? ScriptText{script::barrier, script::barrier_sha}
                      : ScriptText{script::barrier_leave, script::barrier_leave_sha};
    default:
      break;
  }
  const bool permits = command.kind == core::Kind::permits;
  switch (command.verb) {
    case core::Verb::acquire:
      return permits ? ScriptText{script::permits_acquire, script::permits_acquire_sha}
                     : ScriptText{script::acquire, script::acquire_sha};
    case core::Verb::acquire_all:
      return {script::acquire_all, script::acquire_all_sha};
    case core::Verb::release:
      return permits ? ScriptText{script::permits_release, script::permits_release_sha}
                     : ScriptText{script::release, script::release_sha};
    case core::Verb::renew:
      return permits ? ScriptText{script::permits_renew, script::permits_renew_sha}
                     : ScriptText{script::renew, script::renew_sha};
    case core::Verb::raise:
      return {script::raise, script::raise_sha};
    default:
      return {};
  }
}

}  // namespace

/// Feeds the engine with what the connection reads.
class ClientState::Intake final : public redis::Receiver {
 public:
  Intake(core::Engine& engine, core::Instant at, bool moves)
      : engine_(engine), at_(at), moves_(moves) {}

  void on_reply(const redis::ReplyView& view) override {
    demoted =
        demoted || (moves_ && view.kind == redis::ReplyView::Kind::error &&
                    (view.text.starts_with("READONLY") || view.text.starts_with("MASTERDOWN")));
    if (demoted) return;  // it answers nothing any more
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
  bool demoted = false;  ///< the server is not the primary any more

 private:
  core::Engine& engine_;
  core::Instant at_;
  const bool moves_;  ///< there are others who can be the primary
};

void ClientState::take_input() {
  Intake intake{engine_, now(), endpoint_.kind == redis::Endpoint::Kind::sentinel};
  const bool sound = connection_->receive(intake);
  if (!sound || intake.unsubscribed || intake.demoted) {
    engine_.on_disconnected(now(), !sound           ? connection_->problem()
                                   : intake.demoted ? "the server is not the primary any more"
                                                    : "the server ended the subscription");
    connection_->abort();
    connection_.reset();
  }
}

// The next thing to be done by the clock, by the engine or about connecting.
std::optional<core::Instant> ClientState::next_timer() const {
  auto next = engine_.next_timer();
  if (connector_.is_busy()) {
    next = std::min(next.value_or(connect_by_), connect_by_);
  }
  return next;
}

// Sleeps until there is input, a wake-up, or `until`; then takes the input and runs the timers.
void ClientState::poll_once(Lock& lock, std::optional<core::Instant> until, Role role) {
  const bool caller = role == Role::caller;
  auto& wake = caller ? *leader_wake_ : *keeper_wake_;
  auto& asleep_until = caller ? leader_until_ : keeper_until_;
  const bool reads = caller || (leader_ == nullptr && !engine_.idle() &&
                                (async_calls_ > 0 || now() - active_ >= stand_down));
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
  if (!engine_.idle() && (caller || leader_ == nullptr)) {
    until = std::min(until.value_or(start + longest_sleep), start + longest_sleep);
  }
  // Others were given something to do since the last look.
  const bool looks_soon = caller ? waking_ > 0 : !posts_.empty();
  if (looks_soon) {
    until = std::min(until.value_or(start + longest_unwritten), start + longest_unwritten);
  }
  keeper_looks_soon_ = caller ? keeper_looks_soon_ : looks_soon;
  ::timespec span{};
  if (until) {
    const auto length = std::max(core::Duration::zero(), *until - start);
    span.tv_sec = std::chrono::duration_cast<seconds>(length).count();
    span.tv_nsec = (length % seconds{1}).count();
  }
  asleep_until = until.value_or(core::Instant::max());
  keeper_reads_ = caller ? keeper_reads_ : count == 2;
  lock.unlock();
  const int ready = ::ppoll(fds.data(), count, until ? &span : nullptr, nullptr);
  lock.lock();
  asleep_until.reset();

  if (ready > 0 && fds[0].revents != 0) {
    wake.clear();
  }
  if (!caller && keeper_ends_) {
    return;
  }
  if (caller || leader_ == nullptr) {
    take_connection();
    if (ready > 0 && count == 2 && fds[1].revents != 0 && connection_ &&
        connection_number_ == number) {
      unwritten_ = unwritten_ || (fds[1].revents & POLLOUT) != 0;
      take_input();
    }
    const auto next = engine_.next_timer();
    if (const auto at = now(); next && *next <= at) {
      engine_.on_timer(at);
    }
    carry_out();
  }
  if (unwritten_) {
    write_out();
    carry_out();
  }
}

void ClientState::connect() {
  const auto kill = engine_.has_unanswered() ? connection_id_ : 0;
  // It ends by itself in this time, unless a name server keeps it longer.
  constexpr core::Duration grace = milliseconds{100};
  connect_by_ = now() + options_.connect_timeout + grace +
                (kill != 0 ? 2 * options_.request_timeout : milliseconds::zero());
  connector_.start({connection_settings(), kill, options_.request_timeout}, leader_wake_,
                   keeper_wake_);
}

void ClientState::take_connection() {
  auto dialled = connector_.take();
  if (!dialled && connector_.is_busy() && connect_by_ <= now()) {
    connector_.abandon();
    dialled = Dialled{nullptr, true, errc::unreachable,
                      url_ + ": no connection within the connect timeout; is its host name known?"};
  }
  if (!dialled) {
    return;
  }
  if (dialled->connection) {
    connection_ = std::move(dialled->connection);
    connection_id_ = connection_->id();
    ++connection_number_;
    watch_primary();
    engine_.on_connected(now(), dialled->old_is_dead);
    engine_.on_timer(now());
  } else {
    engine_.on_connect_failed(now(), dialled->code, dialled->what);
  }
}

// The connection to a server that is the primary no more is ended, so that another is made.
void ClientState::watch_primary() {
  if (endpoint_.kind != redis::Endpoint::Kind::sentinel || primary_watch_ || keeper_ends_) {
    return;
  }
  primary_watch_ = std::make_unique<PrimaryWatch>(
      connection_settings(),
      [this](const redis::Endpoint::Address& primary) {
        const Lock lock{*this};
        if (connection_ && connection_->primary() != primary) {
          connection_->hang_up();
        }
      },
      [this](const std::string& why) { log(LogLevel::debug, why); });
}

// --- actions ------------------------------------------------------------------------------------

void ClientState::carry_out(Write write) {
  for (engine_.take_actions(actions_); !actions_.empty(); engine_.take_actions(actions_)) {
    for (auto& action : actions_) {
      perform(action);
    }
    if (handlers_ > 0 && callbacks_.is_here()) {
      // The handlers to come are likely to have something to write too: the last of them writes it
      // all. Or the keeper, since nobody knows how long they take.
      unwritten_ = true;
      if (keeper_until_ && !keeper_looks_soon_) {
        keeper_looks_soon_ = true;
        keeper_wake_->notify();
      }
    } else if (write == Write::soon && leader_ != nullptr && waking_ > 0) {
      // Those who were woken are likely to have something to write: the last of them writes it all.
      unwritten_ = true;
      if (waking_ == 0) {
        write_out();
      }
    } else {
      write_out();
    }
  }
  if (settling_ && engine_.settled() && !settled_.done) {
    answer(settled_);
  }
}

void ClientState::write_out() {
  unwritten_ = false;
  if (connection_ && connection_->wants_write() && !connection_->flush()) {
    engine_.on_disconnected(now(), connection_->problem());
    connection_->abort();
    connection_.reset();
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
    connect();
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
    case core::Verb::acquire_all:
    case core::Verb::release:
    case core::Verb::renew:
    case core::Verb::raise: {
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
  keeper_ = quiet_thread([this] {
    Lock lock{*this};
    keep(lock);
  });
}

// While callers come and go it looks now and then whether they still do; while one leads for long
// it rests until that one leaves.
void ClientState::keep(Lock& lock) {
  std::uint64_t seen = 0;
  while (!keeper_ends_) {
    const auto at = now();
    std::optional<core::Instant> until;
    keeper_rests_ = leader_ != nullptr && std::exchange(seen, leads_) == leads_;
    if (leader_ == nullptr && followers_.empty()) {
      until = next_timer();
      if (at - active_ < stand_down) {
        until = std::min(until.value_or(at + stand_down), at + stand_down);
      }
    } else if (!keeper_rests_) {
      until = at + stand_down;
    }
    poll_once(lock, until, Role::keeper);
    keeper_rests_ = false;
  }
}

}  // namespace dlock::detail
