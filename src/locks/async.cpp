// The public side of asynchronous use: results, and the release of a lease.
#include "dlock/async.hpp"

#include "dlock/error.hpp"
#include "locks/lease_state.hpp"
#include "runtime/background_thread.hpp"
#include "session/async_call.hpp"

namespace dlock {
namespace {

std::error_code error_of(core::Released::Kind outcome) {
  switch (outcome) {
    case core::Released::Kind::released:
      break;
    case core::Released::Kind::not_held:
      return errc::lost;
    case core::Released::Kind::unknown:
      return errc::unreachable;
  }
  return {};
}

}  // namespace

void detail::end_elsewhere(std::shared_ptr<Session> client) {
  try {
    runtime::background_thread([client] {}).detach();
  } catch (const std::system_error&) {
    return;  // no thread is available
  }
}

void detail::throw_release_error(std::error_code outcome) {
  if (outcome) {
    throw_error(static_cast<errc>(outcome.value()),
                outcome == errc::lost
                    ? "the lease had ended before its release"
                    : "the server did not answer the release; dlock repeats it in "
                      "the background until the lease has run out");
  }
}

Lease AcquireResult::get() && {
  if (!lease) {
    if (error == errc::timed_out) {
      throw TimedOut{what, std::move(wait)};
    }
    throw_error(static_cast<errc>(error.value()), what);
  }
  return std::move(*lease);
}

std::optional<Lease> AcquireResult::get_if() && {
  if (!lease && error != errc::timed_out) {
    throw_error(static_cast<errc>(error.value()), what);
  }
  return std::move(lease);
}

void AsyncRelease::await_suspend(std::coroutine_handle<> waiting) {
  // The coroutine, and this object with it, may be gone before this returns.
  const auto awaited = std::make_shared<detail::Awaited<std::error_code>>(waiting);
  awaited_ = awaited;
  async_release(std::move(lease_), [awaited](std::error_code error) { awaited->resume(error); });
}

void async_release(Lease lease, ReleaseHandler handler) {
  if (!lease) {
    if (handler) {
      handler({});
    }
    return;
  }
  lease.state_->client->check_process();
  detail::async_release(std::move(lease.state_), std::move(handler));
}

void detail::async_release(std::shared_ptr<LeaseState> state, ReleaseHandler handler,
                           std::shared_ptr<EventLoop::Executor> executor) {
  const auto& client = state->client;
  const auto& record = *state->record;
  const bool may_wait = executor == nullptr;
  auto then = [state, handler = std::move(handler), may_wait](Session::Answer& answer) {
    const auto outcome = std::get<core::Released>(answer).kind;
    if (handler) {
      handler(error_of(outcome));
    } else {
      state->log(*state->client, outcome);
    }
    if (!may_wait && state->client.use_count() == 1) end_elsewhere(state->let_go());
  };
  client->async_release(record, std::move(then), std::move(executor));
}

}  // namespace dlock
