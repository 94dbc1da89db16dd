// PollSet: the descriptors that a sleeping thread polls.
#pragma once

#include <poll.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/wire/time.hpp"
#include "runtime/event_fd.hpp"

namespace dlock::runtime {

/// Not thread-safe. Clearing it keeps its memory.
class PollSet {
 public:
  /// Tells the caller of `add` its descriptors apart.
  struct Source {
    std::size_t index = 0;
    std::uint64_t generation = 0;
  };

  void clear();
  /// Adds a descriptor, to be polled for input, and with `writes` for room for output.
  void add(int fd, bool writes, Source source);
  /// Sleeps until a descriptor is ready, `wake` is notified, which it then clears, or `length` is
  /// over; none: no limit. A cancellation point.
  void wait(EventFd& wake, std::optional<core::Duration> length);
  /// Looks whether a descriptor is ready or `wake` is notified, again and again for `length`.
  /// Returns whether it found something; then it is as after `wait`. A cancellation point. It never
  /// yields its core: that would be to a busy thread for milliseconds.
  [[nodiscard]] bool look(EventFd& wake, core::Duration length);
  /// In place of `wait`, where there is no need to know which descriptors have input: all may.
  void expect_input();

  [[nodiscard]] std::size_t size() const { return sources_.size(); }
  [[nodiscard]] const Source& source(std::size_t i) const { return sources_[i]; }
  [[nodiscard]] bool is_ready(std::size_t i) const { return is_any_ready_ && fds_[i].revents != 0; }
  [[nodiscard]] bool has_room(std::size_t i) const {
    return is_any_ready_ && (fds_[i].revents & POLLOUT) != 0;
  }

 private:
  bool poll(EventFd& wake, const ::timespec* span);

  std::vector<::pollfd> fds_;
  std::vector<Source> sources_;
  bool is_any_ready_ = false;
};

}  // namespace dlock::runtime
