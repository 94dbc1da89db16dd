// The answers of `dlock serve`, path by path.
#include "cli/serve/api.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <utility>

#include "cli/serve/page.hpp"
#include "cli/serve/request_rules.hpp"
#include "cli/survey/listing.hpp"
#include "cli/survey/snapshot_json.hpp"
#include "dlock/error.hpp"
#include "dlock/version.hpp"
#include "inspect/json.hpp"
#include "inspect/lock_json.hpp"

namespace dlock::cli {

namespace {

using namespace std::chrono_literals;
using detail::JsonObject;

constexpr std::size_t default_limit = 1'000;
constexpr std::size_t max_limit = 10'000;
constexpr auto event_patience = 1s;

struct PageFile {
  std::string_view path, type, text;
};
constexpr std::array page_files{
    PageFile{"/", "text/html; charset=utf-8", page::index_html},
    PageFile{"/page.css", "text/css; charset=utf-8", page::page_css},
    PageFile{"/page.js", "text/javascript; charset=utf-8", page::page_js},
    PageFile{"/icon.svg", "image/svg+xml", page::icon_svg},
};

HttpAnswer problem(int status, std::string_view what) {
  return {status, "application/json", JsonObject{}.text("error", what).str() + "\n"};
}

HttpAnswer plain(int status, const std::string& text) {
  return {status, "text/plain; charset=utf-8", text + "\n"};
}

std::optional<std::size_t> number_of(const std::string& text) {
  std::size_t number = 0;
  const auto* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  return error == std::errc{} && rest == end ? std::optional{number} : std::nullopt;
}

}  // namespace

HttpAnswer Api::answer(const HttpRequest& request) {
  const bool is_break =
      request.path == "/api/v1/break" && request.method == "POST" && breaker_.is_allowed();
  if (auto refusal = refusal_of(request, allowed_hosts_, is_break); refusal.status != 0) {
    return refusal;
  }
  try {
    return is_break ? breaker_.take_away(request) : route(request);
  } catch (const Error& error) {
    return problem(503, error.what());
  } catch (const std::exception& error) {
    return problem(500, error.what());
  }
}

HttpAnswer Api::route(const HttpRequest& request) {
  const auto& path = request.path;
  const auto rest_of = [&path](std::string_view start) -> std::optional<std::string> {
    if (!path.starts_with(start) || path.size() == start.size()) return std::nullopt;
    return path.substr(start.size());
  };
  for (const auto& [place, type, text] : page_files) {
    if (path == place) return {200, std::string{type}, std::string{text}};
  }
  if (path == "/healthz") return health();
  if (path == "/metrics") {
    return {200, "text/plain; version=0.0.4; charset=utf-8",
            metrics_text(*hub_.latest(), metrics_, runtime::boot_now())};
  }
  if (path == "/api/v1/about") {
    JsonObject object;
    object.text("version", DLOCK_VERSION).text("store", hub_.url());
    return {.body = object.boolean("may_break", breaker_.is_allowed()).str() + "\n"};
  }
  if (path == "/api/v1/locks") return locks(request);
  if (path == "/api/v1/history") return {.body = hub_.history_json() + "\n"};
  if (path == "/api/v1/doctor") return {.body = hub_.doctor_json() + "\n"};
  if (path == "/api/v1/elections") return {.body = hub_.elections_json() + "\n"};
  if (path == "/api/v1/gates") return {.body = hub_.gates_json() + "\n"};
  if (path == "/api/v1/events") return events();
  if (const auto name = rest_of("/api/v1/locks/")) return lock(*name);
  if (const auto name = rest_of("/leader/")) return leader(*name);
  return problem(404, "there is nothing here: docs/operations.md lists the paths");
}

HttpAnswer Api::health() const {
  const auto snapshot = hub_.latest();
  if (!snapshot->problem.empty()) return plain(503, snapshot->problem);
  return snapshot->sweeps > 0 ? plain(200, "ok") : plain(503, "the store is not read yet");
}

HttpAnswer Api::locks(const HttpRequest& request) const {
  ListingOptions options;
  options.filter = request.parameter("filter").value_or("");
  if (const auto sort = request.parameter("sort")) {
    const auto key = sort_key_of(*sort);
    if (!key) return problem(400, "sort is waiters, longest, held, ttl, handoffs or name");
    options.sort = *key;
  }
  auto limit = default_limit;
  if (const auto text = request.parameter("limit")) {
    const auto number = number_of(*text);
    if (!number || *number > max_limit) return problem(400, "limit is a number up to 10000");
    limit = *number;
  }
  const auto snapshot = hub_.latest();
  const auto now = runtime::boot_now();
  auto rows = list_rows(*snapshot, options, now);
  if (rows.size() > limit) rows.resize(limit);
  return {.body = snapshot_json(*snapshot, rows, now) + "\n"};
}

HttpAnswer Api::lock(const std::string& name) {
  hub_.watch(name);
  const auto snapshot = hub_.latest();
  const auto found =
      std::ranges::find(snapshot->locks, name, [](const auto& one) { return one->info.name; });
  if (found == snapshot->locks.end()) return problem(404, "nobody holds that lock or waits for it");
  return {.body = seen_lock_json(*snapshot, **found, runtime::boot_now()) + "\n"};
}

// A body that balancers ignore, and people read.
HttpAnswer Api::leader(const std::string& name) {
  const auto leader = hub_.leader(name);
  if (!leader) return problem(503, "nobody leads");
  return {.body = leader_json(*leader) + "\n"};
}

HttpAnswer Api::events() {
  auto next = [this, number = std::uint64_t{0}]() mutable -> std::optional<std::string> {
    const auto update = hub_.after(number, event_patience);
    number = update.number;
    if (!update.json) return ": nothing new\n\n";
    return "event: snapshot\ndata: " + *update.json + "\n\n";
  };
  return {.type = "text/event-stream", .stream = std::move(next)};
}

}  // namespace dlock::cli
