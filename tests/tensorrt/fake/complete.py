"""Writes a class for each interface of TensorRT that the fake implements, with every pure virtual function in it: one
that the fake does not override ends the process and says which it was. So the fake fits any version of the headers.

    complete.py HEADERS OUT
"""

import pathlib
import re
import sys

CLASSES = {
    "NvInferImpl.h": [
        "VRuntime", "VCudaEngine", "VExecutionContext", "VBuilder", "VBuilderConfig", "VNetworkDefinition", "VHostMemory",
    ],
    "NvOnnxParser.h": ["IParser"],
}
NAMESPACES = {"NvInferImpl.h": "nvinfer1::apiv", "NvOnnxParser.h": "nvonnxparser"}


def without_comments(text: str) -> str:
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)


def body(text: str, name: str) -> str:
    found = re.search(rf"class {name}\b[^;{{]*\{{(.*?)\n\}};", text, re.DOTALL)
    if found is None:
        sys.exit(f"the headers have no class {name}")
    return found.group(1)


def overrides(text: str) -> list[str]:
    found = []
    for declaration in re.findall(r"virtual\s+([^;{}]*?)=\s*0\s*;", text, re.DOTALL):
        plain = re.sub(r"\s*=\s*[^,()]+(?=[,)])", "", " ".join(declaration.split()))
        name = re.search(r"(\w+)\s*\(", plain).group(1)
        if not name.startswith("~") and "~" not in plain:
            found.append(f'    {plain} override {{ unexpected("{name}"); }}')
    return found


def main() -> None:
    headers, out = map(pathlib.Path, sys.argv[1:])
    lines = [
        "#pragma once",
        "#include <NvInfer.h>",
        "#include <NvOnnxParser.h>",
        "#include <cstdio>",
        "#include <cstdlib>",
        '#pragma GCC diagnostic ignored "-Wunused-parameter"',
        "namespace fake {",
        "using namespace nvinfer1;",
        "using namespace nvonnxparser;",
        "[[noreturn]] inline void unexpected(const char* function)",
        '{ std::fprintf(stderr, "the fake has no %s\\n", function); std::abort(); }',
    ]
    for header, names in CLASSES.items():
        text = without_comments((headers / header).read_text())
        for name in names:
            lines += [f"class {name}All : public {NAMESPACES[header]}::{name} {{", "public:", *overrides(body(text, name)), "};"]
    lines.append("}")
    out.write_text("\n".join(lines) + "\n")


main()
