// The part of CUDA's driver that the plugin uses, opened with dlopen. Its interface has not changed since CUDA 4.
#pragma once

#include <cstddef>
#include <string>

struct CUctx_st;
struct CUstream_st;

namespace aecsad {

using CudaDevice = int;
using CudaResult = int; // 0 is success
using DeviceAddress = unsigned long long;

struct CudaDriver {
    CudaResult (*init)(unsigned flags);
    CudaResult (*driver_version)(int* version);
    CudaResult (*device_count)(int* count);
    CudaResult (*device)(CudaDevice* device, int ordinal);
    CudaResult (*device_name)(char* name, int length, CudaDevice device);
    CudaResult (*device_attribute)(int* value, int attribute, CudaDevice device);
    CudaResult (*retain_context)(CUctx_st** context, CudaDevice device);
    CudaResult (*set_context)(CUctx_st* context);
    CudaResult (*create_stream)(CUstream_st** stream, unsigned flags);
    CudaResult (*destroy_stream)(CUstream_st* stream);
    CudaResult (*synchronise)(CUstream_st* stream);
    CudaResult (*allocate)(DeviceAddress* address, std::size_t bytes);
    CudaResult (*free)(DeviceAddress address);
    CudaResult (*allocate_pinned)(void** address, std::size_t bytes);
    CudaResult (*free_pinned)(void* address);
    CudaResult (*to_device)(DeviceAddress to, const void* from, std::size_t bytes, CUstream_st* stream);
    CudaResult (*from_device)(void* to, DeviceAddress from, std::size_t bytes, CUstream_st* stream);
    CudaResult (*error_name)(CudaResult error, const char** name);

    // Opens libcuda.so.1, which the driver brings; throws if it is missing.
    void open();

    // Throws a sentence with what was attempted and CUDA's name for the error.
    void check(CudaResult result, const char* attempted) const;
};

} // namespace aecsad
