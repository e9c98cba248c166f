// The C interface: every exception stops here and becomes a reason.
#include "aecsad_tensorrt.h"

#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "builder.h"
#include "device.h"
#include "network.h"

struct aecsad_tensorrt_plan {
    std::unique_ptr<nvinfer1::IHostMemory> memory;
};

struct aecsad_tensorrt_network {
    std::unique_ptr<aecsad::Network> network;
};

namespace {

void write(char* reason, const char* sentence) noexcept
{
    std::strncpy(reason, sentence, AECSAD_TENSORRT_REASON - 1);
    reason[AECSAD_TENSORRT_REASON - 1] = 0;
}

template <typename Step>
int32_t guarded(char* reason, Step step) noexcept
{
    try {
        step();
        return 0;
    } catch (const std::bad_alloc&) {
        write(reason, "there is not enough memory for it");
    } catch (const std::exception& error) {
        write(reason, error.what());
    } catch (...) {
        write(reason, "a library threw what is no exception");
    }
    return 1;
}

std::vector<std::string> strings(const char* const* names, std::size_t count)
{
    return std::vector<std::string>(names, names + count);
}

} // namespace

int32_t aecsad_tensorrt_abi(void) { return AECSAD_TENSORRT_ABI; }

int32_t aecsad_tensorrt_open(aecsad_tensorrt_log log, aecsad_tensorrt_device* device, char* reason)
{
    return guarded(reason, [&] {
        aecsad::Device& only = aecsad::Device::only();
        only.logger().send_to(log);
        only.open(*device);
    });
}

int32_t aecsad_tensorrt_build(const void* onnx, size_t bytes, const aecsad_tensorrt_flags* flags,
    aecsad_tensorrt_progress progress, aecsad_tensorrt_plan** plan, char* reason)
{
    return guarded(reason, [&] {
        aecsad::Device& device = aecsad::Device::only();
        device.enter();
        const aecsad::ParsedNetwork parsed = aecsad::parse(device.infer(), device.logger(), onnx, bytes);
        auto built = std::make_unique<aecsad_tensorrt_plan>();
        built->memory = aecsad::build(parsed, device.logger(), *flags, progress);
        *plan = built.release();
    });
}

const void* aecsad_tensorrt_plan_bytes(const aecsad_tensorrt_plan* plan, size_t* bytes)
{
    *bytes = plan->memory->size();
    return plan->memory->data();
}

void aecsad_tensorrt_free_plan(aecsad_tensorrt_plan* plan) { delete plan; }

int32_t aecsad_tensorrt_load(const void* plan, size_t bytes, const char* const* inputs, size_t input_count,
    const char* const* outputs, size_t output_count, aecsad_tensorrt_network** network, char* reason)
{
    return guarded(reason, [&] {
        auto loaded = std::make_unique<aecsad_tensorrt_network>();
        loaded->network = std::make_unique<aecsad::Network>(aecsad::Device::only(), plan, bytes,
            strings(inputs, input_count), strings(outputs, output_count));
        *network = loaded.release();
    });
}

int32_t aecsad_tensorrt_fork(const aecsad_tensorrt_network* network, aecsad_tensorrt_network** forked, char* reason)
{
    return guarded(reason, [&] {
        auto another = std::make_unique<aecsad_tensorrt_network>();
        another->network = network->network->fork();
        *forked = another.release();
    });
}

void aecsad_tensorrt_free_network(aecsad_tensorrt_network* network) { delete network; }

size_t aecsad_tensorrt_shape(const aecsad_tensorrt_network* network, int32_t output, size_t index, size_t* dimensions)
{
    const aecsad::Buffer* tensor = network->network->tensor(output != 0, index);
    if (tensor == nullptr) {
        return 0;
    }
    std::memcpy(dimensions, tensor->shape.data(), tensor->shape.size() * sizeof(std::size_t));
    return tensor->shape.size();
}

int32_t aecsad_tensorrt_run(aecsad_tensorrt_network* network, const float* const* inputs, char* reason)
{
    return guarded(reason, [&] { network->network->run(inputs); });
}

const float* aecsad_tensorrt_output(const aecsad_tensorrt_network* network, size_t index)
{
    const aecsad::Buffer* tensor = network->network->tensor(true, index);
    return tensor == nullptr ? nullptr : tensor->host;
}
