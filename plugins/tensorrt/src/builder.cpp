#include "builder.h"

#include <stdexcept>
#include <string>

#include "shared_library.h"

// TensorRT 11 and RTX compute each layer in the types that the ONNX file states; older ones are given flags.
#if !defined(TRT_MAJOR_RTX) && NV_TENSORRT_MAJOR < 11
#define AECSAD_TYPES_BY_FLAGS 1
#endif
// 8.5 reports no progress.
#if defined(TRT_MAJOR_RTX) || NV_TENSORRT_MAJOR >= 10
#define AECSAD_PROGRESS 1
#endif

namespace aecsad {

namespace {

    class Parser {
    public:
        Parser()
        {
            const SharedLibrary library(library_name("libnvonnxparser", "libtensorrt_onnxparser_rtx"),
                "install TensorRT's ONNX parser, which builds networks");
            library.find(create_, "createNvOnnxParser_INTERNAL");
        }

        // The network must outlive the parser.
        std::unique_ptr<nvonnxparser::IParser> on(nvinfer1::INetworkDefinition& network, Logger& logger) const
        {
            void* parser = create_(&network, &logger, NV_ONNX_PARSER_VERSION);
            return std::unique_ptr<nvonnxparser::IParser>(static_cast<nvonnxparser::IParser*>(parser));
        }

    private:
        void* (*create_)(void* network, void* logger, int version);
    };

    std::string first_error(const nvonnxparser::IParser& parser, Logger& logger)
    {
        if (parser.getNbErrors() < 1) {
            return logger.failure("can't read the network");
        }
        const nvonnxparser::IParserError& error = *parser.getError(0);
        return std::string("TensorRT can't read the network (node ") + std::to_string(error.node()) + ": " + error.desc()
            + ")";
    }

    // A damaged file may parse into a network without inputs or outputs.
    void check_parsed(const nvinfer1::INetworkDefinition& network)
    {
        if (network.getNbInputs() < 1 || network.getNbOutputs() < 1 || network.getNbLayers() < 1) {
            throw std::runtime_error("TensorRT reads an empty network");
        }
    }

#ifdef AECSAD_PROGRESS
    class Progress final : public nvinfer1::IProgressMonitor {
    public:
        explicit Progress(aecsad_tensorrt_progress report)
            : report_(report)
        {
        }

        void phaseStart(const char* phase, const char* parent, int32_t steps) noexcept override
        {
            if (parent == nullptr) {
                steps_ = steps;
                report_(phase, 0, steps);
            }
            depth_ += 1;
        }

        bool stepComplete(const char* phase, int32_t step) noexcept override
        {
            if (depth_ == 1) {
                report_(phase, step + 1, steps_);
            }
            return true;
        }

        void phaseFinish(const char*) noexcept override { depth_ -= 1; }

    private:
        aecsad_tensorrt_progress report_;
        int32_t steps_ = 0;
        int32_t depth_ = 0;
    };
#endif

    void set_types(nvinfer1::IBuilderConfig& config, const aecsad_tensorrt_flags& flags)
    {
        // TF32 cuts values down to 10 bits of precision, which no one has requested.
        config.clearFlag(nvinfer1::BuilderFlag::kTF32);
#ifdef AECSAD_TYPES_BY_FLAGS
        config.setFlag(nvinfer1::BuilderFlag::kINT8);
        if (flags.half != 0) {
            config.setFlag(nvinfer1::BuilderFlag::kFP16);
        }
#else
        static_cast<void>(flags.half);
#endif
    }

} // namespace

ParsedNetwork parse(const InferLibrary& infer, Logger& logger, const void* onnx, std::size_t bytes)
{
    logger.start();
    ParsedNetwork parsed;
    parsed.builder.reset(static_cast<nvinfer1::IBuilder*>(infer.create_builder(&logger, NV_TENSORRT_VERSION)));
    if (parsed.builder == nullptr) {
        throw std::runtime_error(logger.failure("can't start its builder"));
    }
#if defined(AECSAD_TYPES_BY_FLAGS) && NV_TENSORRT_MAJOR < 10
    const uint32_t creation = 1U << static_cast<uint32_t>(nvinfer1::NetworkDefinitionCreationFlag::kEXPLICIT_BATCH);
#else
    const uint32_t creation = 0;
#endif
    parsed.network.reset(parsed.builder->createNetworkV2(creation));
    if (parsed.network == nullptr) {
        throw std::runtime_error(logger.failure("can't begin a network"));
    }
    parsed.parser = Parser().on(*parsed.network, logger);
    if (parsed.parser == nullptr) {
        throw std::runtime_error(logger.failure("can't start its parser"));
    }
    if (!parsed.parser->parse(onnx, bytes, nullptr)) {
        throw std::runtime_error(first_error(*parsed.parser, logger));
    }
    check_parsed(*parsed.network);
    return parsed;
}

std::unique_ptr<nvinfer1::IHostMemory> build(const ParsedNetwork& parsed, Logger& logger,
    const aecsad_tensorrt_flags& flags, aecsad_tensorrt_progress progress)
{
    const std::unique_ptr<nvinfer1::IBuilderConfig> config(parsed.builder->createBuilderConfig());
    if (config == nullptr) {
        throw std::runtime_error(logger.failure("can't begin to build"));
    }
    set_types(*config, flags);
    config->setMemoryPoolLimit(nvinfer1::MemoryPoolType::kWORKSPACE, flags.workspace);
#ifdef AECSAD_PROGRESS
    Progress monitor(progress);
    if (progress != nullptr) {
        config->setProgressMonitor(&monitor);
    }
#else
    static_cast<void>(progress);
#endif
    std::unique_ptr<nvinfer1::IHostMemory> plan(
        parsed.builder->buildSerializedNetwork(*parsed.network, *config));
    if (plan == nullptr || plan->size() == 0) {
        throw std::runtime_error(logger.failure("can't build the network"));
    }
    return plan;
}

} // namespace aecsad
