// EndedWait: the lock for which a wait has ended in vain, so that its error can ask about it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "session/session.hpp"

namespace dlock::detail {

/// Immutable. Does not keep the client.
class EndedWait {
 public:
  /// `names`: of the lock, or of several that were only tried.
  EndedWait(const std::shared_ptr<Session>& client, std::vector<std::string> names,
            std::int64_t place)
      : client_(client), names_(std::move(names)), place_(place) {}

  /// Null when the client is gone.
  [[nodiscard]] std::shared_ptr<Session> client() const { return client_.lock(); }
  [[nodiscard]] const std::vector<std::string>& names() const noexcept { return names_; }
  [[nodiscard]] std::int64_t place() const noexcept { return place_; }

 private:
  const std::weak_ptr<Session> client_;
  const std::vector<std::string> names_;
  const std::int64_t place_;
};

}  // namespace dlock::detail
