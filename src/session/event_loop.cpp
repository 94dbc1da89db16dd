// Driving the engines: the sockets, the actions, and the keeper thread.
#include <algorithm>

#include "runtime/background_thread.hpp"
#include "runtime/clock.hpp"
#include "script/scripts.hpp"
#include "session/session.hpp"

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
constexpr auto never = core::Instant::max();

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
    case core::Verb::write_fence:
      return permits ? ScriptText{script::permits_raise, script::permits_raise_sha}
                     : ScriptText{script::raise, script::raise_sha};
    default:
      return {};
  }
}

}  // namespace

// The next thing to be done by the clock, by the engines or about connecting.
std::optional<core::Instant> Session::next_timer() const {
  auto next = quorum_alarm_;
  for (const auto alarm : alarms_) {
    next = std::min(next, alarm);
  }
  for (const auto& node : nodes_) {
    if (node->connector.is_busy()) {
      next = std::min(next, node->connect_by);
    }
  }
  if (surveyor_.is_busy()) {
    next = std::min(next, survey_by_);
  }
  return next == never ? std::nullopt : std::optional{next};
}

// Sleeps until there is input, a wake-up, or `until`; then takes the input and runs the timers.
void Session::poll_once(Lock& lock, std::optional<core::Instant> until, Role role) {
  const bool caller = role == Role::caller;
  auto& wake = caller ? *leader_wake_ : *keeper_wake_;
  auto& asleep_until = caller ? leader_until_ : keeper_until_;
  const bool reads = caller || (leader_ == nullptr && !is_idle() &&
                                (async_calls_ > 0 || now() - active_ >= stand_down));
  auto& [fds, nodes] = caller ? leader_ears_ : keeper_ears_;
  fds.clear();
  nodes.clear();
  if (reads) {
    for (const auto& node : nodes_) {
      if (node->connection) {
        const bool writes = node->connection->wants_write();
        fds.push_back(
            {node->connection->fd(), static_cast<short>(writes ? POLLIN | POLLOUT : POLLIN), 0});
        nodes.emplace_back(node.get(), node->number);
      }
    }
  }
  fds.push_back({wake.fd(), POLLIN, 0});
  const auto start = now();
  if (!is_idle() && (caller || leader_ == nullptr)) {
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
  keeper_reads_ = caller ? keeper_reads_ : !nodes.empty();
  const bool is_cancellable = caller && leader_->is_cancellable;
  lock.unlock();
  const int ready = [&] {
    const auto sleep = [&] {
      return ::ppoll(fds.data(), fds.size(), until ? &span : nullptr, nullptr);
    };
    if (!is_cancellable) return sleep();
    const auto cancellation = lock.as_before();
    return sleep();
  }();
  lock.lock();
  asleep_until.reset();

  if (ready > 0 && fds.back().revents != 0) {
    wake.clear();
  }
  if (!caller && keeper_ends_) {
    return;
  }
  if (caller || leader_ == nullptr) {
    take_survey();
    take_rescued();
    for (std::size_t i = 0; i < nodes_.size(); ++i) {  // more may be added
      take_connection(*nodes_[i]);
    }
    for (std::size_t i = 0; ready > 0 && i < nodes.size(); ++i) {
      auto& [node, number] = nodes[i];
      if (fds[i].revents != 0 && node->connection && node->number == number) {
        unwritten_ = unwritten_ || (fds[i].revents & POLLOUT) != 0;
        take_input(*node);
      }
    }
    const auto at = now();
    for (std::size_t i = 0; i < alarms_.size(); ++i) {
      if (alarms_[i] <= at) {
        lines_[i]->engine.on_timer(at);
        touch(*lines_[i]);
      }
    }
    if (quorum_alarm_ <= at) {
      quorum_->on_timer(at);
      touch_quorum();
    }
    carry_out();
  }
  if (unwritten_) {
    write_out();
    carry_out();
  }
}

// --- actions ------------------------------------------------------------------------------------

// What touches an engine says so, that its actions are carried out and its timer is known.
void Session::touch(Shard& line) {
  if (!line.is_touched) {
    line.is_touched = true;
    touched_.push_back(&line);
  }
}

void Session::touch_quorum() { quorum_is_touched_ = true; }

// Whether anything was done.
bool Session::carry_out_of_lines() {
  bool acted = false;
  while (!touched_.empty()) {
    auto& line = *touched_.back();
    touched_.pop_back();
    for (line.engine.take_actions(actions_); !actions_.empty();
         line.engine.take_actions(actions_)) {
      acted = true;
      for (auto& action : actions_) {
        perform(line, action);
      }
    }
    line.is_touched = false;
    alarms_[line.index] = line.engine.next_timer().value_or(never);
    const bool was_idle = std::exchange(line.is_idle, line.engine.idle());
    busy_lines_ += static_cast<std::size_t>(was_idle) - static_cast<std::size_t>(line.is_idle);
  }
  return acted;
}

// After any call of it, its engines may have something to do too.
bool Session::carry_out_of_quorum() {
  if (!std::exchange(quorum_is_touched_, false)) {
    return false;
  }
  for (const auto& line : lines_) {
    touch(*line);
  }
  quorum_->take_actions(actions_);
  for (auto& action : actions_) {
    answer_users(action);
  }
  quorum_alarm_ = quorum_->next_timer().value_or(never);
  return true;
}

void Session::carry_out(Write write) {
  while (carry_out_of_lines() || carry_out_of_quorum()) {
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
  rescue();
  if (settling_ && is_settled() && !settled_.done) {
    answer(settled_);
  }
}

bool Session::wants_write() const {
  return std::any_of(nodes_.begin(), nodes_.end(), [](const auto& node) {
    return node->connection && node->connection->wants_write();
  });
}

void Session::write_out() {
  unwritten_ = false;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    auto& node = *nodes_[i];
    if (node.connection && node.connection->wants_write() && !node.connection->flush()) {
      end_connection(node, node.connection->problem());
    }
  }
}

// Does what an engine wants.
void Session::perform(Shard& line, core::Action& action) {
  if (auto* send = std::get_if<core::Send>(&action)) {
    if (line.is_connected) {
      write(line, send->command);
    }
  } else if (std::holds_alternative<core::Connect>(action)) {
    connect(line);
  } else if (auto* disconnect = std::get_if<core::Disconnect>(&action)) {
    if (line.is_connected) {
      end_connection(*line.node, disconnect->why, &line);
    }
  } else {
    const auto* const released = std::get_if<core::Released>(&action);
    if (released != nullptr && released->kind == core::Released::Kind::unknown) {
      note_silence(line);
    }
    if (quorum_ && !std::holds_alternative<core::Report>(action)) {
      quorum_->on_part(now(), line.index, action);
      touch_quorum();
    } else {
      answer_users(action);
    }
  }
}

void Session::answer_users(core::Action& action) {
  if (auto* obtained = std::get_if<core::Obtained>(&action)) {
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
      callbacks_.post([source = lost->lease->lost]() mutable { source.request_stop(); },
                      Callbacks::Fate::runs);
    }
    tell_whole(*lost->lease);
  } else if (auto* blocked = std::get_if<core::RenewalBlocked>(&action)) {
    stranded_.push_back(std::move(blocked->lease));
  } else if (auto* report = std::get_if<core::Report>(&action)) {
    log(report->level, std::move(report->text));
  }
}

void Session::write(Shard& line, const core::Command& command) {
  fields_.clear();
  std::string key_count;
  switch (command.verb) {
    case core::Verb::acquire:
    case core::Verb::acquire_all:
    case core::Verb::release:
    case core::Verb::renew:
    case core::Verb::write_fence: {
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
  line.node->connection->append(fields_);
  line.node->owed.push_back(&line);
}

// --- the keeper ---------------------------------------------------------------------------------

void Session::ensure_keeper() {
  if (keeper_.joinable() || keeper_ends_) {
    return;
  }
  keeper_ = background_thread([this] {
    Lock lock{*this};
    keep(lock);
  });
}

// While callers come and go it looks now and then whether they still do; while one leads for long
// it rests until that one leaves.
void Session::keep(Lock& lock) {
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
