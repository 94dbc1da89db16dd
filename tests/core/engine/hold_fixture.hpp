// HoldTest: a lease that began at 0 ms, with literal instants.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "core/engine/hold.hpp"

namespace dlock::core {

/// A ttl of 30 s, of which 302 ms are drift and the last second is safety margin: valid until
/// 29698 ms, lost at 28698 ms.
class HoldTest : public testing::Test {
 protected:
  static Instant at(Duration when) { return Instant{} + std::chrono::hours{1} + when; }

  Hold hold(Hold::Terms terms = {.ttl = std::chrono::seconds{30},
                                 .safety_margin = std::chrono::seconds{1}},
            double jitter = 0) {
    return {record, terms, valid_until(at({}), terms.ttl, Drift{}), terms.ttl, Drift{}, jitter};
  }

  std::shared_ptr<LeaseRecord> record = std::make_shared<LeaseRecord>();
};

}  // namespace dlock::core
