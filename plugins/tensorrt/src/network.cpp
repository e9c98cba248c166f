#include "network.h"

#include <cstring>
#include <stdexcept>
#include <utility>

#include "aecsad_tensorrt.h"

namespace aecsad {

Buffer::Buffer(const CudaDriver& cuda, std::string name, const nvinfer1::Dims& dimensions)
    : name(std::move(name))
    , cuda_(cuda)
{
    if (dimensions.nbDims < 0 || dimensions.nbDims > AECSAD_TENSORRT_DIMENSIONS) {
        throw std::runtime_error("the plan's tensor " + this->name + " has no fixed shape");
    }
    for (int32_t index = 0; index < dimensions.nbDims; ++index) {
        if (dimensions.d[index] < 1) {
            throw std::runtime_error("the plan's tensor " + this->name + " has no fixed shape");
        }
        shape.push_back(static_cast<std::size_t>(dimensions.d[index]));
        values_ *= shape.back();
    }
    cuda_.check(cuda_.allocate(&device, bytes()), "give memory for a tensor");
    void* pinned = nullptr;
    const CudaResult allocated = cuda_.allocate_pinned(&pinned, bytes());
    if (allocated != 0) {
        cuda_.free(device);
    }
    cuda_.check(allocated, "give pinned memory for a tensor");
    host = static_cast<float*>(pinned);
}

Buffer::~Buffer()
{
    // A GPU that has failed refuses this too, and there is nothing left to do then.
    cuda_.free_pinned(host);
    cuda_.free(device);
}

Network::Network(Device& device, const void* plan, std::size_t bytes, const std::vector<std::string>& inputs,
    const std::vector<std::string>& outputs)
    : device_(device)
{
    device_.enter();
    device_.logger().start();
    engine_.reset(device_.runtime().deserializeCudaEngine(plan, bytes));
    if (engine_ == nullptr) {
        throw std::runtime_error(device_.logger().failure("can't load the plan"));
    }
    prepare(inputs, outputs);
}

Network::Network(const Network& other, std::nullptr_t)
    : device_(other.device_)
    , engine_(other.engine_)
{
    device_.enter();
    device_.logger().start();
    const auto names = [](const Buffers& buffers) {
        std::vector<std::string> names;
        for (const auto& buffer : buffers) {
            names.push_back(buffer->name);
        }
        return names;
    };
    prepare(names(other.inputs_), names(other.outputs_));
}

void Network::prepare(const std::vector<std::string>& inputs, const std::vector<std::string>& outputs)
{
    if (static_cast<std::size_t>(engine_->getNbIOTensors()) != inputs.size() + outputs.size()) {
        throw std::runtime_error("the plan has " + std::to_string(engine_->getNbIOTensors()) + " tensors instead of "
            + std::to_string(inputs.size() + outputs.size()));
    }
    context_.reset(engine_->createExecutionContext());
    if (context_ == nullptr) {
        throw std::runtime_error(device_.logger().failure("can't prepare the plan to run"));
    }
    inputs_ = buffers(inputs, nvinfer1::TensorIOMode::kINPUT);
    outputs_ = buffers(outputs, nvinfer1::TensorIOMode::kOUTPUT);
    device_.cuda().check(device_.cuda().create_stream(&stream_, 0), "open a stream");
}

Network::Buffers Network::buffers(const std::vector<std::string>& names, nvinfer1::TensorIOMode mode)
{
    Buffers made;
    for (const std::string& name : names) {
        const char* tensor = name.c_str();
        if (engine_->getTensorIOMode(tensor) != mode
            || engine_->getTensorDataType(tensor) != nvinfer1::DataType::kFLOAT) {
            throw std::runtime_error("the plan has no tensor " + name + " of floats where the network has one");
        }
        made.push_back(std::make_unique<Buffer>(device_.cuda(), name, engine_->getTensorShape(tensor)));
        void* address = reinterpret_cast<void*>(static_cast<std::uintptr_t>(made.back()->device));
        if (!context_->setTensorAddress(tensor, address)) {
            throw std::runtime_error(device_.logger().failure("refuses the memory of tensor " + name));
        }
    }
    return made;
}

Network::~Network()
{
    // Where this thread can't have the GPU, the driver refuses what follows and frees it with the process.
    try {
        device_.enter();
    } catch (...) {
    }
    if (stream_ != nullptr) {
        device_.cuda().destroy_stream(stream_);
    }
}

std::unique_ptr<Network> Network::fork() const { return std::unique_ptr<Network>(new Network(*this, nullptr)); }

const Buffer* Network::tensor(bool output, std::size_t index) const
{
    const Buffers& tensors = output ? outputs_ : inputs_;
    return index < tensors.size() ? tensors[index].get() : nullptr;
}

void Network::run(const float* const* inputs)
{
    const CudaDriver& cuda = device_.cuda();
    device_.enter();
    device_.logger().start();
    for (std::size_t index = 0; index < inputs_.size(); ++index) {
        const Buffer& input = *inputs_[index];
        std::memcpy(input.host, inputs[index], input.bytes());
        cuda.check(cuda.to_device(input.device, input.host, input.bytes(), stream_), "copy a frame to the GPU");
    }
    if (!context_->enqueueV3(stream_)) {
        throw std::runtime_error(device_.logger().failure("can't run the network"));
    }
    for (const auto& output : outputs_) {
        cuda.check(cuda.from_device(output->host, output->device, output->bytes(), stream_),
            "copy a result from the GPU");
    }
    cuda.check(cuda.synchronise(stream_), "finish a network");
}

} // namespace aecsad
