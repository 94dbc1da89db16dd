// Calls that acquire or release several locks together.
#include <optional>
#include <utility>

#include "dlock/error.hpp"
#include "runtime/clock.hpp"
#include "session/session.hpp"

namespace dlock::detail {

// Releases the mutex.
void Session::wait_for_all(Lock& lock, std::vector<Call>& calls) {
  for (auto& call : calls) {
    loop_.wait(lock, call);
    lock.lock();
  }
  lock.unlock();
}

std::vector<std::shared_ptr<core::LeaseRecord>> Session::try_all(const std::vector<Wanted>& all,
                                                                 const std::stop_token& stop) {
  check_process();
  const auto begin = runtime::now();
  std::vector<Call> calls(all.size());
  std::vector<std::pair<core::WaiterId, core::AcquireRequest>> requests;
  for (std::size_t i = 0; i < all.size(); ++i) {
    requests.emplace_back(id_of(calls[i]),
                          request_for(begin, all[i], std::chrono::milliseconds::zero(), {}));
  }
  Lock lock{loop_};
  loop_.ensure_background();
  const auto asked = router_.acquire_all(begin, std::move(requests));
  for (auto& call : calls) {
    call.asked = asked;
  }
  carry_out(EventLoop::Write::soon);
  loop_.recheck_sleep();
  // It may run at once on this thread, and takes the mutex.
  lock.unlock();
  const auto cancel_all = [&] {
    for (const auto& call : calls) {
      cancel(call);
    }
  };
  std::optional<std::stop_callback<decltype(cancel_all)>> on_stop{std::in_place, stop, cancel_all};
  lock.lock();
  wait_for_all(lock, calls);
  on_stop.reset();

  std::vector<std::shared_ptr<core::LeaseRecord>> records;
  const core::Refusal* refusal = nullptr;
  for (auto& call : calls) {
    if (auto* obtained = std::get_if<core::Obtained>(&call.answer)) {
      records.push_back(std::move(obtained->lease));
    } else if (const auto& other = std::get<core::Refusal>(call.answer);
               refusal == nullptr || other.kind > refusal->kind) {
      refusal = &other;
    }
  }
  if (refusal == nullptr) {
    return records;
  }
  // If the common answer was lost, the client asked for each again, and may have obtained some.
  release_all(records);
  if (refusal->kind == core::Refusal::Kind::failed) {
    throw_error(refusal->code, refusal->what);
  }
  if (refusal->kind == core::Refusal::Kind::cancelled) {
    throw_error(errc::cancelled, "the wait for the locks was cancelled");
  }
  return {};
}

std::vector<core::Released::Kind> Session::release_all(
    const std::vector<std::shared_ptr<core::LeaseRecord>>& leases) {
  std::vector<Call> calls(leases.size());
  Lock lock{loop_};
  for (std::size_t i = 0; i < leases.size(); ++i) {
    releases_[leases[i]->id] = &calls[i];
    ask_for_release(*leases[i]);
  }
  carry_out(EventLoop::Write::soon);
  loop_.recheck_sleep();
  wait_for_all(lock, calls);
  std::vector<core::Released::Kind> kinds;
  for (const auto& call : calls) {
    kinds.push_back(std::get<core::Released>(call.answer).kind);
  }
  return kinds;
}

}  // namespace dlock::detail
