// TimedOut: asks who holds the lock, for those who want to know.
#include "dlock/error.hpp"
#include "dlock/inspect.hpp"
#include "inspect/look_at_lock.hpp"
#include "locks/ended_wait.hpp"

namespace dlock {

std::int64_t TimedOut::place() const noexcept { return wait_ ? wait_->place() : 0; }

const std::string& TimedOut::name() const noexcept {
  static const auto& unknown = *new const std::string;  // never destroyed: errors may be static
  return wait_ && wait_->names().size() == 1 ? wait_->names().front() : unknown;
}

LockInfo TimedOut::inspect() const {
  const auto client = wait_ ? wait_->client() : nullptr;
  if (!client) {
    throw_error(errc::usage, wait_ ? "the client of this error is gone: inspect() needs it"
                                   : "this error does not know its lock: use inspect_lock()");
  }
  client->check_process();
  LockInfo found;
  for (const auto& name : wait_->names()) {
    found = detail::inspect_lock(*client, name);
    if (found.held) break;
  }
  return found;
}

std::string TimedOut::describe() const {
  try {
    return std::string{what()} + "; " + to_string(inspect());
  } catch (const Error&) {
    return what();
  }
}

}  // namespace dlock
