#define INF_ uintBitsToFloat(0x7F800000u)
#define NAN_ uintBitsToFloat(0x7FC00000u)
