// Command line: verbs and flags only; everything else lives in the engine library.
#include <stdio.h>

int main(void) {
  puts("mvgraph");
  return 0;
}
