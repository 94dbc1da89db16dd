#include "support/checkout.hpp"

namespace dlock::test {

std::filesystem::path source_path(const char* name) {
  return std::filesystem::path{DLOCK_SOURCE_DIR} / name;
}

std::filesystem::path clock_shim() { return DLOCK_CLOCK_SHIM; }

}  // namespace dlock::test
