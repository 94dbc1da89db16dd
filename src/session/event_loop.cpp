// Sleeping, waking and polling: see the header for the states.
#include "session/event_loop.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "runtime/background_thread.hpp"
#include "runtime/clock.hpp"

namespace dlock::detail {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// How long the background thread keeps away from the sockets after a caller has led.
constexpr core::Duration stand_down = milliseconds{10};
// The longest sleep while a lease is held: poll() counts on a clock that stands still while the
// machine sleeps.
constexpr core::Duration max_sleep = seconds{1};
// How long the background thread goes on reading after the last asynchronous call, so that the next
// one need not wake it.
constexpr core::Duration linger = seconds{1};

void lower(std::optional<core::Instant>& until, core::Instant other) {
  until = std::min(until.value_or(other), other);
}

}  // namespace

// --- the mutex ----------------------------------------------------------------------------------

void EventLoop::Lock::lock() {
  loop_.mutex_.lock();
  is_locked_ = true;
}

void EventLoop::Lock::unlock() {
  const auto woken = loop_.sleepers_.take();
  auto handlers = std::move(loop_.answered_handlers_);
  is_locked_ = false;
  loop_.mutex_.unlock();
  if (!handlers.empty()) {
    loop_.post(std::move(handlers));
  }
  runtime::WakeSet::wake(woken);
}

// --- callers ------------------------------------------------------------------------------------

void EventLoop::wait(Lock& lock, Waiter& waiter) {
  busy_poll_.begin_call();
  while (!waiter.is_answered_) {
    if (leader_ == nullptr) {
      lead(lock, waiter);
      continue;
    }
    waiter.place_ = followers_.insert(followers_.end(), &waiter);
    waiter.follows_ = true;
    sleepers_.add(waiter.sleeper_);
    lock.unlock();
    const auto turn = [&] {
      if (!waiter.is_cancellable_) return runtime::WakeSet::await(waiter.sleeper_, false);
      const auto cancellation = lock.own_cancellation();
      return runtime::WakeSet::await(waiter.sleeper_, true);
    }();
    if (waking_.fetch_sub(1) == 1 && (is_unwritten_ || is_lead_vacant_)) {
      const Lock rest{*this};
      if (is_unwritten_) {
        flush();
        work_.carry_out();
      }
      if (turn == Waiter::answered) pass_lead();
    }
    if (turn == Waiter::answered) {
      return;
    }
    lock.lock();
  }
  pass_lead();
  lock.unlock();
}

void EventLoop::wait_until(Lock& lock, Waiter& waiter, core::Instant deadline) {
  while (!waiter.is_answered_ && runtime::now() < deadline) {
    leader_ = &waiter;
    poll_once(lock, std::min(deadline, work_.next_timer().value_or(deadline)), Role::leader);
    leader_ = nullptr;
  }
}

void EventLoop::leave(Lock& lock, Waiter& waiter) {
  lock.lock();
  if (leader_ == &waiter) {
    pollers_->leader.asleep_until.reset();
    leader_ = nullptr;
    led_at_ = runtime::now();
  } else if (waiter.follows_) {
    followers_.erase(waiter.place_);
    waiter.follows_ = false;
    runtime::WakeSet::forget(waiter.sleeper_);
  } else {  // it was woken
    runtime::WakeSet::forget(waiter.sleeper_);
    waking_.fetch_sub(1);
  }
}

void EventLoop::lead(Lock& lock, Waiter& waiter) {
  leader_ = &waiter;
  is_lead_vacant_ = false;
  ++leads_;
  if (is_unwritten_) {  // whoever polls has written before
    flush();
    work_.carry_out();
  }
  while (!waiter.is_answered_) {
    poll_once(lock, work_.next_timer(), Role::leader);
  }
  leader_ = nullptr;
  led_at_ = runtime::now();
}

void EventLoop::pass_lead() {
  if (leader_ == nullptr && !followers_.empty()) {
    is_lead_vacant_ = true;
    if (waking_ == 0) {  // else the last of them looks
      is_lead_vacant_ = false;
      wake(*followers_.front(), Waiter::leads);
    }
  } else if (leader_ == nullptr && background_rests_) {
    pollers_->background.wake.notify();
  }
}

// It happens when the mutex is released.
void EventLoop::wake(Waiter& waiter, Waiter::Turn turn) {
  followers_.erase(waiter.place_);
  waiter.follows_ = false;
  waking_.fetch_add(1);
  sleepers_.raise(waiter.sleeper_, turn);  // it may be gone afterwards
}

void EventLoop::answer(Waiter& waiter) {
  waiter.is_answered_ = true;
  if (&waiter == leader_) {
    if (pollers_->leader.asleep_until) {
      pollers_->leader.wake.notify();
    }
  } else if (waiter.follows_) {
    wake(waiter, Waiter::answered);
  }
}

// --- a visitor ----------------------------------------------------------------------------------

bool EventLoop::expect_visits(std::shared_ptr<runtime::ReadySockets> set, std::uint64_t number) {
  const Lock lock{*this};
  if (set && visitor_) return false;
  visitor_ = std::move(set);
  visitor_number_ = number;
  is_visited_ = false;
  work_.show_sockets();
  if (is_unwritten_) {
    flush();
    work_.carry_out();
  }
  recheck_sleep();
  return true;
}

void EventLoop::visit() {
  const Lock lock{*this};
  led_at_ = runtime::now();
  visited_.clear();
  work_.add_sockets(visited_);
  visited_.expect_input();
  serve(visited_);
  recheck_sleep();
  is_visited_ = true;
}

void EventLoop::end_visit() {
  const Lock lock{*this};
  is_visited_ = false;
  if (is_unwritten_) {
    flush();
    work_.carry_out();
    recheck_sleep();
  }
}

// --- handlers -----------------------------------------------------------------------------------

// A visitor that has other calls under way may be too busy to come, so it counts as at hand once.
void EventLoop::expect_handler() {
  if (++unanswered_handlers_ == 1 && visitor_) led_at_ = runtime::now();
}

void EventLoop::answer(std::shared_ptr<AsyncWaiter> handler) {
  --unanswered_handlers_;
  posted_handlers_.fetch_add(1);
  answered_handlers_.push(std::move(handler));
}

void EventLoop::post(runtime::Callbacks::Row handlers) {
  runtime::Callbacks::Row left;
  while (!handlers.empty()) {
    auto handler = std::static_pointer_cast<AsyncWaiter>(handlers.pop());
    posted_handlers_.fetch_sub(1);  // the loop may be gone after the last of them
    if (handler->hand_over(handler)) continue;
    posted_handlers_.fetch_add(1);
    left.push(std::move(handler));
  }
  if (!left.empty()) callbacks_.post(std::move(left), runtime::Callbacks::Fate::dropped);
}

// --- output and sleep ---------------------------------------------------------------------------

void EventLoop::write(Write when) {
  const auto is_added_to = [&] {
    return (when == Write::soon && waking_ > 0) || (when == Write::at_reply && is_visited_) ||
           (posted_handlers_ > 0 && callbacks_.is_here());
  };
  if (when == Write::at_reply && !is_visited_ && !callbacks_.is_here() &&
      work_.servers_owe_replies()) {
    is_unwritten_ = true;
    return;
  }
  if (is_added_to() && work_.servers_have_enough()) {
    is_unwritten_ = true;
    if (is_added_to()) return;  // otherwise the last of them may have looked before
  }
  flush();
}

void EventLoop::flush() {
  is_unwritten_ = false;
  work_.flush();
}

void EventLoop::recheck_sleep() {
  const auto next = work_.next_timer();
  const auto is_too_long = [&](const Poller& poller) {
    const auto& until = poller.asleep_until;
    return until && ((next && *next < *until) || is_stuck());
  };
  auto& [leader, background] = *pollers_;
  const auto looks_by = visitor_ ? led_at_ + stand_down : core::Instant::min();
  if (leader_ != nullptr) {
    if (is_too_long(leader)) leader.wake.notify();
  } else if (followers_.empty() &&
             (is_too_long(background) || (unanswered_handlers_ > 0 && !background_reads_ &&
                                          background.asleep_until > looks_by))) {
    background.wake.notify();
  }
}

// Sleeps until there is input, a wake-up, or `until`; then serves what came.
void EventLoop::poll_once(Lock& lock, std::optional<core::Instant> until, Role role) {
  const bool is_leader = role == Role::leader;
  auto& poller = is_leader ? pollers_->leader : pollers_->background;
  const auto start = runtime::now();
  const bool is_idle = work_.is_idle();
  const bool expects_answers = unanswered_handlers_ > 0 && !visitor_;
  if (expects_answers) handled_at_ = start;
  const bool lingers = is_idle && start - handled_at_ < linger;
  const bool reads =
      is_leader ||
      (leader_ == nullptr &&
       (lingers || (!is_idle && (expects_answers || start - led_at_ >= stand_down || is_stuck()))));
  poller.set.clear();
  if (reads) {
    work_.add_sockets(poller.set);
  }
  if (is_leader || leader_ == nullptr) {
    if (!is_idle) lower(until, start + max_sleep);
    if (lingers) lower(until, handled_at_ + linger);
  }
  if (!is_leader) {
    background_reads_ = poller.set.size() > 0;
  }
  const auto length =
      until ? std::optional{std::max(core::Duration::zero(), *until - start)} : std::nullopt;
  poller.asleep_until = until.value_or(core::Instant::max());
  const bool is_cancellable = is_leader && leader_->is_cancellable_;
  const bool may_look = is_leader && followers_.empty() && work_.awaits_replies();
  const auto looks = std::min(may_look ? busy_poll_.next() : core::Duration::zero(),
                              length.value_or(core::Duration::max()));
  bool has_found = false;
  const auto look_or_sleep = [&] {
    has_found = looks > core::Duration::zero() && poller.set.look(poller.wake, looks);
    if (!has_found) poller.set.wait(poller.wake, length);
  };
  lock.unlock();
  if (is_cancellable) {
    const auto cancellation = lock.own_cancellation();
    look_or_sleep();
  } else {
    look_or_sleep();
  }
  lock.lock();
  poller.asleep_until.reset();

  if (!is_leader && is_ending_) {
    return;
  }
  if (is_leader || leader_ == nullptr) {
    for (std::size_t i = 0; i < poller.set.size(); ++i) {
      if (poller.set.has_room(i)) is_unwritten_ = true;
    }
    serve(poller.set);
    if (looks > core::Duration::zero()) busy_poll_.note(has_found && leader_->is_answered_);
  } else if (is_unwritten_) {
    flush();
    work_.carry_out();
  }
}

void EventLoop::serve(const runtime::PollSet& ready) {
  work_.serve(ready);
  if (is_unwritten_) {
    flush();
    work_.carry_out();
  }
}

// --- the background thread ----------------------------------------------------------------------

void EventLoop::ensure_background() {
  if (background_.joinable() || is_ending_) {
    return;
  }
  background_ = runtime::background_thread([this] {
    Lock lock{*this};
    run_background(lock);
  });
}

// While callers come and go it looks every 10 ms whether they still do; while one caller leads for
// longer it rests until that one leaves.
void EventLoop::run_background(Lock& lock) {
  std::uint64_t seen = 0;
  while (!is_ending_) {
    const auto at = runtime::now();
    std::optional<core::Instant> until;
    background_rests_ = leader_ != nullptr && std::exchange(seen, leads_) == leads_;
    if (leader_ == nullptr && followers_.empty()) {
      until = work_.next_timer();
      if (at - led_at_ < stand_down) lower(until, led_at_ + stand_down);
    } else if (!background_rests_) {
      until = at + stand_down;
    }
    poll_once(lock, until, Role::background);
    background_rests_ = false;
  }
}

void EventLoop::end_background() {
  is_ending_ = true;
  pollers_->background.wake.notify();
}

void EventLoop::join_background() {
  if (background_.joinable()) background_.join();
}

std::function<void()> EventLoop::waker() const {
  return [pollers = pollers_] {
    pollers->leader.wake.notify();
    pollers->background.wake.notify();
  };
}

}  // namespace dlock::detail
