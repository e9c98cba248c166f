#include "shared_library.h"

#include <dlfcn.h>

#include <stdexcept>

namespace aecsad {

SharedLibrary::SharedLibrary(const std::string& name, const std::string& remedy)
    : name_(name)
    , handle_(dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL))
{
    if (handle_ == nullptr) {
        const char* why = dlerror();
        throw std::runtime_error(
            name + " can't be opened (" + (why == nullptr ? "no reason given" : why) + "): " + remedy);
    }
}

void* SharedLibrary::address(const char* symbol) const
{
    void* found = dlsym(handle_, symbol);
    if (found == nullptr) {
        throw std::runtime_error(name_ + " has no function " + symbol + ": it is not the library it is named after");
    }
    return found;
}

} // namespace aecsad
