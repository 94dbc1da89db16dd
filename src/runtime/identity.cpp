// What others call this process.
#include "runtime/identity.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>

namespace dlock::runtime {

std::string host_name() {
  std::array<char, 256> host{};
  return ::gethostname(host.data(), host.size() - 1) == 0 ? host.data() : "";
}

std::int64_t process_id() noexcept { return ::getpid(); }

std::string program_name() { return ::program_invocation_short_name; }

}  // namespace dlock::runtime
