// Checksums of files that were changed: of the chunks of a PNG, and of the stored entries of a ZIP
// archive.
#ifndef MVGRAPH_TESTS_FUZZ_CHECKSUMS_H_
#define MVGRAPH_TESTS_FUZZ_CHECKSUMS_H_

#include <stddef.h>
#include <stdint.h>

// In place, as far as the file still makes sense. Other files stay as they are.
void repair_checksums(uint8_t *bytes, size_t size);

#endif // MVGRAPH_TESTS_FUZZ_CHECKSUMS_H_
