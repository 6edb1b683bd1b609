// Error values: a code, a message that grows outer context on the way up, and the source line that
// made it. A status is a pointer: NULL is success, anything else is owned by whoever holds it and
// must be destroyed, returned, or turned into a Lua error.
#ifndef MVGRAPH_BASE_STATUS_H_
#define MVGRAPH_BASE_STATUS_H_

#include <stdarg.h>

typedef enum {
  MVG_OK = 0,
  MVG_INVALID_ARGUMENT,    // the caller's value is wrong: shape, option, script
  MVG_NOT_FOUND,           // a file, device or name does not exist
  MVG_OUT_OF_MEMORY,       // host or device allocation failed
  MVG_UNSUPPORTED,         // the device or this build cannot do it
  MVG_FAILED_PRECONDITION, // right call, wrong time or state
  MVG_DEVICE_LOST,         // the driver gave up
  MVG_IO,                  // reading or writing failed
  MVG_INTERNAL,            // a fault of the engine itself
} mvg_code;

typedef struct mvg_status_record *mvg_status;

#define MVG_MUST_USE __attribute__((warn_unused_result))
#define MVG_PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))

// Makes a failure. Returns a static out-of-memory status when it cannot allocate.
mvg_status mvg_status_make(mvg_code code, const char *file, int line, const char *format, ...)
    MVG_PRINTF(4, 5);
#define MVG_ERROR(code, ...) mvg_status_make((code), __FILE__, __LINE__, __VA_ARGS__)

// Prefixes context ("while planning graph 'train'") to a failure; success passes through.
mvg_status mvg_status_annotate(mvg_status status, const char *format, ...) MVG_PRINTF(2, 3);

// Keeps the first failure of the two and destroys the other.
mvg_status mvg_status_join(mvg_status first, mvg_status second);

void mvg_status_destroy(mvg_status status);
mvg_code mvg_status_get_code(mvg_status status);
const char *mvg_status_get_message(mvg_status status);  // borrowed; "ok" for success
const char *mvg_status_get_location(mvg_status status); // "file.c:12", for debug output
const char *mvg_code_get_name(mvg_code code);

#define MVG_RETURN_IF_ERROR(expression)                                                            \
  do {                                                                                             \
    mvg_status mvg_status_local_ = (expression);                                                   \
    if (mvg_status_local_) return mvg_status_local_;                                               \
  } while (0)

#endif // MVGRAPH_BASE_STATUS_H_
