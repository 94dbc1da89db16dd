// A history carried out on a real server and on the model side by side.
#pragma once

#include <rapidcheck.h>

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "script/operation.hpp"
#include "script/store.hpp"

namespace dlock::test {

std::ostream& operator<<(std::ostream& out, const LockState& state);
std::ostream& operator<<(std::ostream& out, const GateState& state);

template <class Value>
void same(const char* what, const Value& model, const Value& real) {
  if (!(model == real)) {
    std::ostringstream text;
    text << what << " differs\n  model: " << model << "\n  real:  " << real;
    RC_FAIL(text.str());
  }
}

/// Both sides, who listens, and what happens to both whatever the kind of lock.
class Comparison {
 public:
  explicit Comparison(Store& store);

  void carry_out(const Subscribe& op);
  void carry_out(const ForeignSet& op);
  void carry_out(const Drop& op);
  void carry_out(const WrongType& op);
  void carry_out(const MayPublish& op);
  void carry_out(const Advance& op);

 protected:
  void reset();
  [[nodiscard]] Micros now() { return store_.clock().now(); }
  /// Compares replies, but for how servers word their errors.
  static void replies(std::string model, std::string real);
  /// Pushes and state.
  void compare();
  void compare_pushes();

  Store& store_;
  StoreModel model_;

 private:
  int publish(std::string_view channel, std::string_view message);

  std::array<std::unique_ptr<Subscriber>, client_count> ears_;
  std::array<std::vector<std::string>, client_count> pushes_;
  bool model_may_publish_ = true;
};

/// Checks that `run` succeeds for many random histories. DLOCK_SEEDS sets their number; RC_PARAMS
/// is RapidCheck's own: a failure prints the value that repeats it.
void check_histories(const std::function<void()>& run);

}  // namespace dlock::test
