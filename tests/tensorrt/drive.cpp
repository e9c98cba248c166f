// Drives the plugin's C interface against the fake libraries, compiled with sanitizers: everything that is made is freed,
// every failure is a reason, and two threads may run two networks. The fake computes y = 2x here, without the runtime.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "aecsad_tensorrt.h"

struct CpuNetwork {
};

extern "C" {

CpuNetwork* fake_cpu_load(const void* onnx, size_t bytes)
{
    return bytes > 4 && std::memcmp(onnx, "onnx", 4) == 0 ? new CpuNetwork : nullptr;
}

void fake_cpu_free(CpuNetwork* network) { delete network; }

const char* fake_cpu_name(const CpuNetwork*, int32_t output, size_t index)
{
    return index > 0 ? nullptr : output != 0 ? "y" : "x";
}

size_t fake_cpu_shape(const CpuNetwork*, int32_t, size_t, int64_t* dimensions)
{
    dimensions[0] = 1;
    dimensions[1] = 64;
    return 2;
}

int32_t fake_cpu_run(CpuNetwork*, const float* const* inputs, float* const* outputs)
{
    for (int index = 0; index < 64; ++index) {
        outputs[0][index] = 2 * inputs[0][index];
    }
    return 0;
}

}

namespace {

void expect(bool holds, const char* what)
{
    if (!holds) {
        std::printf("not so: %s\n", what);
        std::exit(1);
    }
}

std::atomic<int> logged { 0 };
void log(int32_t, const char* sentence) { logged += static_cast<int>(std::strlen(sentence) > 0); }
std::atomic<int> steps { 0 };
void progress(const char*, int32_t, int32_t) { steps += 1; }

void run(aecsad_tensorrt_network* network, float first)
{
    char reason[AECSAD_TENSORRT_REASON];
    std::vector<float> values(64, first);
    for (int turn = 0; turn < 200; ++turn) {
        const float* inputs[] = { values.data() };
        expect(aecsad_tensorrt_run(network, inputs, reason) == 0, reason);
        const float* output = aecsad_tensorrt_output(network, 0);
        expect(output[0] == 2 * first && output[63] == 2 * first, "twice the input");
    }
}

} // namespace

int main()
{
    char reason[AECSAD_TENSORRT_REASON] = {};
    aecsad_tensorrt_device device {};
    setenv("FAKE_TENSORRT_FAULT", "no-gpu", 1);
    expect(aecsad_tensorrt_open(log, &device, reason) == 1 && std::strlen(reason) > 0, "no GPU is a reason");
    setenv("FAKE_TENSORRT_FAULT", "", 1);
    expect(aecsad_tensorrt_open(log, &device, reason) == 0, reason);
    expect(std::string(device.gpu) == "a fake GPU", "the GPU's name");

    const std::string onnx = "onnx of the driver";
    const aecsad_tensorrt_flags flags { 1, 1 << 20 };
    aecsad_tensorrt_plan* plan = nullptr;
    expect(aecsad_tensorrt_build("junk", 4, &flags, progress, &plan, reason) == 1, "junk is refused");
    setenv("FAKE_TENSORRT_FAULT", "throw", 1);
    expect(aecsad_tensorrt_build(onnx.data(), onnx.size(), &flags, progress, &plan, reason) == 1, "no exception leaves");
    setenv("FAKE_TENSORRT_FAULT", "", 1);
    expect(aecsad_tensorrt_build(onnx.data(), onnx.size(), &flags, progress, &plan, reason) == 0, reason);
    size_t bytes = 0;
    const void* plan_bytes = aecsad_tensorrt_plan_bytes(plan, &bytes);

    const char* x = "x";
    const char* y = "y";
    const char* other = "z";
    aecsad_tensorrt_network* network = nullptr;
    expect(aecsad_tensorrt_load("junk", 4, &x, 1, &y, 1, &network, reason) == 1, "a junk plan is refused");
    expect(aecsad_tensorrt_load(plan_bytes, bytes, &x, 1, &other, 1, &network, reason) == 1, "another name is refused");
    expect(aecsad_tensorrt_load(plan_bytes, bytes, &y, 1, &x, 1, &network, reason) == 1, "turned round is refused");
    expect(aecsad_tensorrt_load(plan_bytes, bytes, &x, 1, nullptr, 0, &network, reason) == 1, "one too few is refused");
    expect(aecsad_tensorrt_load(plan_bytes, bytes, &x, 1, &y, 1, &network, reason) == 0, reason);
    aecsad_tensorrt_free_plan(plan);

    size_t shape[AECSAD_TENSORRT_DIMENSIONS];
    expect(aecsad_tensorrt_shape(network, 1, 0, shape) == 2 && shape[1] == 64, "the output's shape");
    expect(aecsad_tensorrt_shape(network, 1, 1, shape) == 0, "no second output");
    expect(aecsad_tensorrt_output(network, 1) == nullptr, "no second output");

    aecsad_tensorrt_network* forked = nullptr;
    expect(aecsad_tensorrt_fork(network, &forked, reason) == 0, reason);
    std::thread beside([forked] { run(forked, 3); });
    run(network, 5);
    beside.join();
    aecsad_tensorrt_free_network(network);
    run(forked, 7);
    setenv("FAKE_TENSORRT_FAULT", "run:1", 1);
    const std::vector<float> values(64, 1);
    const float* inputs[] = { values.data() };
    expect(aecsad_tensorrt_run(forked, inputs, reason) == 1 && std::strlen(reason) > 0, "a failing run is a reason");
    aecsad_tensorrt_free_network(forked);
    expect(logged > 0, "the library logs");
    std::printf("the plugin holds on the fake\n");
}
