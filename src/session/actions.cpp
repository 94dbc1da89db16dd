// Actions: what the router wants done, and what the event loop drives.
#include <algorithm>

#include "runtime/clock.hpp"
#include "script/scripts.hpp"
#include "session/session.hpp"

namespace dlock::detail {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

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

// The next thing to be done by the clock, by the router or about connecting.
std::optional<core::Instant> Session::next_timer() const {
  auto next = router_.next_timer();
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

void Session::serve(const runtime::PollSet& ready) {
  take_survey();
  take_rescued();
  for (std::size_t i = 0; i < nodes_.size(); ++i) {  // more may be added
    take_connection(*nodes_[i]);
  }
  for (std::size_t i = 0; i < ready.size(); ++i) {
    const auto& source = ready.source(i);
    auto& node = *nodes_[source.index];
    if (ready.is_ready(i) && node.connection && node.number == source.generation) {
      take_input(node);
    }
  }
  router_.on_timer(now());
  carry_out();
}

void Session::add_sockets(runtime::PollSet& into) const {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (const auto& connection = nodes_[i]->connection) {
      into.add(connection->fd(), connection->wants_write(), {i, nodes_[i]->number});
    }
  }
}

// --- actions ------------------------------------------------------------------------------------

// Whether there were any.
bool Session::perform_actions() {
  bool acted = false;
  while (const auto server = router_.take_actions(actions_)) {
    acted = true;
    for (auto& action : actions_) {
      perform(*server, action);
    }
    actions_.clear();
  }
  return acted;
}

void Session::carry_out(EventLoop::Write write) {
  while (perform_actions()) {
    loop_.write(write);
  }
  rescue();
  if (settling_ && router_.settled() && !settled_.is_answered()) {
    loop_.answer(settled_);
  }
}

bool Session::wants_write() const {
  return std::any_of(nodes_.begin(), nodes_.end(), [](const auto& node) {
    return node->connection && node->connection->wants_write();
  });
}

void Session::flush() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    auto& node = *nodes_[i];
    if (node.connection && node.connection->wants_write() && !node.connection->flush()) {
      end_connection(node, node.connection->problem());
    }
  }
}

void Session::perform(core::ServerId server, core::Action& action) {
  if (auto* send = std::get_if<core::Send>(&action)) {
    if (auto& line = *lines_[server]; line.is_connected) {
      write(line, send->command);
    }
  } else if (std::holds_alternative<core::Connect>(action)) {
    connect(line_at(server));
  } else if (auto* disconnect = std::get_if<core::Disconnect>(&action)) {
    if (auto& line = *lines_[server]; line.is_connected) {
      end_connection(*line.node, disconnect->why, &line);
    }
  } else if (std::holds_alternative<core::Unanswered>(action)) {
    note_unanswered(*lines_[server]);
  } else {
    answer_users(action);
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
    log(LogLevel::warning, "lock lost: " + lost->lease->key);
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

}  // namespace dlock::detail
