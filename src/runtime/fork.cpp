// Whether this process came out of a fork.
#include "runtime/fork.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <new>

namespace dlock::runtime {
namespace {

// A page that reads as zeros in a forked child, however it was forked: the C library's handlers do
// not see `_Fork()` and `clone()`. Null where the system has no such pages.
std::atomic<bool>* make_page() noexcept {
  const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* page = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) {
    return nullptr;
  }
  if (::madvise(page, size, MADV_WIPEONFORK) != 0) {
    ::munmap(page, size);
    return nullptr;
  }
  return new (page) std::atomic<bool>{true};
}

std::atomic<std::uint64_t> generation{1};

}  // namespace

std::uint64_t fork_generation() noexcept {
  static auto* const is_known = make_page();
  if (is_known == nullptr) {
    return static_cast<std::uint64_t>(::getpid());
  }
  if (!is_known->load(std::memory_order_relaxed) && !is_known->exchange(true)) {
    generation.fetch_add(1);
  }
  return generation.load(std::memory_order_relaxed);
}

}  // namespace dlock::runtime
