// Letters for drawing on pictures: 5 by 7 dots each, printable ASCII.
#ifndef MVGRAPH_DATA_FONT_H_
#define MVGRAPH_DATA_FONT_H_

#include <stdint.h>

enum { MVG_FONT_WIDTH = 5, MVG_FONT_HEIGHT = 7, MVG_FONT_ADVANCE = 6, MVG_FONT_LINE = 9 };

// MVG_FONT_HEIGHT rows from the top; bit 4 is the leftmost dot. A box for characters that have no
// letter.
const uint8_t *mvg_font_get_rows(unsigned char character);

// Rows by which a letter hangs below the line: 1 for g, j, p, q and y.
int mvg_font_get_drop(unsigned char character);

#endif // MVGRAPH_DATA_FONT_H_
