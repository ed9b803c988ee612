// The fake model's code as the compiler would emit it: for processors, and for GPUs.
#include "FakeFunctions.h"

namespace {

constexpr uint8_t ptx[] = {
#embed STC_FAKE_PTX suffix(, 0)
};

} // namespace

extern "C" {

const uint64_t stc_model_fingerprint = 0x5EED0FA7E57C0DE5;
const uint32_t stc_model_abi_version = STC_MODEL_ABI_VERSION;
const uint64_t stc_model_variant_count = 1;
const StcVariant stc_model_variants[] = {{"fake", "", stc::test::prefill, stc::test::decode,
                                          stc::test::score, stc::test::encode, stc::test::stem}};
const uint64_t stc_model_gpu_image_count = 1;
const StcGpuImage stc_model_gpu_images[] = {{"nvptx-sm_70", "ptx", ptx, sizeof(ptx),
                                             /*block_threads=*/96, /*shared_bytes=*/1024,
                                             /*few_tokens=*/{}}};
}
