// AsyncCall: a wait or a release that ends in a function instead of a blocked thread.
#include "session/async_call.hpp"

#include <utility>

#include "dlock/error.hpp"
#include "runtime/clock.hpp"

namespace dlock::detail {

void Session::begin_acquire(std::shared_ptr<AsyncCall> call, const Wanted& wanted,
                            std::optional<std::chrono::milliseconds> limit,
                            const std::stop_token& stop,
                            const std::optional<core::Permits>& permits) {
  const auto begin = runtime::now();
  auto request = request_for(begin, wanted, limit, permits);
  if (stop.stop_possible()) {
    call->cancel_with(stop);
  }
  const Lock lock{loop_};
  loop_.ensure_background();
  auto& waiting = *call;
  waiting.handler = std::move(call);
  loop_.expect_handler();
  if (stop.stop_requested()) {
    // The callback may have run before the call was registered.
    waiting.answer = core::Refusal{id_of(waiting), core::Refusal::Kind::cancelled, {}, {}};
    answer(waiting);
    return;
  }
  ask(begin, waiting, std::move(request));
  carry_out(EventLoop::Write::at_reply);
  loop_.recheck_sleep();
}

void Session::begin_release(std::shared_ptr<AsyncCall> call, const core::LeaseRecord& lease) {
  const Lock lock{loop_};
  loop_.ensure_background();
  auto& waiting = *call;
  waiting.handler = std::move(call);
  releases_[lease.id] = &waiting;
  loop_.expect_handler();
  ask_for_release(lease);
  carry_out(EventLoop::Write::at_reply);
  loop_.recheck_sleep();
}

Session::AsyncCall::~AsyncCall() {
  auto* const obtained = std::get_if<core::Obtained>(&answer);
  if (!is_told_ && obtained != nullptr && obtained->lease) client_.forgo(*obtained->lease);
}

void Session::AsyncCall::run() {
  on_stop_.reset();
  if (expected_) client_.loop_.begin_handler();
  if (expected_ && !expected_->is_wanted()) return;
  is_told_ = true;
  tell();
}

// The end of the client does not wait for what an executor has: that may be the thread that ends
// it.
bool Session::AsyncCall::hand_over(std::shared_ptr<EventLoop::AsyncWaiter>& self) {
  const auto to = executor_;  // this object may be gone before `post` returns
  if (!to) return false;
  expected_.reset();
  if (to->post(self)) return true;
  expected_.emplace(client_.callbacks_);
  executor_.reset();
  return false;
}

// Releases a lease that has no handle.
void Session::forgo(const core::LeaseRecord& lease) noexcept {
  try {
    const Lock lock{loop_};
    ask_for_release(lease);
    carry_out();
    loop_.recheck_sleep();
  } catch (const std::exception&) {
    return;  // it ends by its ttl
  }
}

}  // namespace dlock::detail
