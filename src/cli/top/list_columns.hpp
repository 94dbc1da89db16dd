// ListColumns: the columns of the list of locks, fitted to a width.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "cli/survey/listing.hpp"

namespace dlock::cli {

/// Returns a number of hand-offs a second in at most five columns.
[[nodiscard]] std::string rate_text(double per_second);

/// The name and the holder share what the numbers leave; if that is too little, the less important
/// columns go.
class ListColumns {
 public:
  ListColumns(std::span<const Row> rows, std::size_t width);

  [[nodiscard]] std::string headings() const;
  [[nodiscard]] std::string line(const Row& row) const;

 private:
  std::size_t name_ = 0;     ///< columns
  std::size_t holder_ = 0;   ///< columns; 0: not shown
  std::size_t numbers_ = 0;  ///< how many of them are shown
};

}  // namespace dlock::cli
