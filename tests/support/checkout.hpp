// Where the tests find what the build and the checkout hold. Only this file is compiled with paths:
// the others are the same in every checkout, and a compiler cache serves them all.
#pragma once

#include <filesystem>

namespace dlock::test {

/// A file or directory of the project.
[[nodiscard]] std::filesystem::path source_path(const char* name);

/// The library that freezes a server's clock.
[[nodiscard]] std::filesystem::path clock_shim();

}  // namespace dlock::test
