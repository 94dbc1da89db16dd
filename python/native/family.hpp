// The rest of the family: what is more than one source of leases.
#pragma once

#include <nanobind/nanobind.h>

namespace dlock::python {

/// Adds the classes and functions to the module.
void add_family(nanobind::module_& m);

/// The same of looking at locks from outside, and of what only tests need.
void add_inspection(nanobind::module_& m);

/// The same of the client and what it tells of itself.
void add_client(nanobind::module_& m);

}  // namespace dlock::python
