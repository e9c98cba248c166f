// The fake libnvonnxparser: hands the file to the CPU engine.
#include "fake.h"

namespace fake {

namespace {

    class Parser final : public IParserAll {
    public:
        explicit Parser(Definition& definition)
            : definition_(definition)
        {
        }

#if defined(TRT_MAJOR_RTX) || NV_TENSORRT_MAJOR >= 10
        bool parse(const void* onnx, std::size_t bytes, const char*) noexcept override { return read(onnx, bytes); }
        int getNbErrors() const noexcept override { return 0; }
#else
        bool parse(const void* onnx, std::size_t bytes, const char*) override { return read(onnx, bytes); }
        int getNbErrors() const override { return 0; }
#endif

    private:
        bool read(const void* onnx, std::size_t bytes)
        {
            definition_.functions.network = fake_cpu_load(onnx, bytes);
            definition_.functions.onnx.assign(static_cast<const char*>(onnx), bytes);
            return definition_.functions.network != nullptr;
        }

        Definition& definition_; // the plugin's
    };

} // namespace

} // namespace fake

extern "C" void* createNvOnnxParser_INTERNAL(void* network, void*, int) noexcept
{
    auto* definition = static_cast<nvinfer1::INetworkDefinition*>(network);
    return static_cast<nvonnxparser::IParser*>(new fake::Parser(static_cast<fake::Definition&>(*definition)));
}
