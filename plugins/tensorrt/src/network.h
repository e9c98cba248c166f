// A plan made ready to run: its engine, an execution context, one stream, and buffers for every input and output. All
// memory is allocated here and none while it runs.
#pragma once

#include <NvInfer.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "device.h"

namespace aecsad {

// One input or output: pinned memory that the host reads and writes, and its copy on the GPU.
class Buffer {
public:
    Buffer(const CudaDriver& cuda, std::string name, const nvinfer1::Dims& shape);
    ~Buffer();
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    std::size_t bytes() const { return values_ * sizeof(float); }

    const std::string name;
    std::vector<std::size_t> shape;
    float* host = nullptr;    // owned
    DeviceAddress device = 0; // owned

private:
    const CudaDriver& cuda_;
    std::size_t values_ = 1;
};

class Network {
public:
    // Throws unless the plan has exactly these tensors, each of floats in a fixed shape.
    Network(Device& device, const void* plan, std::size_t bytes, const std::vector<std::string>& inputs,
        const std::vector<std::string>& outputs);
    ~Network();
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;

    // Shares the engine.
    std::unique_ptr<Network> fork() const;

    // The tensor at `index`; null where there is none.
    const Buffer* tensor(bool output, std::size_t index) const;

    // Throws if the GPU fails. As many inputs as the network has, of as many floats as each has.
    void run(const float* const* inputs);

private:
    using Buffers = std::vector<std::unique_ptr<Buffer>>;

    explicit Network(const Network& other, std::nullptr_t);
    void prepare(const std::vector<std::string>& inputs, const std::vector<std::string>& outputs);
    Buffers buffers(const std::vector<std::string>& names, nvinfer1::TensorIOMode mode);

    Device& device_;
    // Declared in the order in which they are needed, so that they are freed in the reverse.
    std::shared_ptr<nvinfer1::ICudaEngine> engine_;
    std::unique_ptr<nvinfer1::IExecutionContext> context_;
    Buffers inputs_;
    Buffers outputs_;
    CUstream_st* stream_ = nullptr; // owned
};

} // namespace aecsad
