// dlock serve: shows a store to people and programs, over HTTP.
#include "cli/serve/serve.hpp"

#include <fmt/format.h>
#include <poll.h>

#include "cli/serve/api.hpp"
#include "cli/serve/breaker.hpp"
#include "cli/serve/http_server.hpp"
#include "cli/serve/hub.hpp"
#include "cli/supervision/process_tree.hpp"
#include "cli/supervision/signals.hpp"
#include "cli/survey/sampler.hpp"
#include "cli/text/exit_code.hpp"
#include "cli/text/message.hpp"
#include "cli/text/output.hpp"
#include "dlock/client.hpp"

namespace dlock::cli {

namespace {

// Waits for a signal that ends dlock.
void await_end(Signals& signals) {
  for (;;) {
    pollfd ready{signals.fd(), POLLIN, 0};
    ::poll(&ready, 1, -1);
    while (const auto signal = signals.take()) {
      if (is_ending(signal->number)) return;
      if (signal->number == SIGTSTP) signals.obey(SIGTSTP);
      if (signal->number == SIGCHLD && is_first_process()) collect_orphans({});
    }
  }
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace

int serve(const ServeArguments& arguments) {
  Signals signals;  // before any thread
  Client client = connect(arguments.store);
  Sampler sampler{
      client,
      {.pattern = arguments.pattern, .max_commands = static_cast<double>(arguments.max_commands)}};
  Hub hub{client, sampler};
  Breaker breaker{client, arguments.token_file.empty() ? "" : read_token(arguments.token_file)};
  Api api{hub,
          breaker,
          {.busiest = static_cast<std::size_t>(arguments.busiest),
           .patterns = arguments.metrics_patterns},
          arguments.allowed_hosts};
  HttpServer server{[&api](const HttpRequest& request) { return api.answer(request); }};
  const auto port = server.bind(arguments.host, arguments.port);
  if (!port) {
    complain("cannot listen on {}:{}: another program does, or the address is not this machine's",
             arguments.host, arguments.port);
    return exit_unavailable;
  }
  server.start();
  if (!is_loopback(arguments.host)) {
    note("whoever can reach {} can see the locks; put a proxy with a login before it",
         arguments.host);
  }
  const bool is_v6 = arguments.host.find(':') != std::string::npos;
  const int printed =
      print(fmt::format("serving {} on http://{}:{}/\n", client.url(),
                        is_v6 ? "[" + arguments.host + "]" : arguments.host, *port));
  if (printed == 0) await_end(signals);
  server.stop();
  return printed;
}

}  // namespace dlock::cli
