// Exposition: samples, labels and numbers.
#include "metrics/exposition.hpp"

#include <array>
#include <charconv>
#include <cmath>

#include "core/wire/text.hpp"

namespace dlock::detail {
namespace {

std::string_view name_of(Exposition::Type type) {
  switch (type) {
    case Exposition::Type::counter:
      return "counter";
    case Exposition::Type::gauge:
      return "gauge";
    case Exposition::Type::histogram:
      break;
  }
  return "histogram";
}

// As short as it can be read back exactly.
std::string number(double value) {
  if (!std::isfinite(value)) {
    return std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  }
  // Bounds of histograms are compared as text, so there is one spelling: 0.0001.
  const bool is_usual = value == 0 || (std::abs(value) >= 1e-9 && std::abs(value) < 1e15);
  const auto format = is_usual ? std::chars_format::fixed : std::chars_format::general;
  std::array<char, 48> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, format).ptr;
  return {digits.data(), end};
}

// Control characters are escaped as for a terminal; then what the format itself wants.
std::string label_value(std::string_view text) {
  std::string doubled;
  for (const char c : text) {
    doubled.append(c == '\\' ? 2 : 1, c);
  }
  std::string value;
  for (const char c : core::escaped(doubled)) {
    value.append(c == '"' || c == '\\' ? "\\" : "") += c;
  }
  return value;
}

}  // namespace

void Exposition::family(std::string_view name, Type type, std::string_view help) {
  name_ = name;
  text_.append("# HELP ").append(name).append(" ").append(help);
  text_.append("\n# TYPE ").append(name).append(" ").append(name_of(type)).append("\n");
}

void Exposition::add_name(std::string_view suffix, Labels labels, std::string_view bound) {
  text_.append(name_).append(suffix);
  char before = '{';
  const auto add_label = [&](std::string_view name, std::string_view value) {
    (text_ += std::exchange(before, ',')).append(name).append("=\"").append(value).append("\"");
  };
  if (!client_.empty()) {
    add_label("client", label_value(client_));
  }
  for (const auto& [name, value] : labels) {
    add_label(name, label_value(value));
  }
  if (!bound.empty()) {
    add_label("le", bound);
  }
  text_ += before == '{' ? " " : "} ";
}

void Exposition::add(std::uint64_t value, Labels labels) {
  add_name({}, labels);
  text_.append(std::to_string(value)).append("\n");
}

void Exposition::add(double value, Labels labels) {
  add_name({}, labels);
  text_.append(number(value)).append("\n");
}

void Exposition::add(const Histogram& value, Labels labels) {
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < value.counts.size(); ++i) {
    below += value.counts[i];
    add_name("_bucket", labels,
             i < Histogram::bounds.size() ? number(Histogram::bounds[i]) : "+Inf");
    text_.append(std::to_string(below)).append("\n");
  }
  add_name("_sum", labels);
  text_.append(number(value.sum)).append("\n");
  add_name("_count", labels);
  text_.append(std::to_string(value.count)).append("\n");
}

}  // namespace dlock::detail
