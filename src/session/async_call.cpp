// Asynchronous calls: a wait or a release that ends in a handler instead of a blocked thread.
#include <optional>
#include <utility>

#include "dlock/error.hpp"
#include "runtime/clock.hpp"
#include "session/session.hpp"

namespace dlock::detail {

struct Session::AsyncCall : Call {
  struct Cancel {
    Session* client;
    const Call* call;
    void operator()() const { client->cancel(*call); }
  };

  AsyncCall(Session& owner, Handler handler)
      : client(owner), then(std::move(handler)), expected(owner.callbacks_) {}
  /// What came too late to be told to anybody is given back.
  ~AsyncCall() {
    auto* const obtained = std::get_if<core::Obtained>(&answer);
    if (then && obtained != nullptr && obtained->lease) client.forgo(*obtained->lease);
  }
  AsyncCall(const AsyncCall&) = delete;
  AsyncCall& operator=(const AsyncCall&) = delete;

  Session& client;
  Handler then;  ///< keeps the client
  const Callbacks::Expected expected;
  std::optional<std::stop_callback<Cancel>> on_stop;
};

void Session::async_acquire(const std::string& key, const LockOptions& options,
                            std::optional<std::chrono::milliseconds> limit,
                            const std::stop_token& stop,
                            const std::optional<core::Permits>& permits, Handler then) {
  check_process();
  callbacks_.start();
  const auto begin = now();
  auto wish = wish_for(begin, key, options, limit, permits);
  const auto call = std::make_shared<AsyncCall>(*this, std::move(then));
  const auto id = id_of(*call);
  if (stop.stop_possible()) {
    call->on_stop.emplace(stop, AsyncCall::Cancel{this, call.get()});
  }
  const Lock lock{*this};
  ensure_keeper();
  call->async = call;
  ++async_calls_;
  if (stop.stop_requested()) {
    // The callback may have run before there was anything to cancel.
    call->answer = core::Refusal{id, core::Refusal::Kind::cancelled, {}, {}};
    answer(*call);
    return;
  }
  ask(begin, *call, std::move(wish));
  carry_out();
  after_change();
}

void Session::async_release(const core::LeaseRecord& lease, Handler then) {
  check_process();
  callbacks_.start();
  const auto call = std::make_shared<AsyncCall>(*this, std::move(then));
  const Lock lock{*this};
  ensure_keeper();
  call->async = call;
  ++async_calls_;
  releases_[lease.id] = call.get();
  ask_for_release(lease);
  carry_out();
  after_change();
}

void Session::post_handlers(std::vector<std::shared_ptr<AsyncCall>> calls) {
  callbacks_.post([this, calls = std::move(calls)]() mutable { run_handlers(calls); },
                  Callbacks::Fate::dropped);
}

void Session::run_handlers(std::vector<std::shared_ptr<AsyncCall>>& calls) {
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const auto call = std::move(calls[i]);
    handlers_.fetch_sub(1);  // this may be gone after the last of them
    call->on_stop.reset();
    if (!call->expected.is_wanted()) continue;
    try {
      std::exchange(call->then, {})(call->answer);
    } catch (...) {
      calls.erase(calls.begin(), calls.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      if (!calls.empty()) post_handlers(std::move(calls));
      throw;
    }
  }
}

// Gives back what nobody has a handle of.
void Session::forgo(const core::LeaseRecord& lease) noexcept {
  try {
    const Lock lock{*this};
    ask_for_release(lease);
    carry_out();
    after_change();
  } catch (const std::exception&) {
    return;  // it runs out
  }
}

}  // namespace dlock::detail
