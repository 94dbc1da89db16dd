// Messages on stderr.
#include "cli/text/message.hpp"

#include <unistd.h>

#include <cstdlib>

namespace dlock::cli {

bool may_colour(int fd) noexcept {
  const char* refused = std::getenv("NO_COLOR");
  return (refused == nullptr || *refused == '\0') && ::isatty(fd) == 1;
}

void say(Tone tone, std::string_view text) noexcept {
  try {
    std::string line;
    if (may_colour(STDERR_FILENO)) {
      line += tone == Tone::problem ? "\x1b[1;31mdlock:\x1b[0m " : "\x1b[2mdlock:\x1b[0m ";
    } else {
      line += "dlock: ";
    }
    // A message stays on one line, even if a server or a name put line breaks into it.
    for (const char byte : text) line += byte == '\n' || byte == '\r' ? ' ' : byte;
    line += '\n';
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
  } catch (const std::exception&) {
    return;  // no memory for a message
  }
}

}  // namespace dlock::cli
