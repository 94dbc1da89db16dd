// A configuration file.
#include "cli/configuration/config_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "cli/text/text.hpp"
#include "dlock/error.hpp"
#include "runtime/file_system.hpp"

namespace dlock::cli {

namespace {

constexpr std::size_t most_bytes = 65'536;
constexpr std::string_view blanks = " \t\r\v\f";

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

// A # begins a comment at the start of a line or behind a blank; `a#b` is text.
std::string_view without_comment(std::string_view line) {
  for (auto at = line.find('#'); at != std::string_view::npos; at = line.find('#', at + 1)) {
    if (at == 0 || blanks.find(line[at - 1]) != std::string_view::npos) return line.substr(0, at);
  }
  return line;
}

class Reader {
 public:
  explicit Reader(ConfigFile& file) : file_(file) {}

  void read(std::string_view text) {
    while (!text.empty()) {
      ++line_;
      const auto end = std::min(text.find('\n'), text.size());
      take(trimmed(without_comment(text.substr(0, end))));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw UsageError(errc::usage, fmt::format("{}, line {}: {}", file_.path, line_, what));
  }

  // A message never repeats a value, which may be a password.
  void take(std::string_view line) {
    if (line.empty()) return;
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) {
      refuse("a line is 'key = value', or a comment behind a #");
    }
    const auto key = trimmed(line.substr(0, equals));
    const auto value = trimmed(line.substr(equals + 1));
    if (std::ranges::find(config_keys, key) == config_keys.end()) {
      refuse(fmt::format("there is no key {}: the keys are {}", in_quotes(key),
                         fmt::join(config_keys, ", ")));
    }
    if (value.starts_with('"') || value.starts_with('\'')) {
      refuse(fmt::format("write the {} without quotation marks", key));
    }
    if (value.find('\0') != std::string_view::npos) refuse("it has a zero byte");
    const auto [entry, is_new] =
        file_.entries.try_emplace(std::string{key}, std::string{value}, line_);
    if (!is_new) {
      refuse(fmt::format("line {} says the {} already: remove one", entry->second.line, key));
    }
  }

  ConfigFile& file_;
  int line_ = 0;
};

}  // namespace

bool ConfigFile::exists() const noexcept { return error != ENOENT && error != ENOTDIR; }

ConfigFile read_config_file(std::string path) {
  const auto content = runtime::read_file(path, most_bytes);
  ConfigFile file{.path = std::move(path),
                  .error = content.error,
                  .others_can_read = (content.permissions & S_IROTH) != 0};
  if (file.error == 0) Reader{file}.read(content.text);
  return file;
}

std::string place_of(const ConfigFile& file, const ConfigFile::Entry& entry) {
  return fmt::format("{}, line {}", file.path, entry.line);
}

}  // namespace dlock::cli
