#include "device.h"

#include <cstring>
#include <stdexcept>

#include "shared_library.h"

namespace aecsad {

namespace {

    // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
    constexpr int CAPABILITY_MAJOR = 75;
    constexpr int CAPABILITY_MINOR = 76;

    template <std::size_t Length>
    void copy(char (&to)[Length], const std::string& text)
    {
        std::strncpy(to, text.c_str(), Length - 1);
        to[Length - 1] = 0;
    }

    std::string version_text(int32_t version)
    {
        // TensorRT 8 counts 8.5.2 as 8502, later ones 10.3.0 as 100300.
        const int32_t step = NV_TENSORRT_VERSION < 10000 ? 10 : 100;
        return std::to_string(version / (NV_TENSORRT_VERSION < 10000 ? 1000 : 10000)) + "."
            + std::to_string(version / 100 % step) + "." + std::to_string(version % 100);
    }

    int32_t major(int32_t version) { return version / (NV_TENSORRT_VERSION < 10000 ? 1000 : 10000); }

} // namespace

std::string compiled_version() { return version_text(NV_TENSORRT_VERSION); }

std::string library_name(const char* enterprise, const char* rtx)
{
#ifdef TRT_MAJOR_RTX
    static_cast<void>(enterprise);
    const char* name = rtx;
#else
    static_cast<void>(rtx);
    const char* name = enterprise;
#endif
    return std::string(name) + ".so." + std::to_string(NV_TENSORRT_MAJOR);
}

void InferLibrary::open()
{
    const SharedLibrary library(library_name("libnvinfer", "libtensorrt_rtx"),
        "install TensorRT " + std::to_string(NV_TENSORRT_MAJOR) + ", or compile the plugin again for the one that is there");
    library.find(version, "getInferLibVersion");
    const int32_t found = version();
    if (major(found) != NV_TENSORRT_MAJOR) {
        throw std::runtime_error("TensorRT is version " + version_text(found) + " and the plugin was compiled for "
            + compiled_version() + ": compile it again on this device");
    }
    library.find(create_builder, "createInferBuilder_INTERNAL");
    library.find(create_runtime, "createInferRuntime_INTERNAL");
}

Device& Device::only()
{
    // Never destroyed: threads of TensorRT may still log while the process ends.
    static Device* device = new Device;
    return *device;
}

void Device::open(aecsad_tensorrt_device& description)
{
    if (runtime_ == nullptr) {
        infer_.open();
        cuda_.open();
        cuda_.check(cuda_.init(0), "start");
        int count = 0;
        cuda_.check(cuda_.device_count(&count), "count its GPUs");
        if (count < 1) {
            throw std::runtime_error("the driver reports no GPU: is it a Jetson, or is one built in?");
        }
        CudaDevice first = 0;
        cuda_.check(cuda_.device(&first, 0), "name its first GPU");
        describe(first);
        cuda_.check(cuda_.retain_context(&context_, first), "open the GPU");
        enter();
        logger_.start();
        runtime_.reset(static_cast<nvinfer1::IRuntime*>(infer_.create_runtime(&logger_, NV_TENSORRT_VERSION)));
        if (runtime_ == nullptr) {
            throw std::runtime_error(logger_.failure("can't start"));
        }
    }
    description = description_;
}

void Device::describe(CudaDevice device)
{
    int version = 0;
    int major = 0;
    int minor = 0;
    cuda_.check(cuda_.driver_version(&version), "state its version");
    cuda_.check(cuda_.device_name(description_.gpu, sizeof description_.gpu, device), "name the GPU");
    cuda_.check(cuda_.device_attribute(&major, CAPABILITY_MAJOR, device), "state the GPU's compute capability");
    cuda_.check(cuda_.device_attribute(&minor, CAPABILITY_MINOR, device), "state the GPU's compute capability");
    copy(description_.tensorrt, version_text(infer_.version()));
    copy(description_.capability, std::to_string(major) + "." + std::to_string(minor));
    copy(description_.driver, std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10));
}

void Device::enter() const { cuda_.check(cuda_.set_context(context_), "give the GPU to this thread"); }

} // namespace aecsad
