// OuterRuns: the runs of dlock in which this program was started, and the locks that they hold.
#include "runtime/outer_runs.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <sstream>

#include "runtime/process.hpp"

namespace dlock::runtime {
namespace {

struct Run {
  std::string token;
  pid_t command = 0;  ///< the first process that was started in it
};

// TOKEN@PID of each in $DLOCK_HELD, the outermost first, as this program's parent set it. Never
// destroyed, since threads may wait while the program ends.
const std::vector<Run>& runs() {
  static const auto& found = *new std::vector<Run>{[] {
    const char* const held = std::getenv("DLOCK_HELD");
    std::istringstream words{held == nullptr ? "" : held};
    std::vector<Run> all;
    for (std::string word; words >> word;) {
      const auto at = word.rfind('@');
      Run run;
      if (at == std::string::npos) continue;
      std::from_chars(word.data() + at + 1, word.data() + word.size(), run.command);
      run.token = word.substr(0, at);
      if (run.command > 0) all.push_back(std::move(run));
    }
    return all;
  }()};
  return found;
}

// Whether `parent` is in a call like wait(), and has this child and no other.
bool waits_only_for(pid_t parent, pid_t child) {
  const auto process = read_process(parent);
  return process && process->threads == 1 &&
         read_process_file(parent, "wchan").starts_with("do_wait") &&
         children_of(parent) == std::vector{child};
}

}  // namespace

bool has_outer_runs() { return !runs().empty(); }

std::vector<std::string> tokens_of_outer_runs() {
  std::vector<std::string> tokens;
  for (pid_t at = ::getpid(); at > 1;) {
    bool is_command = false;  // which its dlock waits for
    for (const auto& run : runs()) {
      if (run.command != at) continue;
      tokens.push_back(run.token);
      is_command = true;
    }
    const auto process = read_process(at);
    if (!process || (!is_command && !waits_only_for(process->parent, at))) break;
    at = process->parent;
  }
  return tokens;
}

}  // namespace dlock::runtime
