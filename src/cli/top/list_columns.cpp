// ListColumns: the columns of the list of locks, fitted to a width.
#include "cli/top/list_columns.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "cli/text/duration.hpp"
#include "cli/text/lock_text.hpp"
#include "cli/text/text.hpp"

namespace dlock::cli {

namespace {

struct Number {
  std::string_view heading;
  std::size_t width;  ///< with the space before it
  std::string (*text)(const Row&);
};

// The last ones go first when there is no room.
constexpr std::array<Number, 5> numbers{{
    {"WAIT", 6, [](const Row& row) { return fmt::to_string(row.lock->info.waiters.size()); }},
    {"LONGEST", 8,
     [](const Row& row) {
       return row.lock->info.waiters.empty() ? "-" : short_duration(row.longest_wait);
     }},
    {"HELD", 7, [](const Row& row) { return row.held_for ? short_duration(*row.held_for) : "-"; }},
    {"TTL", 7,
     [](const Row& row) {
       if (!row.lock->info.held) return std::string{"-"};
       return row.ttl_left ? short_duration(*row.ttl_left) : "no end";
     }},
    {"H/S", 6, [](const Row& row) { return rate_text(row.lock->handoffs); }},
}};

constexpr std::size_t min_name = 12;
constexpr std::size_t min_holder = 14;
constexpr std::size_t max_text = 60;

std::string padded(std::string text, std::size_t width) {
  text = shortened(std::move(text), width);
  return text.append(width - columns(text), ' ');
}

// The first bytes are enough for any width, and a name may have megabytes.
std::string name_text(const Row& row) {
  return printable(std::string_view{row.lock->info.name}.substr(0, 4 * max_text + 4));
}

}  // namespace

std::string rate_text(double per_second) {
  if (per_second < 0.05) return "-";
  return per_second < 10 ? fmt::format("{:.1f}", per_second) : fmt::format("{:.0f}", per_second);
}

ListColumns::ListColumns(std::span<const Row> rows, std::size_t width) {
  std::size_t names = 4;
  std::size_t holders = 6;
  for (const auto& row : rows) {
    names = std::max(names, columns(name_text(row)));
    holders = std::max(holders, columns(holder_of(row.lock->info)));
  }
  names = std::min(names, max_text);
  holders = std::min(holders, max_text);

  std::size_t used = 0;
  const auto fits = [&](std::size_t more, bool with_holder) {
    return used + more + std::min(names, min_name) +
               (with_holder ? std::min(holders, min_holder) + 1 : 0) <=
           width;
  };
  // The queue's length, the holder, and then the other numbers.
  if (fits(numbers[0].width, false)) used += numbers[numbers_++].width;
  const bool with_holder = fits(0, true);
  while (numbers_ > 0 && numbers_ < numbers.size() && fits(numbers[numbers_].width, with_holder)) {
    used += numbers[numbers_++].width;
  }
  const std::size_t left = width - std::min(width, used);
  if (!with_holder) {
    name_ = std::min(names, left);
    return;
  }
  const std::size_t both = left - 1;
  const std::size_t half = both / 2;
  name_ = names + holders <= both ? names : holders < half ? both - holders : std::min(names, half);
  holder_ = std::min(holders, both - name_);
}

std::string ListColumns::headings() const {
  std::string text = padded("NAME", name_);
  if (holder_ > 0) text += ' ' + padded("HOLDER", holder_);
  for (std::size_t i = 0; i < numbers_; ++i) {
    text += fmt::format("{:>{}}", numbers[i].heading, numbers[i].width);
  }
  return text;
}

std::string ListColumns::line(const Row& row) const {
  std::string text = padded(name_text(row), name_);
  if (holder_ > 0) text += ' ' + padded(holder_of(row.lock->info), holder_);
  for (std::size_t i = 0; i < numbers_; ++i) {
    text += fmt::format("{:>{}}", numbers[i].text(row), numbers[i].width);
  }
  return text;
}

}  // namespace dlock::cli
