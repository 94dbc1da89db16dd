// ReadySockets: the sockets that another event loop polls, behind one descriptor.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "runtime/descriptor.hpp"

namespace dlock::runtime {

/// A set of sockets, each under the number of its owner. Thread-safe.
class ReadySockets {
 public:
  /// Throws std::system_error when there are no descriptors left.
  ReadySockets();

  /// Readable while one of the sockets is.
  [[nodiscard]] int fd() const noexcept { return set_.get(); }

  using Numbers = std::array<std::uint64_t, 16>;
  /// The owners of sockets that are readable, as many as there is room for.
  [[nodiscard]] std::span<std::uint64_t> take(Numbers& numbers) noexcept;

  /// A socket is in the set as long as this is. It must end before the socket is closed, which
  /// would not end it if a forked child had a copy.
  class Place {
   public:
    Place() noexcept = default;
    Place(std::shared_ptr<ReadySockets> in, int socket, std::uint64_t number) noexcept;
    ~Place();
    Place(Place&& other) noexcept { std::swap(in_, other.in_), std::swap(socket_, other.socket_); }
    Place& operator=(Place other) noexcept;

   private:
    std::shared_ptr<ReadySockets> in_;
    int socket_ = -1;
  };

 private:
  Descriptor set_;
};

}  // namespace dlock::runtime
