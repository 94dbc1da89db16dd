// Random bits, from the operating system.
#include "runtime/random.hpp"

#include <sys/random.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "dlock/error.hpp"

namespace dlock::runtime {

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

}  // namespace dlock::runtime
