// What holds where the command line says nothing.
#include "cli/configuration/configuration.hpp"

#include <fmt/format.h>

#include <cstring>
#include <optional>
#include <stdexcept>

#include "cli/text/duration.hpp"
#include "cli/text/text.hpp"
#include "dlock/error.hpp"
#include "runtime/environment.hpp"
#include "runtime/file_system.hpp"
#include "runtime/identity.hpp"

namespace dlock::cli {

namespace {

constexpr const char* system_file = "/etc/dlock/config";

[[noreturn]] void refuse(std::string_view place, std::string_view what) {
  throw UsageError(errc::usage, fmt::format("{}: {}", place, what));
}

bool is_path(const std::optional<std::string>& value) { return value && value->starts_with('/'); }

// $HOME, which cron and systemd may leave out. After `sudo -E` it is somebody else's, whose files
// are none of this user's.
std::string home() {
  const auto user = runtime::user_id();
  if (const auto given = runtime::variable("HOME"); is_path(given)) {
    const auto info = runtime::file_info(*given);
    if (info.error == 0 && info.owner == user) return *given;
  }
  return runtime::home_of(user);
}

// Of the XDG Base Directory Specification. Empty: no directory.
std::string user_directory() {
  if (const auto given = runtime::variable("XDG_CONFIG_HOME"); is_path(given)) return *given;
  const auto own = home();
  return is_path(own) ? own + "/.config" : "";
}

std::vector<ConfigFile> read_files() {
  std::vector<ConfigFile> files;
  const auto directory = user_directory();
  if (!directory.empty()) files.push_back(read_config_file(directory + "/dlock/config"));
  files.push_back(read_config_file(system_file));
  return files;
}

bool has_password(std::string_view url) {
  if (url.find("password=") != std::string_view::npos) return true;
  const auto begin = url.find("//");
  if (begin == std::string_view::npos) return false;
  const auto host = url.substr(begin + 2, url.find('/', begin + 2) - begin - 2);
  const auto login = host.substr(0, host.rfind('@') + 1);
  return login.find(':') != std::string_view::npos;
}

// Text as a value of the setting.
void assign(Setting<std::string>& setting, const std::string& text) { setting.value = text; }

void assign(Setting<bool>& setting, const std::string& text) {
  const auto answer = runtime::yes_or_no(text);
  if (!answer) refuse(setting.place, fmt::format("{} is neither yes nor no", in_quotes(text)));
  setting.value = *answer;
}

void assign(Setting<std::chrono::milliseconds>& setting, const std::string& text) {
  try {
    setting.value = parse_duration(text);
  } catch (const std::invalid_argument& error) {
    refuse(setting.place, error.what());
  }
  if (setting.value <= std::chrono::milliseconds::zero()) {
    refuse(setting.place, "the ttl must be longer than zero");
  }
}

template <class Value>
void take(Setting<Value>& setting, const std::string& key, const std::vector<ConfigFile>& files) {
  if (setting.source != Source::built_in) return;
  for (const auto& file : files) {
    const auto entry = file.entries.find(key);
    if (entry == file.entries.end()) continue;
    setting.source = file.path == system_file ? Source::system : Source::user;
    setting.place = place_of(file, entry->second);
    assign(setting, entry->second.value);
    return;
  }
}

template <class Value>
void take(Setting<Value>& setting, const char* variable) {
  const auto value = runtime::variable(variable);
  if (!value) return;
  setting.source = Source::environment;
  setting.place = variable;
  assign(setting, *value);
}

void check_url(const Setting<std::string>& url) {
  if (url.source == Source::built_in || !url.value.empty()) return;
  refuse(url.place,
         url.source == Source::environment
             ? "it is set, but empty: set it to the URL of a server, or to local: for a "
               "private one on this machine, or unset it"
             : "the url is empty: write the URL of a server, or local: for a private one "
               "on this machine");
}

// A file that nobody could read may have said the url.
void check_readable(const std::vector<ConfigFile>& files) {
  for (const auto& file : files) {
    if (file.error == 0 || !file.exists()) continue;
    refuse(file.path,
           fmt::format("it cannot be read ({}): correct that, or say by --url or DLOCK_URL "
                       "where the locks are",
                       std::strerror(file.error)));
  }
}

}  // namespace

std::string_view to_string(Source source) noexcept {
  switch (source) {
    case Source::environment:
      return "environment";
    case Source::user:
      return "user";
    case Source::system:
      return "system";
    case Source::built_in:
      break;
  }
  return "default";
}

Configuration read_configuration(bool url_is_given) {
  Configuration all;
  all.files = read_files();
  take(all.url, "DLOCK_URL");
  take(all.require_url, "DLOCK_REQUIRE_URL");
  take(all.url, "url", all.files);
  take(all.prefix, "prefix", all.files);
  take(all.ttl, "ttl", all.files);
  take(all.label, "label", all.files);
  take(all.require_url, "require_url", all.files);
  if (!url_is_given) check_url(all.url);
  if (!url_is_given && all.url.source != Source::environment) check_readable(all.files);
  for (const auto& file : all.files) {
    const auto url = file.entries.find("url");
    if (file.others_can_read && url != file.entries.end() && has_password(url->second.value)) {
      all.exposed.push_back(file.path);
    }
  }
  return all;
}

}  // namespace dlock::cli
