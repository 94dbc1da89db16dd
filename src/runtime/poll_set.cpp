// Sleeping until one of many descriptors is ready.
#include "runtime/poll_set.hpp"

#include <time.h>

#include <chrono>

#include "runtime/clock.hpp"

namespace dlock::runtime {

void PollSet::clear() {
  fds_.clear();
  sources_.clear();
  is_any_ready_ = false;
}

void PollSet::add(int fd, bool writes, Source source) {
  fds_.push_back({fd, static_cast<short>(writes ? POLLIN | POLLOUT : POLLIN), 0});
  sources_.push_back(source);
}

void PollSet::wait(EventFd& wake, std::optional<core::Duration> length) {
  ::timespec span{};
  if (length) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*length);
    span.tv_sec = seconds.count();
    span.tv_nsec = (*length - seconds).count();
  }
  poll(wake, length ? &span : nullptr);
}

bool PollSet::look(EventFd& wake, core::Duration length) {
  const ::timespec none{};
  const auto end = now() + length;
  while (!poll(wake, &none)) {
    if (now() >= end) return false;
  }
  return true;
}

bool PollSet::poll(EventFd& wake, const ::timespec* span) {
  fds_.push_back({wake.fd(), POLLIN, 0});
  const int ready = ::ppoll(fds_.data(), fds_.size(), span, nullptr);
  const bool is_woken = ready > 0 && fds_.back().revents != 0;
  fds_.pop_back();
  is_any_ready_ = ready > 0;
  if (is_woken) wake.clear();
  return is_any_ready_;
}

void PollSet::expect_input() {
  for (auto& fd : fds_) fd.revents = POLLIN;
  is_any_ready_ = true;
}

}  // namespace dlock::runtime
