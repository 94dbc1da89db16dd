// TLS: an encrypted stream over a connected socket, to a server that was verified.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "redis/dial.hpp"
#include "redis/url.hpp"

namespace dlock::redis {

/// Not thread-safe. Does not own the socket, which must outlive it.
class TlsStream {
 public:
  /// Does the handshake on a connected, non-blocking socket, with TLS 1.2 or newer. Throws
  /// `Refused` when the server's certificate cannot be trusted, `UsageError` for files that cannot
  /// be used, and `Unreachable`, each with the reason alone (the caller knows the URL).
  TlsStream(int fd, const Endpoint& endpoint, Deadline deadline);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  /// The outcome of a read or a write.
  enum class Outcome { done, later, ended, broken };
  /// Up to `size` bytes; `count` says how many. `later`: the socket has, or takes, nothing now.
  /// The next write must begin with the bytes that were not written.
  Outcome read(char* into, std::size_t size, std::size_t& count);
  Outcome write(const char* from, std::size_t size, std::size_t& count);
  /// Why it is broken.
  [[nodiscard]] const std::string& problem() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dlock::redis
