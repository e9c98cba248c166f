// The process's one device: NVIDIA's libraries, the first GPU and TensorRT's runtime, opened once behind gates.
#pragma once

#include <NvInfer.h>

#include <memory>

#include "aecsad_tensorrt.h"
#include "cuda_driver.h"
#include "logger.h"

namespace aecsad {

// The functions of libnvinfer. They return objects that the caller owns and deletes.
struct InferLibrary {
    void* (*create_builder)(void* logger, int32_t version);
    void* (*create_runtime)(void* logger, int32_t version);
    int32_t (*version)();

    // Throws unless the library has the major version that the plugin was compiled for.
    void open();
};

class Device {
public:
    // Opens what is not open yet; throws what is missing.
    void open(aecsad_tensorrt_device& description);

    // Makes the GPU the calling thread's. Must come before any other use of it there.
    void enter() const;

    const CudaDriver& cuda() const { return cuda_; }
    const InferLibrary& infer() const { return infer_; }
    nvinfer1::IRuntime& runtime() const { return *runtime_; }
    Logger& logger() { return logger_; }

    // Lives to the end of the process.
    static Device& only();

private:
    void describe(CudaDevice device);

    Logger logger_;
    CudaDriver cuda_ {};
    InferLibrary infer_ {};
    CUctx_st* context_ = nullptr; // the driver's
    std::unique_ptr<nvinfer1::IRuntime> runtime_;
    aecsad_tensorrt_device description_ {};
};

// The version of the headers that the plugin was compiled with, as text.
std::string compiled_version();

// The name of one of TensorRT's libraries of that major version.
std::string library_name(const char* enterprise, const char* rtx);

} // namespace aecsad
