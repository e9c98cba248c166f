// The fake libnvinfer: a plan is the ONNX file behind a mark, and an engine is our own CPU engine.
#include "fake.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <vector>

namespace fake {

bool fault(const char* name)
{
    const char* wanted = std::getenv("FAKE_TENSORRT_FAULT");
    return wanted != nullptr && std::strcmp(wanted, name) == 0;
}

long failing_run()
{
    const char* wanted = std::getenv("FAKE_TENSORRT_FAULT");
    return wanted != nullptr && std::strncmp(wanted, "run:", 4) == 0 ? std::atol(wanted + 4) : 0;
}

namespace {

    const std::string MARK = "a plan of the fake\n";

    nvinfer1::ILogger* logger = nullptr; // the plugin's

    void complain(const char* sentence) { logger->log(nvinfer1::ILogger::Severity::kERROR, sentence); }

    class Memory final : public VHostMemoryAll {
    public:
        void* data() const noexcept override { return const_cast<char*>(bytes.data()); }
        std::size_t size() const noexcept override { return bytes.size(); }

        std::string bytes;
    };

    class HostMemory final : public nvinfer1::IHostMemory {
    public:
        explicit HostMemory(std::string bytes)
        {
            mImpl = &functions_;
            functions_.bytes = std::move(bytes);
        }

    private:
        Memory functions_;
    };

    class ContextFunctions final : public VExecutionContextAll {
    public:
        explicit ContextFunctions(CpuNetwork* network)
            : network_(network)
        {
        }

        bool setTensorAddress(const char* tensor, void* address) noexcept override
        {
            for (int32_t output : { 0, 1 }) {
                const char* name = nullptr;
                for (std::size_t index = 0; (name = fake_cpu_name(network_, output, index)) != nullptr; ++index) {
                    if (std::strcmp(name, tensor) == 0) {
                        addresses_[output].resize(std::max(addresses_[output].size(), index + 1));
                        addresses_[output][index] = static_cast<float*>(address);
                        return true;
                    }
                }
            }
            return false;
        }

        bool enqueueV3(cudaStream_t) noexcept override
        {
            static std::atomic<long> runs { 0 };
            const long failing = failing_run();
            if (failing > 0 && ++runs >= failing) {
                complain("the fake GPU failed in the middle of a run");
                return false;
            }
            std::vector<const float*> inputs(addresses_[0].begin(), addresses_[0].end());
            if (fake_cpu_run(network_, inputs.data(), addresses_[1].data()) != 0) {
                return false;
            }
            if (fault("nudge")) {
                for (std::size_t index = 0; index < addresses_[1].size(); ++index) {
                    addresses_[1][index][0] += 1000.0F;
                }
            }
            return true;
        }

    private:
        CpuNetwork* network_; // the engine's
        std::vector<float*> addresses_[2];
    };

    class Context final : public nvinfer1::IExecutionContext {
    public:
        explicit Context(CpuNetwork* network)
            : functions_(network)
        {
            mImpl = &functions_;
        }

    private:
        ContextFunctions functions_;
    };

    class EngineFunctions final : public VCudaEngineAll {
    public:
        explicit EngineFunctions(CpuNetwork* network)
            : network_(network)
        {
        }
        ~EngineFunctions() noexcept override { fake_cpu_free(network_); }
        EngineFunctions(const EngineFunctions&) = delete;
        EngineFunctions& operator=(const EngineFunctions&) = delete;

        int32_t getNbIOTensors() const noexcept override { return count(0) + count(1); }
        nvinfer1::DataType getTensorDataType(const char*) const noexcept override
        {
            return nvinfer1::DataType::kFLOAT;
        }
        nvinfer1::TensorIOMode getTensorIOMode(const char* tensor) const noexcept override
        {
            std::size_t index = 0;
            return find(0, tensor, index) ? nvinfer1::TensorIOMode::kINPUT
                : find(1, tensor, index)  ? nvinfer1::TensorIOMode::kOUTPUT
                                          : nvinfer1::TensorIOMode::kNONE;
        }
        nvinfer1::Dims getTensorShape(const char* tensor) const noexcept override
        {
            nvinfer1::Dims shape {};
            std::size_t index = 0;
            int64_t dimensions[8] = {};
            for (int32_t output : { 0, 1 }) {
                if (find(output, tensor, index)) {
                    shape.nbDims = static_cast<int32_t>(fake_cpu_shape(network_, output, index, dimensions));
                }
            }
            for (int32_t axis = 0; axis < shape.nbDims; ++axis) {
                shape.d[axis] = static_cast<std::remove_reference_t<decltype(shape.d[0])>>(dimensions[axis]);
            }
            return shape;
        }
#if defined(TRT_MAJOR_RTX) || NV_TENSORRT_MAJOR >= 10
        nvinfer1::IExecutionContext* createExecutionContext(
            nvinfer1::ExecutionContextAllocationStrategy) noexcept override
        {
            return new Context(network_);
        }
#else
        nvinfer1::IExecutionContext* createExecutionContext() noexcept override { return new Context(network_); }
#endif

    private:
        int32_t count(int32_t output) const
        {
            int32_t found = 0;
            while (fake_cpu_name(network_, output, static_cast<std::size_t>(found)) != nullptr) {
                ++found;
            }
            return found;
        }
        bool find(int32_t output, const char* tensor, std::size_t& index) const
        {
            const char* name = nullptr;
            for (index = 0; (name = fake_cpu_name(network_, output, index)) != nullptr; ++index) {
                if (std::strcmp(name, tensor) == 0) {
                    return true;
                }
            }
            return false;
        }

        CpuNetwork* network_; // owned
    };

    class Engine final : public nvinfer1::ICudaEngine {
    public:
        explicit Engine(CpuNetwork* network)
            : functions_(network)
        {
            mImpl = &functions_;
        }

    private:
        EngineFunctions functions_;
    };

    class RuntimeFunctions final : public VRuntimeAll {
    public:
        nvinfer1::ICudaEngine* load(const void* plan, std::size_t bytes) noexcept
        {
            static std::atomic<int> loads { 0 };
            const bool refused = fault("plan") || (fault("plan-once") && loads++ == 0);
            const std::string content(static_cast<const char*>(plan), bytes);
            CpuNetwork* network = nullptr;
            if (!refused && content.compare(0, MARK.size(), MARK) == 0) {
                network = fake_cpu_load(content.data() + MARK.size(), content.size() - MARK.size());
            }
            if (network == nullptr) {
                complain("the fake can't read this plan");
                return nullptr;
            }
            return new Engine(network);
        }

#if !defined(TRT_MAJOR_RTX) && NV_TENSORRT_MAJOR < 10
        nvinfer1::ICudaEngine* deserializeCudaEngine(
            const void* plan, std::size_t bytes, nvinfer1::IPluginFactory*) noexcept override
        {
            return load(plan, bytes);
        }
#else
        using VRuntimeAll::deserializeCudaEngine;
        nvinfer1::ICudaEngine* deserializeCudaEngine(const void* plan, std::size_t bytes) noexcept override
        {
            return load(plan, bytes);
        }
#endif
    };

    class Runtime final : public nvinfer1::IRuntime {
    public:
        Runtime() { mImpl = &functions_; }

    private:
        RuntimeFunctions functions_;
    };

    class ConfigFunctions final : public VBuilderConfigAll {
    public:
        void setFlag(nvinfer1::BuilderFlag) noexcept override { }
        void clearFlag(nvinfer1::BuilderFlag) noexcept override { }
        void setMemoryPoolLimit(nvinfer1::MemoryPoolType, std::size_t) noexcept override { }
#if defined(TRT_MAJOR_RTX) || NV_TENSORRT_MAJOR >= 10
        void setProgressMonitor(nvinfer1::IProgressMonitor* monitor) noexcept override { progress = monitor; }

        nvinfer1::IProgressMonitor* progress = nullptr;
#endif
    };

    class Config final : public nvinfer1::IBuilderConfig {
    public:
        Config() { mImpl = &functions; }

        ConfigFunctions functions;
    };

    class BuilderFunctions final : public VBuilderAll {
    public:
        nvinfer1::IBuilderConfig* createBuilderConfig() noexcept override { return new Config; }
        nvinfer1::INetworkDefinition* createNetworkV2(nvinfer1::NetworkDefinitionCreationFlags) noexcept override
        {
            return new Definition;
        }
        nvinfer1::IHostMemory* buildSerializedNetwork(
            nvinfer1::INetworkDefinition& network, nvinfer1::IBuilderConfig& config) noexcept override
        {
            if (fault("build")) {
                complain("the fake builds nothing");
                return nullptr;
            }
#if defined(TRT_MAJOR_RTX) || NV_TENSORRT_MAJOR >= 10
            nvinfer1::IProgressMonitor* progress = static_cast<Config&>(config).functions.progress;
            if (progress != nullptr) {
                progress->phaseStart("Building in the fake", nullptr, 1);
                progress->stepComplete("Building in the fake", 0);
                progress->phaseFinish("Building in the fake");
            }
#else
            static_cast<void>(config);
#endif
            return new HostMemory(MARK + static_cast<Definition&>(network).functions.onnx);
        }
    };

    class Builder final : public nvinfer1::IBuilder {
    public:
        Builder() { mImpl = &functions_; }

    private:
        BuilderFunctions functions_;
    };

} // namespace

} // namespace fake

extern "C" int32_t getInferLibVersion() noexcept
{
    return fake::fault("version") ? NV_TENSORRT_VERSION * 2 : NV_TENSORRT_VERSION;
}

extern "C" void* createInferRuntime_INTERNAL(void* logger, int32_t) noexcept
{
    fake::logger = static_cast<nvinfer1::ILogger*>(logger);
    return static_cast<nvinfer1::IRuntime*>(new fake::Runtime);
}

// The real one is noexcept too, but a library that breaks its word must not end the station.
extern "C" void* fake_builder(void*, int32_t)
{
    if (fake::fault("throw")) {
        throw std::runtime_error("the fake throws");
    }
    return static_cast<nvinfer1::IBuilder*>(new fake::Builder);
}
asm(".globl createInferBuilder_INTERNAL\n.set createInferBuilder_INTERNAL, fake_builder\n");
