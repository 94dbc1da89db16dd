// RawTerminal: the controlling terminal as a full screen: each key at once, no echo.
#pragma once

#include <termios.h>

#include <string>
#include <string_view>

#include "runtime/descriptor.hpp"

namespace dlock::runtime {

struct TerminalSize {
  int columns = 80;
  int rows = 24;
};
/// Returns 80 by 24 if it is no terminal, or does not know.
[[nodiscard]] TerminalSize terminal_size(int fd) noexcept;

/// Opens a description of the terminal of its own, which does not block: nobody else notices.
class RawTerminal {
 public:
  /// Opens the terminal and leaves it as it is. Throws `std::system_error` if there is none.
  RawTerminal();
  /// Leaves the full screen.
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

  /// Switches to the full screen: another buffer, without a cursor. Remembers the modes. False: the
  /// terminal is gone.
  bool enter() noexcept;
  /// Switches back, and restores the modes. May be called again.
  void leave() noexcept;

  /// Whether the terminal gives its keys to this process's group.
  [[nodiscard]] bool is_foreground() const noexcept;
  [[nodiscard]] TerminalSize size() const noexcept { return terminal_size(fd_.get()); }
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

  /// Appends the keys that were pressed. False: the terminal is gone.
  [[nodiscard]] bool read(std::string& keys) noexcept;
  /// Writes all of `text`, or a part of it if `wake` becomes readable while the terminal takes no
  /// more. False: the terminal is gone.
  [[nodiscard]] bool write(std::string_view text, int wake) noexcept;

 private:
  Descriptor fd_;
  termios before_{};
  bool is_raw_ = false;
};

}  // namespace dlock::runtime
