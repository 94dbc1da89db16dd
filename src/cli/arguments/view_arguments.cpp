// The arguments of the live views: top and serve.
#include <CLI/CLI.hpp>
#include <charconv>

#include "cli/arguments/options.hpp"
#include "cli/arguments/parsers.hpp"

namespace dlock::cli {

namespace {

// ADDRESS, ADDRESS:PORT or [IPV6]:PORT.
void take_address(const std::string& text, ServeArguments& serve) {
  const auto colon = text.rfind(':');
  const bool is_bare_v6 = text.find(':') != colon && !text.starts_with('[');
  auto host = is_bare_v6 ? text : text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (colon != std::string::npos && !is_bare_v6) {
    const auto* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data() + colon + 1, end, serve.port);
    if (error != std::errc{} || rest != end) {
      throw WrongUsage("serve", "--listen is ADDRESS or ADDRESS:PORT, as 127.0.0.1:8650");
    }
  }
  if (!host.empty()) serve.host = host;
}

}  // namespace

Arguments parse_top(Words words) {
  TopArguments top;
  CLI::App app{"", "top"};
  add_store(app, top.store);
  app.add_option("PATTERN", top.pattern);
  app.add_option("--filter", top.filter);
  app.add_option("--sort", top.sort)
      ->check(CLI::IsMember({"waiters", "longest", "held", "ttl", "handoffs", "name"}));
  app.add_flag("--reverse", top.reverse);
  auto* once = app.add_flag("--once", top.once);
  app.add_flag("--json", top.json)->needs(once);
  add_duration(app, "--interval", top.interval);
  app.add_option("--max-commands", top.max_commands)
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{100'000}));
  parse(app, words, top.store);
  if (top.interval < std::chrono::milliseconds{100} || top.interval > std::chrono::hours{1}) {
    throw WrongUsage("top", "--interval is from 100ms to 1h");
  }
  return top;
}

Arguments parse_serve(Words words) {
  ServeArguments serve;
  std::string address;
  CLI::App app{"", "serve"};
  add_store(app, serve.store);
  app.add_option("PATTERN", serve.pattern);
  app.add_option("--listen", address);
  app.add_option("--allow-host", serve.allowed_hosts)->allow_extra_args(false);
  app.add_option("--metrics-lock", serve.metrics_patterns)->allow_extra_args(false);
  app.add_option("--allow-break", serve.token_file);
  app.add_option("--metrics-busiest", serve.busiest)
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1'000}));
  app.add_option("--max-commands", serve.max_commands)
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{100'000}));
  parse(app, words, serve.store);
  take_address(address, serve);
  return serve;
}

}  // namespace dlock::cli
