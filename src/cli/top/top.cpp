// dlock top: a loop of snapshots, keys and signals, and a frame for each.
#include "cli/top/top.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "cli/supervision/signals.hpp"
#include "cli/survey/sampler.hpp"
#include "cli/survey/snapshot_json.hpp"
#include "cli/text/exit_code.hpp"
#include "cli/text/message.hpp"
#include "cli/text/output.hpp"
#include "cli/top/screen.hpp"
#include "dlock/client.hpp"
#include "runtime/raw_terminal.hpp"

namespace dlock::cli {

namespace {

using runtime::RawTerminal;

constexpr std::size_t unlimited = 100'000;  // columns, of what is no terminal
constexpr std::uint64_t looks_of_once = 4;  // hand-offs need more than one

ListingOptions listing_of(const TopArguments& arguments) {
  return {.sort = sort_key_of(arguments.sort).value_or(SortKey::waiters),
          .reversed = arguments.reverse,
          .filter = arguments.filter};
}

SamplerOptions sampler_options(const TopArguments& arguments) {
  return {.pattern = arguments.pattern,
          .max_commands = static_cast<double>(arguments.max_commands),
          .interval = arguments.interval};
}

// The full screen, until the user quits or a signal ends dlock.
class LiveTop {
 public:
  LiveTop(const TopArguments& arguments, Signals& signals, const Client& client, Sampler& sampler)
      : interval_(arguments.interval),
        signals_(signals),
        url_(client.url()),
        sampler_(sampler),
        colour_(may_colour(STDOUT_FILENO)) {
    view_.listing = listing_of(arguments);
  }

  int run() {
    if (!enter()) return exit_output;
    while (!status_) {
      if (!show() || !wait()) return exit_output;
    }
    terminal_.leave();
    if (signal_ != 0) signals_.obey(signal_);
    return *status_;
  }

 private:
  bool enter() {
    while (!terminal_.is_foreground())
      signals_.obey(SIGTTOU);  // stops it, as a job in the background
    return terminal_.enter();
  }

  template <class Use>
  auto with_scene(Use use) {
    const auto snapshot = sampler_.latest();
    const auto now = runtime::boot_now();
    const auto rows = list_rows(*snapshot, view_.listing, now);
    const auto [columns, lines] = terminal_.size();
    return use(Scene{*snapshot,
                     rows,
                     url_,
                     {static_cast<std::size_t>(columns), static_cast<std::size_t>(lines)},
                     now});
  }

  bool show() {
    const auto frame = with_scene([this](const Scene& scene) {
      auto lines = draw(view_, scene);
      sampler_.focus(names_on_screen(view_, scene));
      return for_terminal(lines, scene.extent.columns, colour_);
    });
    return terminal_.write(frame, signals_.fd());
  }

  // Until the next frame is due, or something has happened.
  bool wait() {
    std::array<pollfd, 2> ready{{{terminal_.fd(), POLLIN, 0}, {signals_.fd(), POLLIN, 0}}};
    if (::poll(ready.data(), ready.size(), static_cast<int>(interval_.count())) <= 0) return true;
    if (ready[1].revents != 0) take_signals();
    return status_ || ready[0].revents == 0 || take_input();
  }

  bool take_input() {
    if (!terminal_.read(input_)) return false;
    for (const auto& press : take_keys(input_)) {
      if (press.key == Key::suspend && !view_.is_typing) {
        terminal_.leave();
        stop_job();
        if (!enter()) return false;
      } else if (!with_scene([&](const Scene& scene) { return obey(view_, press, scene); })) {
        status_ = 0;
      }
    }
    return true;
  }

  void take_signals() {
    while (const auto signal = signals_.take()) {
      if (is_ending(signal->number)) {
        signal_ = signal->number;
        status_ = exit_signal + signal->number;
      } else if (signal->number == SIGTSTP) {
        terminal_.leave();
        signals_.obey(SIGTSTP);
        if (!enter()) status_ = exit_output;
      } else if (signal->number == SIGCONT && !enter()) {  // somebody may have changed the modes
        status_ = exit_output;
      }
    }
  }

  const std::chrono::milliseconds interval_;
  Signals& signals_;
  const std::string url_;
  Sampler& sampler_;
  const bool colour_;
  RawTerminal terminal_;
  View view_;
  std::string input_;
  int signal_ = 0;
  std::optional<int> status_;
};

int print_once(const TopArguments& arguments) {
  Client client = connect(arguments.store);
  Sampler sampler{client, sampler_options(arguments)};
  const auto listing = listing_of(arguments);
  sampler.await_sweeps(1);
  std::vector<std::string> names;
  for (const auto& row : list_rows(*sampler.latest(), listing, runtime::boot_now())) {
    if (names.size() < max_focus) names.push_back(row.lock->info.name);
  }
  sampler.focus(std::move(names));
  sampler.await_looks(looks_of_once);

  const auto snapshot = sampler.latest();
  const auto now = runtime::boot_now();
  const auto rows = list_rows(*snapshot, listing, now);
  if (arguments.json) return print(snapshot_json(*snapshot, rows, now) + "\n");
  const bool is_terminal = ::isatty(STDOUT_FILENO) == 1;
  const std::size_t width =
      is_terminal ? static_cast<std::size_t>(runtime::terminal_size(STDOUT_FILENO).columns)
                  : unlimited;
  return print(list_text({*snapshot, rows, client.url(), {width, 0}, now}));
}

}  // namespace

int top(const TopArguments& arguments) {
  if (arguments.once) return print_once(arguments);
  if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDOUT_FILENO) != 1) {
    complain("top: stdin and stdout are not a terminal: --once prints the locks once");
    return exit_usage;
  }
  Signals signals;  // before any thread
  Client client = connect(arguments.store);
  Sampler sampler{client, sampler_options(arguments)};
  sampler.await_answer();
  return LiveTop{arguments, signals, client, sampler}.run();
}

}  // namespace dlock::cli
