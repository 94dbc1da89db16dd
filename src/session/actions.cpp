// Actions: carries out the router's actions, and does the work of the event loop.
#include <algorithm>

#include "runtime/clock.hpp"
#include "session/session.hpp"

namespace dlock::detail {

// The next timer, of the router or of connecting.
std::optional<core::Instant> Session::next_timer() const {
  const auto next = std::min(router_.next_timer(), topology_.next_timer());
  return next == never ? std::nullopt : std::optional{next};
}

void Session::serve(const runtime::PollSet& ready) {
  topology_.serve(ready);
  router_.on_timer(runtime::now());
  carry_out();
}

// --- actions ------------------------------------------------------------------------------------

// Returns whether there were any.
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
  topology_.renew_migrating();
  if (settling_ && router_.settled() && !settled_.is_answered()) {
    loop_.answer(settled_);
  }
}

void Session::perform(core::ServerId server, core::Action& action) {
  if (const auto* send = std::get_if<core::Send>(&action)) {
    topology_.send(server, send->command);
  } else if (std::holds_alternative<core::Connect>(action)) {
    topology_.connect(server);
  } else if (const auto* disconnect = std::get_if<core::Disconnect>(&action)) {
    topology_.disconnect(server, disconnect->why);
  } else if (std::holds_alternative<core::Unanswered>(action)) {
    topology_.note_unanswered(server);
  } else {
    answer_users(action);
  }
}

void Session::answer_users(core::Action& action) {
  if (auto* obtained = std::get_if<core::Obtained>(&action)) {
    auto& call = *reinterpret_cast<Call*>(obtained->waiter);
    if (events_.is_on()) {
      events_.acquired(*obtained);
    }
    call.answer = std::move(*obtained);
    answer(call);
  } else if (auto* refusal = std::get_if<core::Refusal>(&action)) {
    auto& call = *reinterpret_cast<Call*>(refusal->waiter);
    call.answer = std::move(*refusal);
    answer(call);
  } else if (auto* released = std::get_if<core::Released>(&action)) {
    if (events_.is_on()) {
      events_.released(*released);
    }
    if (const auto found = releases_.find(released->lease); found != releases_.end()) {
      auto& call = *found->second;
      releases_.erase(found);
      call.answer = *released;
      answer(call);
    }
  } else if (auto* lost = std::get_if<core::Lost>(&action)) {
    const auto now = runtime::now();
    end_leadership(now, *lost->lease);
    if (events_.is_on()) {
      events_.lost(now, *lost->lease);
    }
    log(LogLevel::warning,
        std::string{"lock lost: "}.append(lost->lease->key.text().substr(options().prefix.size())));
    if (lost->lease->lost.stop_possible()) {
      callbacks_.post([source = lost->lease->lost]() mutable { source.request_stop(); },
                      runtime::Callbacks::Fate::runs);
    }
    tell_whole(*lost->lease);
  } else if (auto* blocked = std::get_if<core::RenewalBlocked>(&action)) {
    topology_.renew_elsewhere(std::move(blocked->lease));
  } else if (auto* report = std::get_if<core::Report>(&action)) {
    log(report->level, std::move(report->text));
  }
}

}  // namespace dlock::detail
