// OuterRuns: what the runs of dlock hold in which this program was started, as $DLOCK_HELD says.
#include "client/outer_runs.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>

namespace dlock::detail {
namespace {

struct Run {
  std::string token;
  pid_t command = 0;  ///< the first process that was started in it
};

// TOKEN@PID of each, the outermost first. That of this program's parent does not change. Never
// destroyed, for threads that wait while the program ends.
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

std::string read_file(pid_t pid, const std::string& name) {
  std::ifstream file{"/proc/" + std::to_string(pid) + '/' + name};
  return {std::istreambuf_iterator<char>{file}, {}};
}

struct Stat {
  pid_t parent = 0;
  int threads = 0;
};

// /proc/PID/stat: "PID (NAME) STATE PPID ...", where NAME may contain anything.
Stat stat_of(pid_t pid) {
  const auto text = read_file(pid, "stat");
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream rest{text.substr(name_end + 1)};
  const std::vector<std::string> fields{std::istream_iterator<std::string>{rest}, {}};
  if (fields.size() < 18) return {};
  return {std::atoi(fields[1].c_str()), std::atoi(fields[17].c_str())};
}

// In a call like wait(), with this child and no other.
bool waits_only_for(pid_t parent, pid_t child) {
  if (stat_of(parent).threads != 1) return false;
  if (!read_file(parent, "wchan").starts_with("do_wait")) return false;
  std::istringstream children{read_file(parent, "task/" + std::to_string(parent) + "/children")};
  pid_t only = 0;
  pid_t another = 0;
  children >> only;
  return only == child && !(children >> another);
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
    const pid_t parent = stat_of(at).parent;
    if (!is_command && !waits_only_for(parent, at)) break;
    at = parent;
  }
  return tokens;
}

}  // namespace dlock::detail
