// dlock config.
#include "cli/config.hpp"

#include <fmt/format.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "cli/configuration/configuration.hpp"
#include "cli/configuration/store.hpp"
#include "cli/text/duration.hpp"
#include "cli/text/message.hpp"
#include "cli/text/output.hpp"
#include "cli/text/text.hpp"
#include "inspect/json.hpp"

namespace dlock::cli {

namespace {

using detail::json_array;
using detail::json_string;
using detail::JsonObject;

template <class Value>
std::string setting_json(const Setting<Value>& setting, std::string_view value) {
  JsonObject object;
  object.raw("value", value).text("source", to_string(setting.source));
  object.raw("place", setting.place.empty() ? "null" : json_string(setting.place));
  return object.str();
}

std::string configuration_json(const Configuration& all, const std::string& url) {
  const auto text = [](const std::string& value) { return json_string(value); };
  std::vector<std::string> files;
  for (const auto& file : all.files) {
    JsonObject object;
    object.text("path", file.path).boolean("exists", file.exists());
    const bool is_unreadable = file.exists() && file.error != 0;
    object.raw("problem", is_unreadable ? json_string(std::strerror(file.error)) : "null");
    files.push_back(object.str());
  }
  std::vector<std::string> exposed;
  for (const auto& path : all.exposed) exposed.push_back(json_string(path));
  JsonObject object;
  object.raw("url", setting_json(all.url, url.empty() ? "null" : text(url)))
      .raw("prefix", setting_json(all.prefix, text(all.prefix.value)))
      .raw("ttl_ms", setting_json(all.ttl, fmt::to_string(all.ttl.value.count())))
      .raw("label",
           setting_json(all.label, all.label.value.empty() ? "null" : text(all.label.value)))
      .raw("require_url", setting_json(all.require_url, all.require_url.value ? "true" : "false"))
      .raw("files", json_array(files))
      .raw("exposed", json_array(exposed));
  return object.str() + "\n";
}

std::string configuration_text(const Configuration& all, const std::string& url) {
  std::string text;
  const auto add = [&text](std::string_view key, std::string_view value, const auto& setting) {
    text += fmt::format("{:<12} {:<32} {}\n", key, value,
                        setting.place.empty() ? "default" : printable(setting.place));
  };
  add("url", url.empty() ? "none: refused" : printable(url), all.url);
  add("prefix", all.prefix.value.empty() ? "none" : printable(all.prefix.value), all.prefix);
  add("ttl", format_duration(all.ttl.value), all.ttl);
  add("label", all.label.value.empty() ? "the COMMAND" : printable(all.label.value), all.label);
  add("require_url", all.require_url.value ? "yes" : "no", all.require_url);
  text += "\n";
  for (const auto& file : all.files) {
    text += fmt::format("{:<45} {}\n", printable(file.path),
                        file.error == 0 ? "read"
                        : file.exists() ? std::strerror(file.error)
                                        : "not there");
  }
  return text;
}

}  // namespace

int show_configuration(const ConfigArguments& arguments) {
  const auto all = read_configuration();
  StoreArguments store;
  if (!all.url.value.empty() || !all.require_url.value) complete_url(store, all);
  // As the library shows it: without the password.
  const auto url = store.url.empty() ? std::string{} : connect(store).url();
  const int printed =
      print(arguments.json ? configuration_json(all, url) : configuration_text(all, url));
  for (const auto& path : all.exposed) {
    complain("everybody can read the password in {}: chmod 640 or 600 it", path);
  }
  return printed;
}

}  // namespace dlock::cli
