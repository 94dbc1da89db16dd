// JSON output.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dlock::detail {

/// A JSON string; each byte that is not UTF-8 becomes U+FFFD.
[[nodiscard]] std::string json_string(std::string_view text);

/// A JSON array of JSON values.
[[nodiscard]] std::string json_array(const std::vector<std::string>& values);

/// A JSON object, member by member, in order.
class JsonObject {
 public:
  JsonObject& text(std::string_view key, std::string_view value);
  /// Lock names, which are bytes: also `KEY_base64` when the text is not UTF-8.
  JsonObject& bytes(std::string_view key, std::string_view value);
  JsonObject& number(std::string_view key, std::int64_t value);
  JsonObject& boolean(std::string_view key, bool value);
  /// `value` is JSON.
  JsonObject& raw(std::string_view key, std::string_view value);
  [[nodiscard]] std::string str() const { return "{" + members_ + "}"; }

 private:
  std::string members_;
};

}  // namespace dlock::detail
