// Which requests `dlock serve` answers.
#include "cli/serve/request_rules.hpp"

#include <algorithm>
#include <cctype>

namespace dlock::cli {

namespace {

bool consists_of(std::string_view text, std::string_view characters) {
  return !text.empty() && text.find_first_not_of(characters) == std::string_view::npos;
}

bool is_same(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, {}, [](unsigned char c) { return std::tolower(c); },
      [](unsigned char c) { return std::tolower(c); });
}

// Without the port.
std::string_view name_of(std::string_view host) {
  const auto end = host.starts_with('[') ? host.find(']') : std::string_view::npos;
  if (end != std::string_view::npos) return host.substr(0, end + 1);
  return host.substr(0, host.find(':'));
}

}  // namespace

bool is_host_allowed(std::string_view host, const std::vector<std::string>& allowed) {
  const auto name = name_of(host);
  if (consists_of(name, "0123456789.") || is_same(name, "localhost")) return true;
  if (name.starts_with('[') && consists_of(name, "[]0123456789abcdefABCDEF:.")) return true;
  return std::ranges::any_of(allowed,
                             [name](const std::string& one) { return is_same(name, one); });
}

bool is_from_here(const HttpRequest& request) {
  const auto site = request.header("Sec-Fetch-Site");
  if (!site.empty() && site != "same-origin") return false;
  const auto origin = request.header("Origin");
  if (origin.empty()) return true;
  const auto host = request.header("Host");
  return is_same(origin, "http://" + host) || is_same(origin, "https://" + host);
}

HttpAnswer refusal_of(const HttpRequest& request, const std::vector<std::string>& allowed_hosts,
                      bool may_post) {
  if (!is_host_allowed(request.header("Host"), allowed_hosts)) {
    return {421, "text/plain; charset=utf-8",
            "this server does not know that name: start it with --allow-host NAME\n"};
  }
  if (request.method != "GET" && request.method != "HEAD" && !may_post) {
    return {405, "text/plain; charset=utf-8", "this server only shows things: use GET\n"};
  }
  return {0, {}, {}};
}

}  // namespace dlock::cli
