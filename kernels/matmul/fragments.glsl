// Fragments of matrices that a subgroup holds together: FM x FK of a, FK x FN of b, FM x FN of sums. Operands have 16
// bits, sums 32. CLEAR makes a sum 0, LOAD_A and LOAD_B take operands from shared memory, MULTIPLY adds their product
// to a sum, and STORE_SUM puts it into `stage`. EACH is for loops over fragments.
#if MVG_HAS_MATRIX

#extension GL_NV_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require

// The ids tell codegen/spirv_matrix.c what the matrices with these rows are used for.
layout(constant_id = MVG_OPERAND_A) const uint ROWS_A = FM;
layout(constant_id = MVG_OPERAND_B) const uint ROWS_B = FK;
layout(constant_id = 2) const uint ROWS_SUM = FM;

#define fragment_a fcoopmatNV<16, gl_ScopeSubgroup, ROWS_A, FK>
#define fragment_b fcoopmatNV<16, gl_ScopeSubgroup, ROWS_B, FN>
#define fragment_sum fcoopmatNV<32, gl_ScopeSubgroup, ROWS_SUM, FN>

#define SUBGROUP gl_SubgroupID
#define LANE gl_SubgroupInvocationID
#define HAS_ALL_LANES (gl_NumSubgroups * SUBGROUP_SIZE == LOCAL_SIZE)

#define EACH [[unroll]]
#define CLEAR(sum) sum = fragment_sum(0.0)
#define LOAD_A(f, part, m, k) coopMatLoadNV(f, tile_a, (part) * PART_A + (k) * ROW_A + (m) / 4u, ROW_A, true)
#define LOAD_B(f, part, n, k) coopMatLoadNV(f, tile_b, (part) * PART_B + (k) * ROW_B + (n) / 4u, ROW_B, false)
#define MULTIPLY(sum, a, b) sum = coopMatMulAddNV(a, b, sum)
#define STORE_SUM(sum, at) coopMatStoreNV(sum, stage, at, FN, false)

#else // the same in plain arithmetic, so that every device can test what is built on it

struct fragment_a { uint at; };
struct fragment_b { uint at; };
struct fragment_sum { float x[FM * FN / SUBGROUP_SIZE]; };

#define SUBGROUP (gl_LocalInvocationIndex / SUBGROUP_SIZE)
#define LANE (gl_LocalInvocationIndex % SUBGROUP_SIZE)
#define HAS_ALL_LANES true

#define LOAD_A(f, part, m, k) f.at = (part) * PART_A + (k) * ROW_A + (m) / 4u
#define LOAD_B(f, part, n, k) f.at = (part) * PART_B + (k) * ROW_B + (n) / 4u

#define EACH [[dont_unroll]]
#define CLEAR(sum) EACH for (uint e = 0u; e < FM * FN / SUBGROUP_SIZE; ++e) sum.x[e] = 0.0

float get_half(uvec2 four, uint i) {
  return MVG_UNPACK(four)[i];
}

void multiply(inout fragment_sum sum, fragment_a a, fragment_b b) {
  EACH for (uint e = 0u; e < FM * FN / SUBGROUP_SIZE; ++e) {
    uint i = e * SUBGROUP_SIZE + LANE, m = i / FN, n = i % FN;
    EACH for (uint k = 0u; k < FK; ++k) {
      sum.x[e] += get_half(tile_a[a.at + k * ROW_A + m / 4u], m % 4u) *
                  get_half(tile_b[b.at + k * ROW_B + n / 4u], n % 4u);
    }
  }
}
#define MULTIPLY(sum, a, b) multiply(sum, a, b)

void store_sum(fragment_sum sum, uint at) {
  EACH for (uint e = 0u; e < FM * FN / SUBGROUP_SIZE; ++e) stage[at + e * SUBGROUP_SIZE + LANE] = sum.x[e];
}
#define STORE_SUM(sum, at) store_sum(sum, at)

#endif
