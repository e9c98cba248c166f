// From an ONNX file to a plan.
#pragma once

#include <NvInfer.h>
#include <NvOnnxParser.h>

#include <cstddef>
#include <memory>

#include "aecsad_tensorrt.h"
#include "device.h"

namespace aecsad {

// An ONNX file as TensorRT has read it.
struct ParsedNetwork {
    // Declared in the order in which they are needed, so that they are freed in the reverse.
    std::unique_ptr<nvinfer1::IBuilder> builder;
    std::unique_ptr<nvinfer1::INetworkDefinition> network;
    std::unique_ptr<nvonnxparser::IParser> parser;
};

// Throws what the parser refuses. The bytes must outlive what is read.
ParsedNetwork parse(const InferLibrary& infer, Logger& logger, const void* onnx, std::size_t bytes);

// Compiles for the first GPU. Throws what the builder refuses.
std::unique_ptr<nvinfer1::IHostMemory> build(const ParsedNetwork& parsed, Logger& logger,
    const aecsad_tensorrt_flags& flags, aecsad_tensorrt_progress progress);

} // namespace aecsad
