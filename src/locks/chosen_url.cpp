// The URL of a client whose user may have given none.
#include "locks/chosen_url.hpp"

#include "core/wire/text.hpp"
#include "dlock/error.hpp"
#include "runtime/environment.hpp"

namespace dlock::detail {
namespace {

bool is_required() {
  const auto word = runtime::variable("DLOCK_REQUIRE_URL");
  if (!word) {
    return false;
  }
  if (const auto answer = runtime::yes_or_no(*word)) {
    return *answer;
  }
  throw_error(errc::usage,
              "DLOCK_REQUIRE_URL is \"" + core::escaped(*word) + "\": set it to 1 or 0");
}

}  // namespace

std::string chosen_url(std::string_view url) {
  if (!url.empty()) {
    return std::string{url};
  }
  if (url.data() != nullptr) {
    throw_error(errc::usage,
                "the URL is empty; is a variable not set? Give no URL to use DLOCK_URL, or local: "
                "for a private server on this machine");
  }
  if (auto from_environment = runtime::variable("DLOCK_URL")) {
    if (from_environment->empty()) {
      throw_error(errc::usage,
                  "DLOCK_URL is set, but empty: set it to the URL of a server, or to local: for a "
                  "private one on this machine, or unset it");
    }
    return *std::move(from_environment);
  }
  if (is_required()) {
    throw_error(errc::usage,
                "no URL says where the locks are, and DLOCK_REQUIRE_URL requires one: set "
                "DLOCK_URL, or pass a URL; local: is a private server on this machine");
  }
  return "local:";
}

}  // namespace dlock::detail
