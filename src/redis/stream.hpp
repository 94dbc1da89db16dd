// Stream: a socket to a server, with its encryption, its output and its input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "redis/buffer.hpp"
#include "redis/connection.hpp"
#include "redis/dial.hpp"
#include "redis/resp3.hpp"
#include "redis/tls.hpp"
#include "runtime/descriptor.hpp"
#include "runtime/ready_sockets.hpp"

namespace dlock::redis {

/// Appends a command as it goes over the network.
void encode(Buffer& output, std::span<const std::string_view> fields);
void encode(Buffer& output, std::initializer_list<Connection::Piece> pieces);

/// Not thread-safe. After a problem it is good only for destruction.
class Stream {
 public:
  /// Takes a connected, non-blocking socket over. With TLS it does the handshake, and throws what
  /// `TlsStream` throws.
  Stream(int fd, const Endpoint& endpoint, Deadline deadline);
  ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  [[nodiscard]] int fd() const noexcept { return socket_.get(); }
  [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(socket_); }
  /// Open, and without a problem.
  [[nodiscard]] bool is_usable();
  /// What is wrong with it; empty: nothing.
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }
  void fail(std::string problem) { problem_ = std::move(problem); }
  /// Counts its bytes in `traffic` from now on, which must outlive it.
  void count_in(Traffic& traffic) noexcept { traffic_ = &traffic; }

  [[nodiscard]] Buffer& output() noexcept { return output_; }
  [[nodiscard]] bool wants_write() const noexcept {
    return is_open() && problem_.empty() && !output_.empty();
  }
  /// Whether the socket has something to read.
  [[nodiscard]] bool has_input() const;
  /// Puts the socket into `set`, under `number`, until it is closed; null: takes it out.
  void show_in(std::shared_ptr<runtime::ReadySockets> set, std::uint64_t number) {
    place_ = {};
    if (set) place_ = {std::move(set), fd(), number};
  }
  /// Writes what the socket takes. False: see `problem`.
  bool flush();
  /// Reads what is there. False: see `problem`.
  bool read();
  /// Whether the last `read` may have left something.
  [[nodiscard]] bool may_have_more() const noexcept { return read_was_full_; }
  /// The next whole value that was read. None: see `problem`, or read more.
  [[nodiscard]] std::optional<resp3::Value> next();
  /// As `resp3::Reader::skip`.
  bool skip(std::string_view bytes) { return is_open() && reader_.skip(bytes); }

  /// Waits for the next value that `is_wanted` takes; drops the others. None: see `problem`.
  template <class Wanted>
  [[nodiscard]] std::optional<resp3::Value> await(Wanted is_wanted, Deadline deadline);

  void hang_up() noexcept;
  void abort() noexcept;

 private:
  [[nodiscard]] bool wait(Deadline deadline);
  bool note(TlsStream::Outcome outcome);

  runtime::Descriptor socket_;
  runtime::ReadySockets::Place place_;  ///< ends before the socket
  std::unique_ptr<TlsStream> tls_;
  Buffer output_;
  resp3::Reader reader_;
  std::string problem_;
  bool read_was_full_ = false;
  Traffic own_traffic_;
  Traffic* traffic_ = &own_traffic_;
};

template <class Wanted>
std::optional<resp3::Value> Stream::await(Wanted is_wanted, Deadline deadline) {
  for (;;) {
    while (const auto value = next()) {
      if (is_wanted(*value)) return value;
    }
    if (!problem_.empty()) return std::nullopt;
    if (!flush()) {
      // A server that refuses a client ("max number of clients reached") says so and closes at
      // once: the client's write fails while the error waits to be read.
      const auto why = std::exchange(problem_, {});
      std::optional<resp3::Value> last_words;
      if (read()) last_words = next();
      problem_ = why;
      return last_words && is_wanted(*last_words) ? last_words : std::nullopt;
    }
    if (!wait(deadline) || !read()) return std::nullopt;
  }
}

}  // namespace dlock::redis
