#include "logger.h"

namespace aecsad {

void Logger::send_to(aecsad_tensorrt_log log)
{
    const std::lock_guard<std::mutex> lock(mutex_);
    log_ = log;
}

void Logger::log(Severity severity, const char* sentence) noexcept
{
    // A sentence that finds no memory is lost; the call that it belongs to still fails.
    try {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (severity <= Severity::kERROR) {
            error_ = sentence;
        }
        if (log_ != nullptr) {
            log_(static_cast<int32_t>(severity), sentence);
        }
    } catch (...) {
    }
}

void Logger::start()
{
    const std::lock_guard<std::mutex> lock(mutex_);
    error_.clear();
}

std::string Logger::failure(const std::string& attempted)
{
    const std::lock_guard<std::mutex> lock(mutex_);
    return "TensorRT " + attempted + " (" + (error_.empty() ? "it gives no reason" : error_) + ")";
}

} // namespace aecsad
