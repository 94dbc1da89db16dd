// The error category, and the exception for each code.
#include "dlock/error.hpp"

#include "core/wire/text.hpp"

namespace dlock {
namespace {

class Category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "dlock"; }

  [[nodiscard]] std::string message(int code) const override {
    switch (static_cast<errc>(code)) {
      case errc::usage:
        return "wrong usage";
      case errc::unreachable:
        return "store unreachable";
      case errc::refused:
        return "refused by the store";
      case errc::read_only:
        return "store is read-only";
      case errc::loading:
        return "store is loading";
      case errc::out_of_memory:
        return "store is out of memory";
      case errc::not_a_lock:
        return "the key is not a lock";
      case errc::store_unusable:
        return "store not usable";
      case errc::timed_out:
        return "timed out waiting for the lock";
      case errc::cancelled:
        return "the wait was cancelled";
      case errc::lost:
        return "lock lost";
      case errc::forked:
        return "used in a forked process";
      case errc::deadlock:
        return "a deadlock would occur";
      case errc::broken:
        return "latch or barrier broken";
      case errc::not_replicated:
        return "too few replicas";
    }
    return "unknown error";
  }

  [[nodiscard]] std::error_condition default_error_condition(int code) const noexcept override {
    switch (static_cast<errc>(code)) {
      case errc::usage:
        return std::errc::invalid_argument;
      case errc::timed_out:
        return std::errc::timed_out;
      case errc::cancelled:
        return std::errc::operation_canceled;
      case errc::deadlock:
        return std::errc::resource_deadlock_would_occur;
      case errc::refused:
        return std::errc::permission_denied;
      case errc::read_only:
        return std::errc::read_only_file_system;
      case errc::out_of_memory:
        return std::errc::not_enough_memory;
      default:
        return {code, *this};
    }
  }
};

}  // namespace

const std::error_category& error_category() noexcept {
  // Never destroyed, since threads that wait at the end of the program may still throw errors.
  static const auto& category = *new Category;
  return category;
}

// Names, labels and texts of servers are untrusted: they must stay on one line.
void throw_error(errc code, const std::string& text) {
  const auto what = core::escaped(text);
  switch (code) {
    case errc::unreachable:
      throw Unreachable{code, what};
    case errc::refused:
      throw Refused{code, what};
    case errc::read_only:
    case errc::loading:
    case errc::out_of_memory:
    case errc::not_a_lock:
    case errc::store_unusable:
    case errc::not_replicated:
      throw StoreUnusable{code, what};
    case errc::timed_out:
      throw TimedOut{code, what};
    case errc::cancelled:
      throw Cancelled{code, what};
    case errc::lost:
      throw LockLost{code, what};
    case errc::deadlock:
      throw Deadlock{code, what};
    case errc::broken:
      throw Broken{code, what};
    case errc::usage:
    case errc::forked:
      break;
  }
  throw UsageError{code, what};
}

}  // namespace dlock
