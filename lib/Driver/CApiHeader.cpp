// OUT.h: the C API under a model's own prefix.
#include "CApiHeader.h"

#include "CApiText.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"

std::string stc::capiHeader(const std::string &prefix) {
  return absl::StrReplaceAll(
      capiText, {{"stc_model_", prefix + "_"},
                 {"STC_RUNTIME_CAPI_H", "STC_MODEL_" + absl::AsciiStrToUpper(prefix) + "_H"}});
}
