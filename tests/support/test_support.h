// What every C unit test starts from: cmocka in the order it wants its headers, and status helpers.
#ifndef MVGRAPH_TESTS_SUPPORT_TEST_SUPPORT_H_
#define MVGRAPH_TESTS_SUPPORT_TEST_SUPPORT_H_

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/status.h"

// Fails the test with the status' message.
#define assert_ok(expression)                                                                      \
  do {                                                                                             \
    mvg_status ok_status_ = (expression);                                                          \
    if (ok_status_) fail_msg("%s: %s", #expression, mvg_status_get_message(ok_status_));           \
  } while (0)

// Fails unless the expression fails with `code` and a message that contains `text`.
#define assert_fails(expression, code, text)                                                       \
  do {                                                                                             \
    mvg_status failed_status_ = (expression);                                                      \
    if (!failed_status_) fail_msg("%s: expected a failure about \"%s\"", #expression, (text));     \
    if (mvg_status_get_code(failed_status_) != (code) ||                                           \
        !strstr(mvg_status_get_message(failed_status_), (text))) {                                 \
      fail_msg("%s: expected \"%s\", got \"%s\"", #expression, (text),                             \
               mvg_status_get_message(failed_status_));                                            \
    }                                                                                              \
    mvg_status_destroy(failed_status_);                                                            \
  } while (0)

#endif // MVGRAPH_TESTS_SUPPORT_TEST_SUPPORT_H_
