// Output on stdout.
#include "cli/text/output.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cli/text/exit_code.hpp"
#include "cli/text/message.hpp"

namespace dlock::cli {

int print(std::string_view text) noexcept {
  while (!text.empty()) {
    const auto written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      complain("cannot write to stdout: {}", std::strerror(errno));
      return exit_output;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

}  // namespace dlock::cli
