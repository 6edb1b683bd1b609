// What the driver can tell of a lost device, by VK_EXT_device_fault.
#include <inttypes.h>

#include "base/alloc.h"
#include "device/vulkan/vk_internal.h"

static void print_fault(const VkDeviceFaultCountsEXT *counts, const VkDeviceFaultInfoEXT *info,
                        mvg_str *out) {
  mvg_str_append(out, info->description);
  for (uint32_t i = 0; i < counts->addressInfoCount; ++i) {
    mvg_str_appendf(out, "; address 0x%" PRIx64, (uint64_t)info->pAddressInfos[i].reportedAddress);
  }
  for (uint32_t i = 0; i < counts->vendorInfoCount; ++i) {
    mvg_str_appendf(out, "; %s (code 0x%" PRIx64 ", data 0x%" PRIx64 ")",
                    info->pVendorInfos[i].description,
                    (uint64_t)info->pVendorInfos[i].vendorFaultCode,
                    (uint64_t)info->pVendorInfos[i].vendorFaultData);
  }
}

static mvg_status describe(const mvg_vk_device *device, mvg_str *out) {
  VkDeviceFaultCountsEXT counts = {.sType = VK_STRUCTURE_TYPE_DEVICE_FAULT_COUNTS_EXT};
  VkDeviceFaultInfoEXT info = {.sType = VK_STRUCTURE_TYPE_DEVICE_FAULT_INFO_EXT};
  MVG_VK_CHECK("vkGetDeviceFaultInfoEXT",
               device->fn.vkGetDeviceFaultInfoEXT(device->handle, &counts, NULL));
  counts.vendorBinarySize = 0; // a dump for the vendor's own tools
  mvg_status status = MVG_NEW_ARRAY(counts.addressInfoCount, &info.pAddressInfos);
  if (!status) status = MVG_NEW_ARRAY(counts.vendorInfoCount, &info.pVendorInfos);
  VkResult result = VK_SUCCESS;
  if (!status) result = device->fn.vkGetDeviceFaultInfoEXT(device->handle, &counts, &info);
  if (!status && (result == VK_SUCCESS || result == VK_INCOMPLETE)) {
    print_fault(&counts, &info, out);
  }
  mvg_free(info.pAddressInfos);
  mvg_free(info.pVendorInfos);
  return status;
}

void mvg_vk_describe_fault(mvg_device *base, mvg_str *out) {
  const mvg_vk_device *device = (const mvg_vk_device *)base;
  if (!device->has_fault_text || !device->fn.vkGetDeviceFaultInfoEXT) return;
  mvg_status_destroy(describe(device, out)); // the loss itself is what matters
}
