// The names of this process and its user, and its limits.
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

uid_t user_id() noexcept { return ::geteuid(); }

std::string program_name() { return ::program_invocation_short_name; }

// The kernel's limit: 32 pages.
std::size_t max_exec_string() noexcept {
  return 32 * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace dlock::runtime
