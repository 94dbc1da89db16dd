// Random bits, from the operating system.
#include "runtime/random.hpp"

#include <sys/random.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>

#include "dlock/error.hpp"

namespace dlock::runtime {

void draw(std::span<core::RandomBits> bits) {
  auto left = std::as_writable_bytes(bits);
  while (!left.empty()) {
    const auto got = ::getrandom(left.data(), left.size(), 0);
    if (got < 0 && errno != EINTR) {
      throw_error(errc::usage, std::string{"no random bits: "} + std::strerror(errno));
    }
    left = left.subspan(got > 0 ? static_cast<std::size_t>(got) : 0);
  }
}

}  // namespace dlock::runtime
