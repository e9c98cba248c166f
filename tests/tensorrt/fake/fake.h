// A libnvinfer, its ONNX parser and a CUDA driver that compute on the CPU and fail on demand, with the symbols of the real
// ones. FAKE_TENSORRT_FAULT says what goes wrong:
//
//   version     the library has another major version
//   driver      the driver does not start
//   no-gpu      there is a driver and no GPU
//   build       the builder refuses every network
//   plan        no plan loads
//   plan-once   the first plan that a process loads does not
//   throw       the builder throws an exception, which the real one never should
//   nudge       every output is a little wrong
//   run:N       the N-th run of a process fails, and every later one
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "all_functions.h"

struct CpuNetwork;

extern "C" {
CpuNetwork* fake_cpu_load(const void* onnx, size_t bytes);
void fake_cpu_free(CpuNetwork* network);
const char* fake_cpu_name(const CpuNetwork* network, int32_t output, size_t index);
size_t fake_cpu_shape(const CpuNetwork* network, int32_t output, size_t index, int64_t* dimensions);
int32_t fake_cpu_run(CpuNetwork* network, const float* const* inputs, float* const* outputs);
}

namespace fake {

bool fault(const char* name);

// The run that fails, counted from 1; 0 for none.
long failing_run();

class DefinitionFunctions final : public VNetworkDefinitionAll {
public:
    ~DefinitionFunctions() noexcept override
    {
        if (network != nullptr) {
            fake_cpu_free(network);
        }
    }

    int32_t getNbInputs() const noexcept override { return count(0); }
    int32_t getNbOutputs() const noexcept override { return count(1); }
    int32_t getNbLayers() const noexcept override { return 1; }

    CpuNetwork* network = nullptr; // owned
    std::string onnx;

private:
    int32_t count(int32_t output) const
    {
        int32_t found = 0;
        while (network != nullptr && fake_cpu_name(network, output, static_cast<size_t>(found)) != nullptr) {
            ++found;
        }
        return found;
    }
};

// What the parser fills: the file as it is, and its network on the CPU.
class Definition final : public nvinfer1::INetworkDefinition {
public:
    Definition() { mImpl = &functions; }

    DefinitionFunctions functions;
};

} // namespace fake
