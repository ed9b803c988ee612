# lit configuration: where the tests, the tools and the shared data are.
import os
import platform
import shutil

import lit.formats

config.name = "stc"
config.test_format = lit.formats.ShTest(True)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "EndToEnd", "CMakeLists.txt"]
config.test_source_root = os.path.join(config.stc_source_root, "test")
config.test_exec_root = os.path.join(config.stc_build_root, "test")

tools = [os.path.join(config.stc_build_root, "bin"), config.llvm_tools_dir]
config.environment["PATH"] = os.pathsep.join(tools + [os.environ.get("PATH", "")])
for name in ("HOME", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

shared = os.environ.get("STC_SHARED_DIR", os.path.join(config.stc_source_root, "..", "shared"))
if os.path.isdir(os.path.join(shared, "models")):
    config.available_features.add("shared")
if platform.machine() == "x86_64":
    config.available_features.add("x86_64-host")
    with open("/proc/cpuinfo") as cpuinfo:
        flags = cpuinfo.read()
    if "avx512_vbmi2" in flags and "avx512_vnni" in flags:
        config.available_features.add("avx512-vbmi2-host")

ptxas = shutil.which("ptxas") or "/usr/local/cuda/bin/ptxas"
if os.access(ptxas, os.X_OK):
    config.available_features.add("ptxas")
config.substitutions.append(("%ptxas", ptxas + " -v -arch=sm_90"))
config.substitutions.append(("%shared", shared))
config.substitutions.append(("%root", config.stc_source_root))
config.substitutions.append(("%python", config.python))
