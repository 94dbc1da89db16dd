// A configuration file: lines `key = value`, and comments behind a `#`.
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>

namespace dlock::cli {

/// The keys that a file may have. A file may leave out any of them.
inline constexpr std::array config_keys{std::string_view{"url"}, std::string_view{"prefix"},
                                        std::string_view{"ttl"}, std::string_view{"label"},
                                        std::string_view{"require_url"}};

struct ConfigFile {
  struct Entry {
    std::string value;
    int line = 0;
  };
  std::string path;
  int error = 0;                 ///< why it cannot be read, as ENOENT; it has no entries then
  bool others_can_read = false;  ///< also those who are not in its group
  std::map<std::string, Entry> entries{};  ///< by key

  [[nodiscard]] bool exists() const noexcept;
};

/// Reads the file at `path`. Throws `UsageError`, which names the file and the line, for what is no
/// line of a configuration: an unknown key, the same key twice, a value in quotation marks.
[[nodiscard]] ConfigFile read_config_file(std::string path);

/// Returns `FILE, line N`.
[[nodiscard]] std::string place_of(const ConfigFile& file, const ConfigFile::Entry& entry);

}  // namespace dlock::cli
