// Bytes on their way: read and not parsed yet, or formatted and not written yet.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

namespace dlock::redis {

/// Bytes are added at the end and taken from the front. It grows with what was added, keeps its
/// memory for the next bytes, and gives it back after many. Not thread-safe.
class Buffer {
 public:
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  /// Valid until the next `room` or `take`.
  [[nodiscard]] std::string_view bytes() const noexcept {
    return {memory_.get() + begin_, end_ - begin_};
  }

  /// Where the next `size` bytes go; `add` says how many there are.
  char* room(std::size_t size) {
    if (capacity_ - end_ < size) make_room(size);
    return memory_.get() + end_;
  }
  void add(std::size_t size) noexcept { end_ += size; }

  void take(std::size_t size) noexcept {
    begin_ += size;
    if (begin_ < end_) return;
    begin_ = end_ = 0;
    if (capacity_ > max_idle_capacity) {
      memory_.reset();
      capacity_ = 0;
    }
  }

 private:
  static constexpr std::size_t min_capacity = 1024;
  static constexpr std::size_t max_idle_capacity = 64 * 1024;

  void make_room(std::size_t size) {
    const auto left = bytes();
    if (capacity_ < left.size() + size) {
      capacity_ = std::max({left.size() + size, 2 * capacity_, min_capacity});
      auto memory = std::make_unique_for_overwrite<char[]>(capacity_);
      std::copy(left.begin(), left.end(), memory.get());
      memory_ = std::move(memory);
    } else {
      std::copy(left.begin(), left.end(), memory_.get());
    }
    end_ = left.size();
    begin_ = 0;
  }

  std::unique_ptr<char[]> memory_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace dlock::redis
