// The parts of the operating system that a client looks at.
#include "client/process.hpp"

#include <pthread.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "dlock/error.hpp"

namespace dlock::detail {
namespace {

std::atomic<std::uint64_t> generation{0};

const bool watches_forks = [] {
  return ::pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1); }) == 0;
}();

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
  (void)watches_forks;
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
