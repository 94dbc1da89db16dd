// OnceLock: what begin_once() takes.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "dlock/once.hpp"

namespace dlock::detail {

class LockSpec;

/// The lock of work that is begun once. Immutable.
class OnceLock {
 public:
  /// Throws `UsageError` for options out of range.
  OnceLock(Client& client, std::string_view name, const OnceOptions& options);
  [[nodiscard]] std::optional<Lease> begin() const;

 private:
  std::shared_ptr<const LockSpec> lock_;
  Span at_least_{};
};

}  // namespace dlock::detail
