// AsyncCall: a wait or a release that ends in a function instead of a blocked thread.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <utility>
#include <variant>

#include "runtime/callbacks.hpp"
#include "session/session.hpp"

namespace dlock::detail {

class Session::AsyncCall : public Call, public EventLoop::AsyncWaiter {
 public:
  AsyncCall(Session& client, std::shared_ptr<EventLoop::Executor> executor)
      : client_(client), executor_(std::move(executor)) {
    expected_.emplace(client_.callbacks_);
  }
  AsyncCall(const AsyncCall&) = delete;
  AsyncCall& operator=(const AsyncCall&) = delete;

  void run() final;
  bool hand_over(std::shared_ptr<EventLoop::AsyncWaiter>& self) final;
  void cancel_with(const std::stop_token& stop) { on_stop_.emplace(stop, Cancel{&client_, this}); }

 protected:
  /// Releases a lock that came too late for its function.
  ~AsyncCall();

 private:
  struct Cancel {
    Session* client;
    const Call* call;
    void operator()() const { client->cancel(*call); }
  };
  /// Calls the function, once.
  virtual void tell() = 0;

  Session& client_;
  std::shared_ptr<EventLoop::Executor> executor_;
  std::optional<runtime::Callbacks::Expected> expected_;  ///< unless an executor runs it
  std::optional<std::stop_callback<Cancel>> on_stop_;
  bool is_told_ = false;
};

/// Ends in `Then`, which takes an `Answer&` and keeps the client alive: so it is a base, which ends
/// after the call.
template <class Then>
class Session::AsyncCallOf final : std::optional<Then>, public AsyncCall {
 public:
  AsyncCallOf(Session& client, std::shared_ptr<EventLoop::Executor> executor, Then&& then)
      : std::optional<Then>(std::move(then)), AsyncCall(client, std::move(executor)) {}

 private:
  void tell() override {
    auto then = *std::exchange(static_cast<std::optional<Then>&>(*this), std::nullopt);
    then(answer);
  }
};

template <class Then>
void Session::async_acquire(const Wanted& wanted, std::optional<std::chrono::milliseconds> limit,
                            const std::stop_token& stop,
                            const std::optional<core::Permits>& permits, Then then,
                            std::shared_ptr<EventLoop::Executor> executor) {
  check_process();
  callbacks_.start();
  begin_acquire(std::make_shared<AsyncCallOf<Then>>(*this, std::move(executor), std::move(then)),
                wanted, limit, stop, permits);
}

template <class Then>
void Session::async_release(const core::LeaseRecord& lease, Then then,
                            std::shared_ptr<EventLoop::Executor> executor) {
  check_process();
  callbacks_.start();
  begin_release(std::make_shared<AsyncCallOf<Then>>(*this, std::move(executor), std::move(then)),
                lease);
}

}  // namespace dlock::detail
