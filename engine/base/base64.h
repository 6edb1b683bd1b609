// Bytes as text and back: base64 of RFC 4648, with padding.
#ifndef MVGRAPH_BASE_BASE64_H_
#define MVGRAPH_BASE_BASE64_H_

#include <stdint.h>

#include "base/str.h"

void mvg_base64_append(mvg_str *out, const void *bytes, size_t size_bytes);

// Reads exactly `size_bytes` bytes from the front of `text`. Returns how many characters these
// take, padding included; 0 when there is something else before their end, or none are wanted.
size_t mvg_base64_read(const char *text, void *out_bytes, size_t size_bytes);

#endif // MVGRAPH_BASE_BASE64_H_
