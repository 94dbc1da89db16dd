// The ConditionVariable handle.
#include "dlock/condition_variable.hpp"

#include <algorithm>
#include <utility>

#include "core/wire/gate.hpp"
#include "dlock/error.hpp"
#include "locks/condition_wait.hpp"
#include "locks/lock_spec.hpp"

namespace dlock {

using core::Kind;
using std::chrono::milliseconds;

ConditionVariable::ConditionVariable(Client& client, std::string_view name)
    : gate_(std::make_shared<detail::LockSpec>(client, name, LockOptions{})) {}

ConditionVariable::~ConditionVariable() { detail::destroy(gate_); }

void ConditionVariable::notify_one() { notify("1"); }

void ConditionVariable::notify_all() { notify("all"); }

void ConditionVariable::notify(std::string_view most) {
  std::string latest;
  do {
    const auto told = gate_->client->at_gate(
        gate_->key, {Kind::condition, "notify", {std::string{most}, latest}});
    latest = std::to_string(told->fence.counter);
  } while (latest != "0");
}

bool ConditionVariable::wait_in(Lock& lock, const std::stop_token& stop,
                                std::optional<milliseconds> span) {
  if (!lock.owns_lock()) {
    throw_error(errc::usage, "lock the mutex before you wait at \"" + gate_->name + "\"");
  }
  lock.mutex()->adopt();  // another thread may have locked it
  lock.mutex()->lease().ensure_held();
  return detail::ConditionWait::wait(
      *this, [&lock] { lock.unlock(); }, [&lock] { lock.lock(); }, stop, span);
}

bool detail::ConditionWait::wait(const ConditionVariable& at, const std::function<void()>& unlock,
                                 const std::function<void()>& lock, const std::stop_token& stop,
                                 std::optional<milliseconds> span) {
  const auto& spec = *at.gate_;
  auto& client = *spec.client;
  const auto place = client.at_gate(spec.key, {Kind::condition, "enter"});
  unlock();
  bool woken = false;
  try {
    // From now on a notification finds this waiter in the queue.
    const auto limit = span ? std::optional{std::max(*span, milliseconds{1})} : std::nullopt;
    core::Gate gate{Kind::condition, {}, {}, place->token, std::to_string(place->fence.counter)};
    woken = client.at_gate(spec.key, std::move(gate), limit, stop) != nullptr;
  } catch (const Cancelled&) {
    woken = false;
  } catch (...) {
    lock();
    throw;
  }
  lock();
  return woken;
}

const std::string& ConditionVariable::name() const noexcept { return gate_->name; }

}  // namespace dlock
