/** @file
 * Marks what the shared library shows. For C and C++. */
#ifndef DLOCK_EXPORT_H
#define DLOCK_EXPORT_H

/** Shown by the shared library. */
#define DLOCK_API __attribute__((visibility("default")))

#endif
