// Breaker: takes locks away for those who know the token.
#include "cli/serve/breaker.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <stdexcept>

#include "cli/serve/request_rules.hpp"
#include "cli/text/message.hpp"
#include "cli/text/text.hpp"
#include "dlock/inspect.hpp"
#include "inspect/json.hpp"
#include "inspect/lock_json.hpp"

namespace dlock::cli {

namespace {

using detail::JsonObject;

constexpr std::size_t min_token = 16;

HttpAnswer refuse(int status, std::string_view why) {
  return {status, "application/json", JsonObject{}.text("error", why).str() + "\n"};
}

std::int64_t positive_number(const std::string& text) {
  std::int64_t number = 0;
  const auto* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  return error == std::errc{} && rest == end && number > 0 ? number : 0;
}

}  // namespace

// Takes as long for each token of the same length.
bool Breaker::knows_token(std::string_view authorization) const noexcept {
  constexpr std::string_view scheme = "Bearer ";
  if (!authorization.starts_with(scheme)) return false;
  const auto given = authorization.substr(scheme.size());
  if (given.size() != token_.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < given.size(); ++i) {
    difference |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(token_[i]);
  }
  return difference == 0;
}

HttpAnswer Breaker::take_away(const HttpRequest& request) {
  if (!is_from_here(request)) return refuse(403, "a page of another site may not do that");
  if (!knows_token(request.header("Authorization"))) {
    return refuse(401, "send the token: Authorization: Bearer TOKEN");
  }
  const auto name = request.parameter("name").value_or("");
  const auto fence = positive_number(request.parameter("fence").value_or(""));
  if (name.empty() || fence == 0) {
    return refuse(400, "say name=NAME and fence=FENCE: the fence of the holder that shall lose it");
  }
  const std::lock_guard hold{mutex_};
  const bool is_broken = break_lock(client_, name, fence) == BreakOutcome::broken;
  if (is_broken) note("{} was taken from the holder with fence {}", in_quotes(name), fence);
  JsonObject object;
  object.bytes("name", name).text("fence", std::to_string(fence));
  object.text("outcome", is_broken ? "broken" : "not_holder");
  object.raw("lock", detail::lock_json(inspect_lock(client_, name)));
  return {is_broken ? 200 : 409, "application/json", object.str() + "\n"};
}

std::string read_token(const std::string& path) {
  std::ifstream file{path};
  std::string token;
  if (!std::getline(file, token)) {
    throw std::runtime_error(fmt::format("--allow-break: cannot read a token from {}", path));
  }
  if (token.size() < min_token) {
    throw std::runtime_error(fmt::format(
        "--allow-break: the token in {} is shorter than {} characters", path, min_token));
  }
  return token;
}

}  // namespace dlock::cli
