// Measures the tiles of a program's products on its device.
#ifndef MVGRAPH_PROGRAM_TUNE_H_
#define MVGRAPH_PROGRAM_TUNE_H_

#include "program/program.h"

typedef struct {
  int64_t shape[4];         // batch, m, n, k
  uint32_t uses;            // steps that run the product
  const char *normal, *won; // names of the default tile and of the fastest, static text
  double normal_ns, won_ns; // one product
  uint32_t refused;         // tiles whose results were not the default's
} mvg_tuning;

typedef struct mvg_tuner mvg_tuner;

// Finds the distinct products that the program's shaders compute.
mvg_status mvg_tuner_create(const mvg_program *program, mvg_tuner **out_tuner) MVG_MUST_USE;
void mvg_tuner_destroy(mvg_tuner *tuner);
uint32_t mvg_tuner_get_count(const mvg_tuner *tuner);

// Times every tile that fits on product `index` with made-up operands. A tile wins by being 3%
// faster than the default with the same results; programs made later take it. Another default is
// kept as none.
mvg_status mvg_tuner_measure(mvg_tuner *tuner, uint32_t index, mvg_tuning *out_tuning) MVG_MUST_USE;

#endif // MVGRAPH_PROGRAM_TUNE_H_
