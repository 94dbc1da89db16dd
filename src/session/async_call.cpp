// Asynchronous calls: a wait or a release that ends in a handler instead of a blocked thread.
#include <optional>
#include <utility>

#include "dlock/error.hpp"
#include "runtime/clock.hpp"
#include "session/session.hpp"

namespace dlock::detail {

struct Session::AsyncCall final : Call, EventLoop::AsyncWaiter {
  struct Cancel {
    Session* client;
    const Call* call;
    void operator()() const { client->cancel(*call); }
  };

  AsyncCall(Session& owner, Handler handler, std::shared_ptr<EventLoop::Executor> where)
      : client(owner), then(std::move(handler)), executor(std::move(where)) {
    expected.emplace(owner.callbacks_);
  }
  /// Releases a lock that came too late for its handler.
  ~AsyncCall() {
    auto* const obtained = std::get_if<core::Obtained>(&answer);
    if (then && obtained != nullptr && obtained->lease) client.forgo(*obtained->lease);
  }
  AsyncCall(const AsyncCall&) = delete;
  AsyncCall& operator=(const AsyncCall&) = delete;
  void run() override;
  bool hand_over(std::shared_ptr<EventLoop::AsyncWaiter>& self) override;

  Session& client;
  Handler then;  ///< keeps the client alive
  std::shared_ptr<EventLoop::Executor> executor;
  std::optional<runtime::Callbacks::Expected> expected;  ///< unless an executor runs it
  std::optional<std::stop_callback<Cancel>> on_stop;
};

void Session::async_acquire(const Wanted& wanted, std::optional<std::chrono::milliseconds> limit,
                            const std::stop_token& stop,
                            const std::optional<core::Permits>& permits, Handler then,
                            std::shared_ptr<EventLoop::Executor> executor) {
  check_process();
  callbacks_.start();
  const auto begin = runtime::now();
  auto request = request_for(begin, wanted, limit, permits);
  const auto call = std::make_shared<AsyncCall>(*this, std::move(then), std::move(executor));
  const auto id = id_of(*call);
  if (stop.stop_possible()) {
    call->on_stop.emplace(stop, AsyncCall::Cancel{this, call.get()});
  }
  const Lock lock{loop_};
  loop_.ensure_background();
  call->handler = call;
  loop_.expect_handler();
  if (stop.stop_requested()) {
    // The callback may have run before the call was registered.
    call->answer = core::Refusal{id, core::Refusal::Kind::cancelled, {}, {}};
    answer(*call);
    return;
  }
  ask(begin, *call, std::move(request));
  carry_out(EventLoop::Write::at_reply);
  loop_.recheck_sleep();
}

void Session::async_release(const core::LeaseRecord& lease, Handler then,
                            std::shared_ptr<EventLoop::Executor> executor) {
  check_process();
  callbacks_.start();
  const auto call = std::make_shared<AsyncCall>(*this, std::move(then), std::move(executor));
  const Lock lock{loop_};
  loop_.ensure_background();
  call->handler = call;
  loop_.expect_handler();
  releases_[lease.id] = call.get();
  ask_for_release(lease);
  carry_out(EventLoop::Write::at_reply);
  loop_.recheck_sleep();
}

void Session::AsyncCall::run() {
  on_stop.reset();
  if (!expected || expected->is_wanted()) std::exchange(then, {})(answer);
}

// The end of the client does not wait for what an executor has: that may be the thread that ends
// it.
bool Session::AsyncCall::hand_over(std::shared_ptr<EventLoop::AsyncWaiter>& self) {
  const auto to = executor;  // this object may be gone before `post` returns
  if (!to) return false;
  expected.reset();
  if (to->post(self)) return true;
  expected.emplace(client.callbacks_);
  executor.reset();
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
