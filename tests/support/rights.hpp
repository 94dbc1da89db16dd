// The minimal rights, as docs/protocol.md lists them, for servers under test.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace dlock::test {

/// The words of these lists that grant something; `PREFIX` stands for the start of all names.
[[nodiscard]] std::vector<std::string> documented_rights(
    std::initializer_list<std::string_view> names);

/// Whether the suite is to run with no right but the documented ones: DLOCK_TEST_ACL=1.
[[nodiscard]] bool rights_are_enforced();

/// Lines of redis.conf: a client without a user name has only these rights, the user `test` all.
[[nodiscard]] std::vector<std::string> config_of_rights();

}  // namespace dlock::test
