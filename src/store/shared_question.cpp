// SharedQuestion: one call of the user's function for credentials at a time.
#include "store/shared_question.hpp"

#include <utility>

#include "dlock/error.hpp"
#include "runtime/forced_unwind.hpp"

namespace dlock::detail {

Credentials SharedQuestion::ask() {
  {
    std::unique_lock lock{mutex_};
    if (is_asking_) {
      const auto before = answers_;
      if (!answered_.wait_for(lock, timeout_, [&] { return answers_ != before; })) {
        throw_error(errc::unreachable,
                    "the function for credentials has not returned since it was called before; "
                    "give what it does a timeout");
      }
      return shared();
    }
    is_asking_ = true;
  }
  try {
    return note(function_(), nullptr);
  } catch (const runtime::ForcedUnwind&) {  // pthread_exit()
    static_cast<void>(note({}, nullptr));
    throw;
  } catch (...) {
    return note({}, std::current_exception());
  }
}

Credentials SharedQuestion::note(Credentials credentials, std::exception_ptr problem) {
  const std::lock_guard lock{mutex_};
  is_asking_ = false;
  ++answers_;
  credentials_ = std::move(credentials);
  problem_ = std::move(problem);
  answered_.notify_all();
  return shared();
}

Credentials SharedQuestion::shared() const {
  if (problem_) std::rethrow_exception(problem_);
  return credentials_;
}

}  // namespace dlock::detail
