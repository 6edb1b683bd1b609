// Tests that the Vulkan validation layers watch: any warning or error of theirs fails the test that
// caused it.
#ifndef MVGRAPH_TESTS_SUPPORT_VALIDATION_H_
#define MVGRAPH_TESTS_SUPPORT_VALIDATION_H_

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "device/device.h"

// True if devices are opened under the layers.
static inline bool are_layers_on(void) {
  mvg_device_info *infos = NULL;
  size_t count = 0;
  mvg_status status = mvg_device_list(&infos, &count, NULL);
  const bool is_on = !status && infos[0].caps.is_validated;
  mvg_status_destroy(status);
  mvg_free(infos);
  return is_on;
}

// Prints a plan that skips everything where MVGRAPH_VALIDATION asks for layers that are not there.
static inline bool skips_without_layers(void) {
  const char *wanted = getenv("MVGRAPH_VALIDATION");
  if (!wanted || *wanted != '1' || are_layers_on()) return false;
  printf("1..0 # SKIP no validation layers (package vulkan-validationlayers)\n");
  return true;
}

// True if the layers have spoken since the last call.
static inline bool have_layers_spoken(void) {
  static uint64_t seen;
  uint64_t before = seen;
  seen = mvg_validation_get_count();
  return seen != before;
}

// A teardown: the messages are on standard error.
static inline int expect_silence(void **state) {
  (void)state;
  return have_layers_spoken() ? -1 : 0;
}

#endif // MVGRAPH_TESTS_SUPPORT_VALIDATION_H_
