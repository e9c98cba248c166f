// The C interface of the plugin, which the runtime opens with dlopen.
//
// Every function that can fail returns 0 on success. On failure it returns 1 and writes a sentence into `reason`, which has
// room for AECSAD_TENSORRT_REASON bytes. No exception leaves a function. Each pointer says who owns it.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define AECSAD_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

// Grows with each change of this file. The runtime refuses a plugin with another number.
#define AECSAD_TENSORRT_ABI 1
#define AECSAD_TENSORRT_REASON 1024
#define AECSAD_TENSORRT_DIMENSIONS 8

// The caller owns all of it; the strings end with 0.
typedef struct {
    char tensorrt[32];   // "10.3.0"
    char gpu[256];       // "Orin"
    char capability[16]; // "8.7"
    char driver[16];     // the CUDA version that the driver supports, "12.6"
} aecsad_tensorrt_device;

typedef struct {
    // Whether a layer may compute in FP16. A quantised layer computes in int8 either way.
    int32_t half;
    // The most device memory that a layer may use beside its inputs and outputs, in bytes.
    uint64_t workspace;
} aecsad_tensorrt_flags;

// What the library logs: 0 internal error, 1 error, 2 warning, 3 information, 4 verbose. The sentence is the library's and
// valid during the call. Called from any thread, until the process ends; must not throw.
typedef void (*aecsad_tensorrt_log)(int32_t severity, const char* sentence);
// How far a build is: `step` of `steps` of its outermost phase. `phase` is the library's and valid during the call.
typedef void (*aecsad_tensorrt_progress)(const char* phase, int32_t step, int32_t steps);

// A compiled network as bytes. The caller owns it and frees it with aecsad_tensorrt_free_plan.
typedef struct aecsad_tensorrt_plan aecsad_tensorrt_plan;
// A compiled network with its buffers and stream. The caller owns it and frees it with aecsad_tensorrt_free_network. One
// thread may use it at a time.
typedef struct aecsad_tensorrt_network aecsad_tensorrt_network;

AECSAD_API int32_t aecsad_tensorrt_abi(void);

// Opens NVIDIA's libraries and the first GPU, once for the process: they are never closed, since TensorRT keeps the
// address of its logger. Must be called, with success, before any function below.
AECSAD_API int32_t aecsad_tensorrt_open(aecsad_tensorrt_log log, aecsad_tensorrt_device* device, char* reason);

// Compiles an ONNX file, which takes minutes. The bytes stay the caller's.
AECSAD_API int32_t aecsad_tensorrt_build(const void* onnx, size_t bytes, const aecsad_tensorrt_flags* flags,
    aecsad_tensorrt_progress progress, aecsad_tensorrt_plan** plan, char* reason);
// The bytes stay the plan's.
AECSAD_API const void* aecsad_tensorrt_plan_bytes(const aecsad_tensorrt_plan* plan, size_t* bytes);
AECSAD_API void aecsad_tensorrt_free_plan(aecsad_tensorrt_plan* plan);

// Makes a plan ready to run, with its inputs and outputs in the order of these names, which stay the caller's like the
// bytes. Fails unless the plan has exactly these tensors, each of floats in a fixed shape.
AECSAD_API int32_t aecsad_tensorrt_load(const void* plan, size_t bytes, const char* const* inputs, size_t input_count,
    const char* const* outputs, size_t output_count, aecsad_tensorrt_network** network, char* reason);
// Another one of the same network, for another thread; the weights are shared.
AECSAD_API int32_t aecsad_tensorrt_fork(
    const aecsad_tensorrt_network* network, aecsad_tensorrt_network** forked, char* reason);
AECSAD_API void aecsad_tensorrt_free_network(aecsad_tensorrt_network* network);

// The shape of an input (`output` is 0) or an output: writes at most AECSAD_TENSORRT_DIMENSIONS values and returns their
// number, 0 where there is no such tensor.
AECSAD_API size_t aecsad_tensorrt_shape(
    const aecsad_tensorrt_network* network, int32_t output, size_t index, size_t* dimensions);

// Runs the network once and waits for it. Each input points at as many floats as its shape has; they stay the caller's.
AECSAD_API int32_t aecsad_tensorrt_run(aecsad_tensorrt_network* network, const float* const* inputs, char* reason);
// The values of an output after the latest run, as many as its shape has. They stay the network's and are overwritten by
// its next run. NULL where there is no such output.
AECSAD_API const float* aecsad_tensorrt_output(const aecsad_tensorrt_network* network, size_t index);

#ifdef __cplusplus
}
#endif
