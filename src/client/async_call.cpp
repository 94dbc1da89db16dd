// Asynchronous calls: a wait or a release that ends in a handler instead of a blocked thread.
#include <optional>
#include <utility>

#include "client/client_state.hpp"
#include "client/process.hpp"
#include "dlock/error.hpp"

namespace dlock::detail {

struct ClientState::AsyncCall : Call {
  struct Cancel {
    ClientState* client;
    const Call* call;
    void operator()() const { client->cancel(*call); }
  };

  Handler then;
  std::optional<std::stop_callback<Cancel>> on_stop;
};

void ClientState::async_acquire(const std::string& key, const LockOptions& options,
                                std::optional<std::chrono::milliseconds> limit,
                                const std::stop_token& stop,
                                const std::optional<core::Permits>& permits, Handler then) {
  check_process();
  callbacks_.start();
  const auto begin = now();
  auto wish = wish_for(begin, key, options, limit, permits);
  const auto call = std::make_shared<AsyncCall>();
  const auto id = id_of(*call);
  call->then = std::move(then);
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

void ClientState::async_release(const core::LeaseRecord& lease, Handler then) {
  check_process();
  callbacks_.start();
  const auto call = std::make_shared<AsyncCall>();
  call->then = std::move(then);
  const Lock lock{*this};
  ensure_keeper();
  call->async = call;
  ++async_calls_;
  releases_[lease.id] = call.get();
  ask_for_release(lease);
  carry_out();
  after_change();
}

void ClientState::run_handlers(const std::vector<std::shared_ptr<AsyncCall>>& calls) {
  for (const auto& call : calls) {
    handlers_.fetch_sub(1);  // this may be gone after the last of them
    call->on_stop.reset();
    std::exchange(call->then, {})(call->answer);
  }
}

}  // namespace dlock::detail
