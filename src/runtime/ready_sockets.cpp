// The epoll descriptor behind a ReadySockets.
#include "runtime/ready_sockets.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace dlock::runtime {

ReadySockets::ReadySockets() : set_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!set_) {
    throw std::system_error{errno, std::generic_category(), "epoll_create1"};
  }
}

std::span<std::uint64_t> ReadySockets::take(Numbers& numbers) noexcept {
  std::array<::epoll_event, std::tuple_size_v<Numbers>> events{};
  const int count = ::epoll_wait(set_.get(), events.data(), static_cast<int>(events.size()), 0);
  const auto end =
      std::transform(events.begin(), events.begin() + std::max(count, 0), numbers.begin(),
                     [](const auto& event) { return event.data.u64; });
  std::sort(numbers.begin(), end);
  return {numbers.begin(), std::unique(numbers.begin(), end)};
}

// Without memory for it the set lacks the socket, which is then read as if nobody polled the set.
ReadySockets::Place::Place(std::shared_ptr<ReadySockets> in, int socket,
                           std::uint64_t number) noexcept
    : in_(std::move(in)), socket_(socket) {
  ::epoll_event event{EPOLLIN, {.u64 = number}};
  ::epoll_ctl(in_->fd(), EPOLL_CTL_ADD, socket_, &event);
}

ReadySockets::Place::~Place() {
  if (in_) {
    ::epoll_ctl(in_->fd(), EPOLL_CTL_DEL, socket_, nullptr);
  }
}

ReadySockets::Place& ReadySockets::Place::operator=(Place other) noexcept {
  std::swap(in_, other.in_);
  std::swap(socket_, other.socket_);
  return *this;
}

}  // namespace dlock::runtime
