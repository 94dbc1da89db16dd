// Which requests `dlock serve` answers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/serve/http_server.hpp"

namespace dlock::cli {

/// Whether a request with this `Host` may be answered. A page of another site could make its own
/// name point to this machine, and then read the answers; so a name must be `localhost` or an
/// allowed one. No such page has an address in the place of a name.
[[nodiscard]] bool is_host_allowed(std::string_view host, const std::vector<std::string>& allowed);

/// Whether no page of another site can have sent the request: what a browser says about its origin
/// is this server, or it says nothing.
[[nodiscard]] bool is_from_here(const HttpRequest& request);

/// Returns an answer that refuses the request; status 0 if it may be answered. `may_post`: the path
/// takes a POST.
[[nodiscard]] HttpAnswer refusal_of(const HttpRequest& request,
                                    const std::vector<std::string>& allowed_hosts, bool may_post);

}  // namespace dlock::cli
