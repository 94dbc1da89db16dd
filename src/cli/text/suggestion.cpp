// Suggestions for words of other programs and for typing errors.
#include "cli/text/suggestion.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>
#include <vector>

namespace dlock::cli {

namespace {

constexpr std::array commands{"run",   "elect", "latch",     "barrier", "ls",    "top",
                              "serve", "info",  "deadlocks", "doctor",  "break", "config"};

constexpr std::string_view to_break =
    "'dlock break NAME --current' takes a lock away from its holder; 'dlock run' releases its own";
constexpr std::string_view to_list = "'dlock ls' lists locks, 'dlock top' is a live view";
constexpr std::string_view to_show = "'dlock info NAME' shows a lock, its holders and waiters";
constexpr std::string_view to_examine = "'dlock doctor' examines the servers";
constexpr std::string_view to_lead = "'dlock elect NAME COMMAND' runs a command while it leads";

constexpr std::array<std::pair<std::string_view, std::string_view>, 20> words{{
    {"unlock", to_break},  {"release", to_break}, {"free", to_break},    {"kill", to_break},
    {"steal", to_break},   {"rm", to_break},      {"del", to_break},     {"list", to_list},
    {"htop", to_list},     {"watch", to_list},    {"ps", to_list},       {"locks", to_list},
    {"show", to_show},     {"inspect", to_show},  {"who", to_show},      {"status", to_show},
    {"check", to_examine}, {"ping", to_examine},  {"election", to_lead}, {"leader", to_lead},
}};

// Returns how many letters must be inserted, left out or changed.
std::size_t distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t changed = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string suggestion_for(std::string_view command) {
  for (const auto& [word, meaning] : words) {
    if (command == word) return std::string{meaning};
  }
  for (const std::string_view known : commands) {
    if (distance(command.substr(0, 32), known) < std::min<std::size_t>(known.size(), 3)) {
      return fmt::format("did you mean 'dlock {}'?", known);
    }
  }
  return "to run something under a lock: dlock run NAME COMMAND";
}

}  // namespace dlock::cli
