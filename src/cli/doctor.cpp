// dlock doctor: the findings as text and as JSON.
#include "cli/doctor.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string_view>

#include "cli/text/doctor_json.hpp"
#include "cli/text/message.hpp"
#include "cli/text/output.hpp"
#include "cli/text/text.hpp"
#include "dlock/client.hpp"
#include "dlock/doctor.hpp"

namespace dlock::cli {

namespace {

using std::chrono::steady_clock;

constexpr std::size_t width = 100;

int exit_code_of(Grade grade) {
  switch (grade) {
    case Grade::ok:
    case Grade::note:
      return 0;
    case Grade::warning:
      return exit_warning;
    case Grade::danger:
      break;
  }
  return exit_danger;
}

std::string_view colour_of(Grade grade) {
  constexpr std::array colours{std::string_view{"\x1b[32m"}, std::string_view{"\x1b[36m"},
                               std::string_view{"\x1b[33m"}, std::string_view{"\x1b[1;31m"}};
  return colours[static_cast<std::size_t>(grade)];
}

// Shows progress on stderr to a user who waits: after a second, then at most five times a second.
class Progress {
 public:
  void operator()(std::int64_t walked, std::int64_t total) {
    const auto now = steady_clock::now();
    if (now < next_) return;
    next_ = now + std::chrono::milliseconds{200};
    shown_ = true;
    fmt::print(stderr, "\rlooking at keys: {} of {}\x1b[K", walked, total);
  }
  void clear() const {
    if (shown_) fmt::print(stderr, "\r\x1b[K");
  }

 private:
  steady_clock::time_point next_ = steady_clock::now() + std::chrono::seconds{1};
  bool shown_ = false;
};

// Wraps words into lines of at most `width` columns, and indents all lines but the first.
std::string wrapped(std::string_view text, std::size_t indent) {
  std::string out;
  std::size_t column = indent;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    const auto word = text.substr(0, end);
    if (column > indent && column + 1 + columns(word) > width) {
      out += '\n' + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += columns(word);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string finding_text(const Finding& finding, bool colour) {
  constexpr std::size_t indent = 23;
  const auto grade = fmt::format("{:7}", to_string(finding.grade));
  auto text =
      fmt::format("  {}  {:12}  {}\n",
                  colour ? fmt::format("{}{}\x1b[0m", colour_of(finding.grade), grade) : grade,
                  finding.subject, wrapped(printable(finding.what), indent + 2));
  if (finding.grade == Grade::ok) return text;
  const auto more = [&](std::string_view label, const std::string& what) {
    if (what.empty()) return;
    text += fmt::format("{:>{}}  {}\n", label, indent, wrapped(printable(what), indent + 2));
  };
  more("why", finding.why);
  more("do", finding.fix);
  return text;
}

std::string report(const Checkup& checkup, bool colour) {
  std::string text;
  const auto add_group = [&](std::string_view node, std::string_view heading) {
    std::string group;
    for (const auto& finding : checkup.findings) {
      if (finding.node == node) group += finding_text(finding, colour);
    }
    if (group.empty()) return;
    text +=
        colour ? fmt::format("\x1b[1m{}\x1b[0m\n", printable(heading)) : printable(heading) + "\n";
    text += group + "\n";
  };
  for (const auto& node : checkup.nodes) add_group(node.address, node.address);
  add_group("", "all together");
  std::array<int, 4> counts{};
  for (const auto& finding : checkup.findings) ++counts[static_cast<std::size_t>(finding.grade)];
  return text + fmt::format("danger: {}, warnings: {}, notes: {}, ok: {}\n", counts[3], counts[2],
                            counts[1], counts[0]);
}

// What is wrong with how dlock was told of the servers.
void add_findings_of(const StoreArguments& store, Checkup& checkup) {
  if (store.is_fallback) {
    checkup.findings.push_back(
        {.grade = Grade::note,
         .subject = "config",
         .node = "",
         .what = "nothing says where the locks are, so this is a private server",
         .why = "programs on other machines, and of other users, do not see its locks",
         .fix =
             "set DLOCK_URL, or write 'url = ...' into /etc/dlock/config; 'url = local:' says that "
             "this is meant, 'require_url = yes' refuses to go on without a url"});
  }
  for (const auto& path : store.exposed) {
    checkup.findings.push_back(
        {.grade = Grade::warning,
         .subject = "config",
         .node = "",
         .what = "everybody on this machine can read the password in " + path,
         .why = "with it they can take and break all locks",
         .fix = "chmod 640 or 600 the file"});
  }
}

}  // namespace

int examine(const DoctorArguments& arguments) {
  Client client = connect(arguments.store);
  CheckupOptions how;
  how.clock_span = arguments.clock;
  how.max_keys = arguments.keys;
  Progress progress;
  if (::isatty(STDERR_FILENO) == 1) how.progress = std::ref(progress);
  auto checkup = check_up(client, how);
  add_findings_of(arguments.store, checkup);
  progress.clear();
  const int printed = print(arguments.json ? doctor_json(client.url(), checkup) + "\n"
                                           : report(checkup, may_colour(STDOUT_FILENO)));
  return printed != 0 ? printed : exit_code_of(checkup.worst());
}

}  // namespace dlock::cli
