// All that TensorRT's headers read of CUDA's: so the plugin is compiled without the CUDA toolkit.
#pragma once

typedef struct CUevent_st* cudaEvent_t;
typedef struct CUstream_st* cudaStream_t;
