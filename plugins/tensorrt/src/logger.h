// TensorRT's log: the latest error is kept, since it is the only reason that TensorRT gives for a failure.
#pragma once

#include <NvInfer.h>

#include <mutex>
#include <string>

#include "aecsad_tensorrt.h"

namespace aecsad {

class Logger final : public nvinfer1::ILogger {
public:
    void send_to(aecsad_tensorrt_log log);

    void log(Severity severity, const char* sentence) noexcept override;

    // Forgets what was logged before.
    void start();

    // `attempted` with the latest error since the start.
    std::string failure(const std::string& attempted);

private:
    std::mutex mutex_;
    aecsad_tensorrt_log log_ = nullptr;
    std::string error_;
};

} // namespace aecsad
