// The parts of the operating system that a client looks at.
#include "client/process.hpp"

#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "dlock/error.hpp"

namespace dlock::detail {
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

std::string quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted.append({'\\', c});
    } else if (byte < 0x20 || byte == 0x7f) {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\u%04x", byte);
      quoted += escaped.data();
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

}  // namespace

core::Instant now() noexcept {
  ::timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return core::Instant{std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec}};
}

core::RandomBits random_bits() {
  core::RandomBits bits{};
  std::size_t filled = 0;
  while (filled < sizeof bits) {
    const auto got =
        ::getrandom(reinterpret_cast<char*>(bits.data()) + filled, sizeof bits - filled, 0);
    if (got < 0 && errno != EINTR) {
      throw_error(errc::usage, std::string{"no random bits: "} + std::strerror(errno));
    }
    filled += got > 0 ? static_cast<std::size_t>(got) : 0;
  }
  return bits;
}

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

std::string describe_self(std::string_view label) {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) {
    host[0] = '\0';
  }
  return "{\"host\":" + quote(host.data()) + ",\"pid\":" + std::to_string(::getpid()) +
         ",\"program\":" + quote(::program_invocation_short_name) + ",\"label\":" + quote(label) +
         "}";
}

}  // namespace dlock::detail
