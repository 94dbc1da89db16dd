// EndedWait: the lock for which a wait has ended in vain, so that its error can ask about it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "session/session.hpp"

namespace dlock::detail {

/// Immutable. Does not keep the client.
class EndedWait {
 public:
  EndedWait(const std::shared_ptr<Session>& client, std::string name, std::int64_t place)
      : client_(client), name_(std::move(name)), place_(place) {}

  /// Null when the client is gone.
  [[nodiscard]] std::shared_ptr<Session> client() const { return client_.lock(); }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::int64_t place() const noexcept { return place_; }

 private:
  const std::weak_ptr<Session> client_;
  const std::string name_;
  const std::int64_t place_;
};

}  // namespace dlock::detail
