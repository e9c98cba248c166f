// The fake driver: the GPU's memory is the host's, and every copy is done at once.
#include <cstdlib>
#include <cstring>

namespace {

bool fault(const char* name)
{
    const char* wanted = std::getenv("FAKE_TENSORRT_FAULT");
    return wanted != nullptr && std::strcmp(wanted, name) == 0;
}

using Address = unsigned long long;

} // namespace

extern "C" {

int cuInit(unsigned) { return fault("driver") ? 100 : 0; }

int cuDriverGetVersion(int* version)
{
    *version = 12060;
    return 0;
}

int cuDeviceGetCount(int* count)
{
    *count = fault("no-gpu") ? 0 : 1;
    return 0;
}

int cuDeviceGet(int* device, int ordinal)
{
    *device = ordinal;
    return 0;
}

int cuDeviceGetName(char* name, int length, int)
{
    std::strncpy(name, "a fake GPU", static_cast<size_t>(length));
    return 0;
}

int cuDeviceGetAttribute(int* value, int, int)
{
    *value = 8;
    return 0;
}

int cuDevicePrimaryCtxRetain(void** context, int)
{
    *context = nullptr;
    return 0;
}

int cuCtxSetCurrent(void*) { return 0; }
int cuStreamSynchronize(void*) { return 0; }
int cuStreamDestroy_v2(void* stream)
{
    std::free(stream);
    return 0;
}

int cuStreamCreate(void** stream, unsigned)
{
    *stream = std::malloc(1);
    return 0;
}

int cuMemAlloc_v2(Address* address, size_t bytes)
{
    *address = reinterpret_cast<Address>(std::malloc(bytes));
    return 0;
}

int cuMemFree_v2(Address address)
{
    std::free(reinterpret_cast<void*>(address));
    return 0;
}

int cuMemAllocHost_v2(void** address, size_t bytes)
{
    *address = std::malloc(bytes);
    return 0;
}

int cuMemFreeHost(void* address)
{
    std::free(address);
    return 0;
}

int cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t bytes, void*)
{
    std::memcpy(reinterpret_cast<void*>(to), from, bytes);
    return 0;
}

int cuMemcpyDtoHAsync_v2(void* to, Address from, size_t bytes, void*)
{
    std::memcpy(to, reinterpret_cast<const void*>(from), bytes);
    return 0;
}

int cuGetErrorName(int, const char** name)
{
    *name = "an error of the fake";
    return 0;
}

}
