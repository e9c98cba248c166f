#include "cuda_driver.h"

#include <stdexcept>

#include "shared_library.h"

namespace aecsad {

void CudaDriver::open()
{
    SharedLibrary library("libcuda.so.1", "install NVIDIA's driver, or set `system.engine` to \"cpu\"");
    library.find(init, "cuInit");
    library.find(driver_version, "cuDriverGetVersion");
    library.find(device_count, "cuDeviceGetCount");
    library.find(device, "cuDeviceGet");
    library.find(device_name, "cuDeviceGetName");
    library.find(device_attribute, "cuDeviceGetAttribute");
    library.find(retain_context, "cuDevicePrimaryCtxRetain");
    library.find(set_context, "cuCtxSetCurrent");
    library.find(create_stream, "cuStreamCreate");
    library.find(destroy_stream, "cuStreamDestroy_v2");
    library.find(synchronise, "cuStreamSynchronize");
    library.find(allocate, "cuMemAlloc_v2");
    library.find(free, "cuMemFree_v2");
    library.find(allocate_pinned, "cuMemAllocHost_v2");
    library.find(free_pinned, "cuMemFreeHost");
    library.find(to_device, "cuMemcpyHtoDAsync_v2");
    library.find(from_device, "cuMemcpyDtoHAsync_v2");
    library.find(error_name, "cuGetErrorName");
}

void CudaDriver::check(CudaResult result, const char* attempted) const
{
    if (result == 0) {
        return;
    }
    const char* name = nullptr;
    if (error_name(result, &name) != 0 || name == nullptr) {
        name = "an unknown error";
    }
    throw std::runtime_error(std::string("the GPU's driver refused to ") + attempted + " ("
        + name + ", code " + std::to_string(result) + ")");
}

} // namespace aecsad
