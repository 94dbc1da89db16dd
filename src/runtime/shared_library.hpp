// A library that is loaded while the program runs, if the system has it.
#pragma once

#include <string>

namespace dlock::runtime {

/// Stays loaded until the program ends: what it made may live as long.
class SharedLibrary {
 public:
  /// Looks where the system's loader looks. Null stands for the program itself, with the libraries
  /// that were loaded with it.
  explicit SharedLibrary(const char* name) noexcept;

  /// Whether it was found.
  [[nodiscard]] explicit operator bool() const noexcept { return handle_ != nullptr; }
  /// A function of it, or of a library that it loaded; null: there is none.
  [[nodiscard]] void* find(const char* function) const noexcept;
  /// Why the latest call of this thread failed, in the loader's words.
  [[nodiscard]] static std::string problem();

 private:
  void* const handle_;
};

}  // namespace dlock::runtime
