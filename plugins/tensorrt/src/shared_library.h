// A library opened at run time. It is never closed: TensorRT keeps threads and pointers of its own to the end.
#pragma once

#include <string>

namespace aecsad {

class SharedLibrary {
public:
    // Throws a sentence that ends with `remedy` if it can't be opened.
    SharedLibrary(const std::string& name, const std::string& remedy);

    // Throws if the library has no such function.
    template <typename Function>
    void find(Function& function, const char* symbol) const
    {
        function = reinterpret_cast<Function>(address(symbol));
    }

private:
    void* address(const char* symbol) const;

    std::string name_;
    void* handle_; // owned by the process
};

} // namespace aecsad
