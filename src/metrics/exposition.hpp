// Exposition: metrics in Prometheus' text format, version 0.0.4.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "dlock/stats.hpp"

namespace dlock::detail {

/// Writes families of metrics, each with its samples behind it.
class Exposition {
 public:
  enum class Type : std::uint8_t { counter, gauge, histogram };
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  /// Samples have the label `client` from now on; with an empty value they have it no more.
  void set_client(std::string_view value) { client_ = value; }
  /// Begins a family. `help` is one line without a backslash.
  void family(std::string_view name, Type type, std::string_view help);
  /// Adds a sample to the last family. Values of labels may be any bytes: what a terminal or the
  /// format could take amiss is escaped.
  void add(std::uint64_t value, Labels labels = {});
  void add(double value, Labels labels = {});
  void add(const Histogram& value, Labels labels);
  /// A family with one sample.
  template <class Value>
  void single(std::string_view name, Type type, std::string_view help, Value value) {
    family(name, type, help);
    add(value);
  }

  [[nodiscard]] std::string&& take() && { return std::move(text_); }

 private:
  void add_name(std::string_view suffix, Labels labels, std::string_view bound = {});

  std::string text_;
  std::string name_;    ///< of the last family
  std::string client_;  ///< of the next samples
};

}  // namespace dlock::detail
