// The program behind `dlock serve`. It is one of its own, so that no other command loads the
// libraries of an HTTP server.
#include <exception>
#include <string>
#include <variant>
#include <vector>

#include "cli/arguments/arguments.hpp"
#include "cli/serve/serve.hpp"
#include "cli/supervision/descriptor.hpp"
#include "cli/text/exit_code.hpp"
#include "cli/text/message.hpp"
#include "dlock/error.hpp"

int main(int count, char** words) {
  using namespace dlock::cli;
  const InheritedDescriptors descriptors;
  std::vector<std::string> arguments{"serve"};
  arguments.insert(arguments.end(), words + (count > 0 ? 1 : 0), words + count);
  try {
    const auto parsed = parse_arguments(arguments);
    const auto* const serving = std::get_if<ServeArguments>(&parsed);
    if (serving != nullptr) return serve(*serving);
    complain("run 'dlock serve' instead");
    return exit_usage;
  } catch (const WrongUsage& wrong) {
    complain("{}", wrong.what());
    return exit_usage;
  } catch (const dlock::UsageError& error) {
    complain("{}", error.what());
    return exit_usage;
  } catch (const dlock::Error& error) {
    complain("{}", error.what());
    return exit_unavailable;
  } catch (const std::exception& error) {
    complain("{}", error.what());
    return exit_os_error;
  }
}
