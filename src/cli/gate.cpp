// dlock latch and dlock barrier.
#include "cli/gate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "cli/supervision/signals.hpp"
#include "cli/text/duration.hpp"
#include "cli/text/lock_text.hpp"
#include "cli/text/message.hpp"
#include "cli/text/output.hpp"
#include "cli/text/text.hpp"
#include "cli/waiting.hpp"
#include "dlock/barrier.hpp"
#include "dlock/client.hpp"
#include "dlock/inspect.hpp"
#include "dlock/latch.hpp"
#include "inspect/lock_json.hpp"

namespace dlock::cli {

namespace {

using detail::barrier_json;
using detail::latch_json;

ClientOptions client_options(const WaitArguments& arguments) {
  ClientOptions options;
  // The wait at the gate is also one for a server that is not there yet.
  if (arguments.wait) options.patience = std::max(options.patience, Span{*arguments.wait});
  return options;
}

// `open` waits for the time it is given (none: no limit) and returns whether the gate opened.
template <class Open>
int wait_at(Client& client, Signals& signals, const WaitArguments& arguments, std::string_view what,
            Open open) {
  const Acquire pass = [&open](auto limit, std::stop_token stop) -> std::optional<Held> {
    // A gate has no leases.
    return open(limit, std::move(stop)) ? std::optional{Held{Leases{}}} : std::nullopt;
  };
  const auto waited = wait_for_locks(client, {}, pass, arguments.wait, false, signals);
  if (waited.signal) return exit_signal + *waited.signal;
  if (waited.held) return 0;
  complain("the {} {} did not open within {}", what, in_quotes(arguments.name),
           format_duration(*arguments.wait));
  return exit_not_obtained;
}

// `gate` is none if the server does not have it.
template <class Info>
int show(const std::optional<Info>& gate, const WaitArguments& arguments, std::string_view what,
         std::string (*json)(const Info&), std::string (*details)(const Info&)) {
  if (!gate) {
    complain("there is no {} {}: nobody has used it recently", what, in_quotes(arguments.name));
    return exit_not_obtained;
  }
  return print(arguments.json ? json(*gate) + "\n" : details(*gate));
}

}  // namespace

int pass(const LatchArguments& arguments) {
  Signals signals;  // before the client starts threads
  Client client = connect(arguments.store, client_options(arguments));
  if (arguments.show) {
    return show(inspect_latch(client, arguments.name), arguments, "latch", latch_json,
                latch_details);
  }
  warn_of_fallback(arguments.store, "the latch " + in_quotes(arguments.name));
  Latch latch{client, arguments.name, arguments.count, {.keep = arguments.keep}};
  if (arguments.down) {
    latch.count_down(arguments.by);
    return 0;
  }
  return wait_at(client, signals, arguments, "latch", [&](auto limit, std::stop_token stop) {
    if (limit) return latch.wait_for(*limit, std::move(stop));
    latch.wait(std::move(stop));
    return true;
  });
}

int pass(const BarrierArguments& arguments) {
  Signals signals;  // before the client starts threads
  Client client = connect(arguments.store, client_options(arguments));
  if (arguments.show) {
    return show(inspect_barrier(client, arguments.name), arguments, "barrier", barrier_json,
                barrier_details);
  }
  warn_of_fallback(arguments.store, "the barrier " + in_quotes(arguments.name));
  Barrier barrier{client, arguments.name, arguments.parties};
  if (arguments.reset) {
    barrier.reset();
    return 0;
  }
  return wait_at(client, signals, arguments, "barrier", [&](auto limit, std::stop_token stop) {
    if (limit) return barrier.arrive_and_wait_for(*limit, std::move(stop));
    barrier.arrive_and_wait(std::move(stop));
    return true;
  });
}

}  // namespace dlock::cli
