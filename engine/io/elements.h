// Elements of arrays as other programs store them: any width, either byte order, any strides.
#ifndef MVGRAPH_IO_ELEMENTS_H_
#define MVGRAPH_IO_ELEMENTS_H_

#include <stddef.h>

#include "base/status.h"
#include "graph/ndarray.h"

typedef struct {
  char kind;       // 'f' float, 'e' bfloat16, 'i' signed, 'u' unsigned, 'b' boolean
  uint32_t size;   // bytes of one element
  bool is_swapped; // stored in the other byte order
  mvg_dtype
      dtype; // of the array made from them: floats f32, booleans and u1 u8, other integers i32
} mvg_element;

// NumPy's spelling: "<f8", ">i4", "|u1", "|b1"; "<e2" is bfloat16. UNSUPPORTED for what has no
// place in an array here (text, records, complex numbers, objects).
mvg_status mvg_element_parse(const char *text, mvg_element *out_element) MVG_MUST_USE;

typedef struct {
  const void *bytes;
  size_t size_bytes;
  uint64_t offset; // of the first element, in bytes
  mvg_shape shape;
  int64_t strides[MVG_MAX_RANK]; // in elements, from row to row of each axis; none negative
} mvg_element_layout;

// A dense copy; the largest u4 and u8 become -1, as tables write "none". Fails when the layout
// leaves the bytes, when an integer does not fit 32 bits, or when a file of `size_bytes` cannot
// hold as many elements as the array gets (a stride of 0 would make much of little).
mvg_status mvg_elements_read(const mvg_element *element, const mvg_element_layout *layout,
                             mvg_ndarray **out_array) MVG_MUST_USE;

#endif // MVGRAPH_IO_ELEMENTS_H_
