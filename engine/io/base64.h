// Bytes as text that a page or a JSON file can carry.
#ifndef MVGRAPH_IO_BASE64_H_
#define MVGRAPH_IO_BASE64_H_

#include <stdbool.h>
#include <stddef.h>

// Characters that `size` bytes become, and a terminating zero.
size_t mvg_base64_get_capacity(size_t size);

// Fills `out_text` of that capacity. False: more bytes than FFmpeg's encoder takes (1.5 GB).
bool mvg_base64_encode(const void *bytes, size_t size, char *out_text);

#endif // MVGRAPH_IO_BASE64_H_
