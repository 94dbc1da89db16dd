// What the parsers of the subcommands share.
#include "cli/arguments/options.hpp"

#include <algorithm>

namespace dlock::cli {

void parse(CLI::App& app, Words words) {
  std::vector<std::string> reversed{words.rbegin(), words.rend()};
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    throw;
  } catch (const CLI::ParseError& error) {
    throw WrongUsage(app.get_name(), error.what());
  }
}

void add_store(CLI::App& app, StoreArguments& store) {
  const auto url = [&app, &store](const std::string& value) {
    if (value.empty()) {
      throw WrongUsage(app.get_name(), "--url is empty: leave it out to use DLOCK_URL or local:");
    }
    store.url = value;
  };
  app.add_option_function<std::string>("--url", url);
  app.add_option("--prefix", store.prefix);
}

Configuration parse(CLI::App& app, Words words, StoreArguments& store) {
  parse(app, words);
  auto configuration = read_configuration(!store.url.empty());
  complete_url(store, configuration);
  store.exposed = configuration.exposed;
  if (app.count("--prefix") == 0) store.prefix = configuration.prefix.value;
  return configuration;
}

std::string checked_name(std::string_view command, const std::string& name) {
  if (!name.empty()) return name;
  throw WrongUsage(command, "the NAME is empty; is a variable of your script unset?");
}

std::size_t count_options(const CLI::App& app, Words words) {
  std::size_t at = 0;
  for (; at < words.size(); ++at) {
    const std::string& word = words[at];
    if (word == "--" || word.size() < 2 || word[0] != '-') break;
    const bool is_long = word[1] == '-';
    if (is_long && word.find('=') != std::string::npos) continue;
    // Only the last letter of a cluster like -nvw can take the next word; -w5 contains its value.
    std::size_t letter = 1;
    const CLI::Option* option = nullptr;
    do option = app.get_option_no_throw(is_long ? word : std::string{'-', word[letter]});
    while (!is_long && option != nullptr && option->get_items_expected_max() == 0 &&
           ++letter < word.size());
    if (option == nullptr || option->get_items_expected_max() == 0) continue;
    if (is_long || letter + 1 == word.size()) ++at;
  }
  return std::min(at, words.size());
}

}  // namespace dlock::cli
