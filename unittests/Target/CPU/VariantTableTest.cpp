// The tables of a model's code, compiled and read back as the runtime reads them.
#include "stc/Target/CPU/VariantTable.h"

#include "stc/Runtime/ModelABI.h"
#include "stc/Target/Emission/CodeGenerator.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

#include <dlfcn.h>

using namespace stc;

namespace {

/// The tables of `images` in a library of their own.
class Tables {
public:
  explicit Tables(llvm::ArrayRef<cpu::GpuImage> images) {
    mlir::DialectRegistry registry;
    registerTranslations(registry);
    mlir::MLIRContext context(registry);
    cpu::TargetDescription target = cpu::TargetDescription::parse("native").value();
    auto module = cpu::buildVariantTable(context, {}, images, 42, {});
    auto object = generateCode(*module, target, CodeKind::Object);
    EXPECT_TRUE(object.ok()) << object.status();
    llvm::SmallString<128> base, objectPath, libraryPath;
    EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("stc-tables", base));
    objectPath = libraryPath = base;
    objectPath += "/t.o";
    libraryPath += "/t.so";
    std::error_code error;
    llvm::raw_fd_ostream(objectPath, error) << *object;
    EXPECT_FALSE(error);
    EXPECT_EQ(llvm::sys::ExecuteAndWait(
                  STC_LLD, {STC_LLD, "-shared", objectPath.str(), "-o", libraryPath.str()}),
              0);
    library = dlopen(libraryPath.c_str(), RTLD_NOW | RTLD_LOCAL);
    EXPECT_NE(library, nullptr) << dlerror();
    llvm::sys::fs::remove_directories(base);
  }
  ~Tables() { dlclose(library); }
  template <typename T> const T *find(const char *name) {
    return static_cast<const T *>(dlsym(library, name));
  }

private:
  void *library = nullptr;
};

TEST(VariantTable, HoldsImages) {
  std::string machineCode("\x7f\0ELF\0", 6);
  cpu::GpuImage text{"nvptx-sm_90a", "ptx", ".version 8.0\n", 256, 49152, {64, 256}};
  cpu::GpuImage code{"nvptx-sm_80", "cubin", machineCode, 128, 0, {}};
  Tables tables({text, code});
  ASSERT_EQ(*tables.find<uint64_t>("stc_model_gpu_image_count"), 2u);
  EXPECT_EQ(*tables.find<uint64_t>("stc_model_variant_count"), 0u);
  EXPECT_EQ(*tables.find<uint64_t>("stc_model_fingerprint"), 42u);
  EXPECT_EQ(*tables.find<uint32_t>("stc_model_abi_version"), uint32_t(STC_MODEL_ABI_VERSION));
  const StcGpuImage *images = tables.find<StcGpuImage>("stc_model_gpu_images");
  auto bytes = [](const StcGpuImage &image) {
    return std::string(reinterpret_cast<const char *>(image.bytes), image.size);
  };
  EXPECT_STREQ(images[0].target, "nvptx-sm_90a");
  EXPECT_STREQ(images[0].format, "ptx");
  EXPECT_EQ(bytes(images[0]), std::string(".version 8.0\n\0", 14)) << "the zero is added";
  EXPECT_EQ(images[0].block_threads, 256u);
  EXPECT_EQ(images[0].shared_bytes, 49152u);
  EXPECT_EQ(images[0].few_tokens[0], 64u);
  EXPECT_EQ(images[0].few_tokens[1], 256u);
  EXPECT_STREQ(images[1].target, "nvptx-sm_80");
  EXPECT_STREQ(images[1].format, "cubin");
  EXPECT_EQ(bytes(images[1]), machineCode);
  EXPECT_EQ(images[1].block_threads, 128u);
  EXPECT_EQ(images[1].shared_bytes, 0u);
  EXPECT_EQ(images[1].few_tokens[0], 0u);
  EXPECT_EQ(reinterpret_cast<uint64_t>(images[1].bytes) % 16, 0u);
}

TEST(VariantTable, MayHaveNone) {
  Tables tables({});
  EXPECT_EQ(*tables.find<uint64_t>("stc_model_gpu_image_count"), 0u);
  EXPECT_NE(tables.find<StcGpuImage>("stc_model_gpu_images"), nullptr);
}

} // namespace
