// Arguments of dlock.h, as the library has them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string_view>

#include "c/handles.hpp"
#include "c/options.hpp"
#include "c/status.hpp"
#include "dlock/options.hpp"

namespace dlock::c {

/// Throws `UsageError` for NULL.
inline std::string_view bytes(const char* text, std::size_t length) {
  if (length == 0) {
    return {};
  }
  require(text != nullptr, "the name or value");
  return length == DLOCK_TEXT ? std::string_view{text} : std::string_view{text, length};
}

/// Throws `UsageError` for what belongs to none.
inline const std::shared_ptr<dlock_queue>& queue_of(const Belonging& handle) {
  require(handle.queue() != nullptr, "the queue of the client's options");
  return handle.queue();
}

inline Limit limit_of(std::int64_t timeout_ms) {
  return timeout_ms < 0 ? Limit{} : std::chrono::milliseconds{timeout_ms};
}

inline std::stop_token token_of(const dlock_cancel* cancel) {
  return cancel != nullptr ? cancel->source.get_token() : std::stop_token{};
}

inline LockOptions lock_options(const dlock_lock_options* given) {
  const auto from = read_options(given);
  LockOptions options;
  options.ttl = span_of(from.ttl_ms).value_or(options.ttl);
  options.renew = from.no_renew == 0;
  options.max_hold = span_of(from.max_hold_ms);
  options.min_replicas = from.min_replicas;
  options.replication_timeout =
      span_of(from.replication_timeout_ms).value_or(options.replication_timeout);
  return options;
}

}  // namespace dlock::c
