// What a module must be before a device sees it: within the device's limits, and valid. glslang has
// seen to the size of workgroups; drivers crash on the rest.
#ifndef MVGRAPH_CODEGEN_SPIRV_CHECK_H_
#define MVGRAPH_CODEGEN_SPIRV_CHECK_H_

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "device/caps.h"

// UNSUPPORTED when the module needs more shared memory than the device has, or subgroup operations
// of one without.
mvg_status mvg_spirv_check_limits(const char *name, const uint32_t *words, size_t count,
                                  const mvg_caps *caps) MVG_MUST_USE;

// spirv-val's judgement under Vulkan 1.1: INTERNAL with its message, since what codegen makes is
// valid.
mvg_status mvg_spirv_validate(const char *name, const uint32_t *words, size_t count) MVG_MUST_USE;

#endif // MVGRAPH_CODEGEN_SPIRV_CHECK_H_
