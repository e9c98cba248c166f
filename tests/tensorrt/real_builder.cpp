// Has the real parser and builder of TensorRT read and compile networks, without a GPU: the plugin's own code behind the
// gates. Prints a line for each file: its name, inputs, outputs, layers and bytes of plan.
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <string>

#include "builder.h"
#include "device.h"

int main(int count, char** files)
{
    aecsad::InferLibrary infer {};
    aecsad::Logger logger;
    int failed = 0;
    for (int index = 1; index < count; ++index) {
        try {
            infer.open();
            std::ifstream file(files[index], std::ios::binary);
            const std::string onnx((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
            const aecsad::ParsedNetwork parsed = aecsad::parse(infer, logger, onnx.data(), onnx.size());
            const aecsad_tensorrt_flags flags { 0, uint64_t { 1 } << 30 };
            const auto plan = aecsad::build(parsed, logger, flags, nullptr);
            std::printf("%s inputs %d outputs %d layers %d bytes %zu\n", files[index], parsed.network->getNbInputs(),
                parsed.network->getNbOutputs(), parsed.network->getNbLayers(), plan->size());
        } catch (const std::exception& error) {
            std::printf("%s refused: %s\n", files[index], error.what());
            failed = 1;
        }
        std::fflush(stdout);
    }
    return failed;
}
