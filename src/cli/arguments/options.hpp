// What the parsers of the subcommands share: words, names, and options of a kind.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "cli/arguments/arguments.hpp"
#include "cli/text/duration.hpp"

namespace dlock::cli {

using Words = std::span<const std::string>;

/// Parses `words`. Throws `WrongUsage`, and what CLI11 throws to ask for the help.
void parse(CLI::App& app, Words words);

/// Adds --url and --prefix.
void add_store(CLI::App& app, StoreArguments& store);

/// Parses `words`, and gives the store that `add_store` got what the configuration says and they do
/// not. Returns the configuration. Throws `UsageError` for what is wrong there.
Configuration parse(CLI::App& app, Words words, StoreArguments& store);

/// Adds an option that takes a duration.
template <class Target>
CLI::Option* add_duration(CLI::App& app, const std::string& flags, Target& target) {
  const auto set = [&target](const std::vector<std::string>& values) {
    try {
      target = parse_duration(values.back());
    } catch (const std::invalid_argument& error) {
      throw CLI::ConversionError(error.what(), CLI::ExitCodes::ConversionError);
    }
    return true;
  };
  return app.add_option(flags, set);
}

/// Returns `name`. Throws `WrongUsage` if it is empty.
std::string checked_name(std::string_view command, const std::string& name);

/// Returns how many of `words` belong to options: those before NAME or `--`. It never looks at
/// COMMAND's own options, which come later.
[[nodiscard]] std::size_t count_options(const CLI::App& app, Words words);

}  // namespace dlock::cli
