// Skips that TAP readers see; what cmocka's own skip() prints is read as a failure.
#ifndef MVGRAPH_TESTS_SUPPORT_SKIP_H_
#define MVGRAPH_TESTS_SUPPORT_SKIP_H_

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "device/device.h"

#define SKIPPED_NAME_SIZE 192

static inline void skip_do_nothing(void **state) {
  (void)state;
}

// Makes `test` do nothing under a name, kept in `name`, that ends in TAP's directive.
static inline void mark_skipped(struct CMUnitTest *test, char name[SKIPPED_NAME_SIZE],
                                const char *reason) {
  snprintf(name, SKIPPED_NAME_SIZE, "%s # SKIP %s", test->name, reason);
  *test = (struct CMUnitTest){.name = name, .test_func = skip_do_nothing};
}

// Whether there is a device beside the null device, which is always listed.
static inline bool has_real_device(void) {
  mvg_device_info *infos = NULL;
  size_t count = 0;
  mvg_status status = mvg_device_list(&infos, &count, NULL);
  mvg_status_destroy(status);
  mvg_free(infos);
  return count > 1;
}

#endif // MVGRAPH_TESTS_SUPPORT_SKIP_H_
