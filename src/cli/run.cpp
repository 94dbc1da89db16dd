// dlock run and dlock elect: wait, start, supervise, release.
#include "cli/run.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "cli/supervision/command.hpp"
#include "cli/supervision/supervisor.hpp"
#include "cli/text/duration.hpp"
#include "cli/text/lock_text.hpp"
#include "cli/text/message.hpp"
#include "cli/text/text.hpp"
#include "cli/waiting.hpp"
#include "dlock/acquire_all.hpp"
#include "dlock/client.hpp"
#include "dlock/election.hpp"
#include "dlock/error.hpp"
#include "dlock/inspect.hpp"
#include "dlock/lease_source.hpp"
#include "dlock/once.hpp"
#include "dlock/semaphore.hpp"
#include "dlock/shared_mutex.hpp"
#include "runtime/boot_time.hpp"

namespace dlock::cli {

namespace {

ClientOptions client_options(const RunArguments& arguments) {
  ClientOptions options;
  options.label = arguments.label;
  // The wait for the lock is also one for a server that is not there yet.
  if (arguments.wait) options.patience = std::max(options.patience, Span{*arguments.wait});
  if (arguments.verbose) {
    options.log = [](LogLevel level, std::string_view text) {
      if (level != LogLevel::debug) note("{}", text);
    };
  }
  return options;
}

Held alone(Lease lease) {
  std::vector<Lease> one;
  one.push_back(std::move(lease));
  return Held{Leases{std::move(one)}};
}

Acquire from(const LeaseSource& source) {
  return [source](auto limit, const std::stop_token& stop) {
    return alone(limit ? source.acquire_within(*limit, stop) : source.acquire(stop));
  };
}

// Returns the function that acquires the locks of the requested kind.
Acquire acquisition(Client& client, const RunArguments& arguments) {
  LockOptions options{.ttl = arguments.ttl,
                      .renew = arguments.renew,
                      .min_replicas = arguments.min_replicas,
                      .replication_timeout = arguments.replication_timeout};
  const auto& name = arguments.names[0];
  switch (arguments.kind) {
    case RunKind::mutex:
      return [&client, &arguments, options](auto limit, const std::stop_token& stop) mutable {
        options.wait = limit;
        return Held{acquire_all(client, arguments.names, options, stop)};
      };
    case RunKind::once:
      return [&client, &arguments](auto, const std::stop_token&) -> std::optional<Held> {
        auto lease = begin_once(client, arguments.names[0],
                                {.at_least = arguments.at_least,
                                 .at_most = arguments.ttl,
                                 .min_replicas = arguments.min_replicas,
                                 .replication_timeout = arguments.replication_timeout});
        return lease ? std::optional{alone(std::move(*lease))} : std::nullopt;
      };
    case RunKind::semaphore:
      return from(Semaphore{client, name, arguments.permits, options}.permits(arguments.weight));
    case RunKind::reader:
      return from(SharedMutex{client, name, options}.reader());
    case RunKind::writer:
      return from(SharedMutex{client, name, options}.writer());
    case RunKind::leader: {
      const auto election = std::make_shared<Election>(client, name, options);
      return [election, &arguments](auto limit, std::stop_token stop) {
        const auto& value = arguments.value;
        return Held{limit ? election->campaign_within(*limit, value, std::move(stop))
                          : election->campaign(value, std::move(stop))};
      };
    }
  }
  std::abort();  // there is no other kind
}

// Lists the names for messages, with commas and "and".
std::string all_in_quotes(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    text += i == 0 ? "" : i + 1 < names.size() ? ", " : " and ";
    text += in_quotes(names[i]);
  }
  return text;
}

class Run {
 public:
  Run(const RunArguments& arguments, const InheritedDescriptors& descriptors)
      : arguments_(arguments),
        guard_{[this](std::span<const std::int64_t> fences) { give_back(fences); }},
        around_{descriptors, signals_, terminal_, guard_} {}

  int operator()() {
    Client client = connect(arguments_.store, client_options(arguments_));
    warn_of_fallback(arguments_.store, lock_);
    tell("the locks are at {}{}", client.url(),
         client.url().starts_with("local:") ? ", which only this machine uses" : "");
    auto waited = wait_for_locks(client, arguments_.names, acquisition(client, arguments_),
                                 arguments_.wait, arguments_.verbose, signals_, guard_.pid());
    if (!waited.held) return waited.signal ? give_up(*waited.signal) : not_obtained(waited.late);
    Held held = std::move(*waited.held);
    tell("obtained {} after {}, fence {}", lock_, format_duration(waited.took),
         held.leases()[0].fence());
    const int status = waited.signal ? give_up(*waited.signal) : use(client, held);
    return release(held) ? status : exit_lost;
  }

  /// Call it after the run. If Ctrl-C ended the wait or the command, ends dlock by SIGINT too, so
  /// that the user's shell sees it.
  void end_as_interrupted() const noexcept {
    if (interrupted_) die_of_interrupt(unseen_);
  }

 private:
  template <class... Values>
  void tell(fmt::format_string<Values...> format, Values&&... values) const {
    if (arguments_.verbose) note(format, std::forward<Values>(values)...);
  }

  // A signal asked dlock to end before it started the command.
  int give_up(int signal) {
    interrupted_ = signal == SIGINT && terminal_.is_ours();
    return exit_signal + signal;
  }

  int not_obtained(const std::optional<TimedOut>& late) const {
    if (arguments_.kind == RunKind::once) {
      note("not run: {} runs elsewhere, or ran less than {} ago", lock_,
           format_duration(arguments_.at_least));
    } else if (arguments_.verbose || ::isatty(STDERR_FILENO) == 1) {
      complain("could not obtain {}: {}", lock_, late ? why(*late) : "somebody else holds it");
    }
    return arguments_.conflict_exit_code;
  }

  // Who holds the lock: a person reads this, so dlock asks the server.
  std::string why(const TimedOut& late) const {
    const auto known = late.place() > 0
                           ? fmt::format("; dlock was number {} in its queue", late.place())
                           : std::string{};
    try {
      const auto info = late.inspect();
      const auto it = arguments_.names.size() > 1 ? in_quotes(info.name) : "it";
      if (!info.held) return it + " was held until a moment ago" + known;
      const auto others = info.waiters.size();
      return fmt::format("{} is held {}{}; {} {}", it, held_by(info), known, others,
                         others == 1 ? "other waits" : "others wait");
    } catch (const Error&) {
      return "somebody else holds it" + known;
    }
  }

  int use(const Client& client, const Held& held) {
    arm_guard(held.leases());
    guard_.set_deadline(runtime::boot_now() + held.valid_for());
    const auto started =
        start_command(arguments_.command, variables(client, held.leases()), around_);
    if (started.problem != 0) {
      complain("cannot run {}: {}", in_quotes(arguments_.command[0]),
               started.problem == ETIME ? "its lock had run out before it started"
                                        : std::strerror(started.problem));
      return exit_code_of_start(started.problem);
    }
    Supervisor supervisor{started.pid,
                          held,
                          signals_,
                          around_,
                          {.kill_after = arguments_.kill_after,
                           .lock = lock_,
                           .time_up = time_limit(),
                           .verbose = arguments_.verbose}};
    const auto ending = supervisor.run();
    interrupted_ = ending.interrupted;
    unseen_ = ending.unseen;
    lost_ = ending.lost;
    return ending.status;
  }

  std::vector<std::pair<std::string, std::string>> variables(const Client& client,
                                                             std::span<const Lease> leases) const {
    std::vector<std::pair<std::string, std::string>> all{
        {"DLOCK_TTL_MS", fmt::to_string(arguments_.ttl.count())}, {"DLOCK_URL", client.url()}};
    for (std::size_t i = 0; i < leases.size(); ++i) {
      all.emplace_back(numbered("DLOCK_NAME", i), leases[i].name());
      all.emplace_back(numbered("DLOCK_TOKEN", i), leases[i].token());
      all.emplace_back(numbered("DLOCK_FENCE", i), fmt::to_string(leases[i].fence()));
    }
    all.emplace_back("DLOCK_HELD", tokens_held(leases));
    return all;
  }

  // Returns the options that limit the time under the lock; nothing if dlock renews the lease.
  std::string time_limit() const {
    if (arguments_.kind == RunKind::once) return "--at-most " + format_duration(arguments_.ttl);
    return arguments_.renew ? "" : "--no-renew, --ttl " + format_duration(arguments_.ttl);
  }

  void arm_guard(std::span<const Lease> leases) {
    std::vector<std::int64_t> fences;
    // A job that runs once in a period keeps others out even if it dies.
    if (arguments_.kind != RunKind::once) {
      for (const auto& lease : leases) fences.push_back(lease.fence());
    }
    guard_.arm(leases[0].token(), fences);
  }

  // Runs in the guard's process when dlock and the command are gone.
  void give_back(std::span<const std::int64_t> fences) const {
    Client client = connect(arguments_.store);
    for (std::size_t i = 0; i < fences.size() && i < arguments_.names.size(); ++i) {
      (void)break_lock(client, arguments_.names[i], fences[i], std::chrono::milliseconds{200});
    }
  }

  // Returns the tokens of all leases that COMMAND keeps while it runs: those of outer runs, and
  // those of this run. The pid of the command that each belongs to stands behind it.
  static std::string tokens_held(std::span<const Lease> leases) {
    const char* const around = std::getenv("DLOCK_HELD");
    std::string tokens = around == nullptr ? "" : around;
    for (const auto& lease : leases) {
      if (!tokens.empty()) tokens += ' ';
      tokens += lease.token() + '@' + std::string{own_pid};
    }
    return tokens;
  }

  // Returns whether dlock held the lock until now. It trusts the lease if no server answers.
  bool release(Held& held) {
    try {
      held.release();
      tell("released {}", lock_);
    } catch (const LockLost& error) {
      if (!lost_) complain("lost the lock {}: {}", lock_, error.what());
      lost_ = true;
    } catch (const Error& error) {
      if (!lost_) complain("could not release {}: {}", lock_, error.what());
    }
    return !lost_;
  }

  const RunArguments& arguments_;
  const std::string lock_ = all_in_quotes(arguments_.names);
  Signals signals_;  // this and the guard exist before the client starts threads
  Guard guard_;
  Terminal terminal_;
  Surroundings around_;
  bool interrupted_ = false;
  bool unseen_ = false;
  bool lost_ = false;
};

}  // namespace

int run(const RunArguments& arguments, const InheritedDescriptors& descriptors) {
  Run one{arguments, descriptors};
  const int status = one();
  one.end_as_interrupted();
  return status;
}

}  // namespace dlock::cli
