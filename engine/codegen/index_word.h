// Indices are reasoned about in 64 bits and computed in 32. Sums that become addresses may wrap on
// their way; what a division, a remainder or a comparison looks at may not.
#ifndef MVGRAPH_CODEGEN_INDEX_WORD_H_
#define MVGRAPH_CODEGEN_INDEX_WORD_H_

#include "passes/index.h"

// UNSUPPORTED where bounds of such an operand are known and leave 32 bits. `most` is the largest
// dividend of those that are never negative: INT32_MAX or UINT32_MAX.
mvg_status mvg_index_check_operands(const mvg_index *index, int64_t most) MVG_MUST_USE;

#endif // MVGRAPH_CODEGEN_INDEX_WORD_H_
