// The text form of quantization specifications.
#include "stc/Compress/Quantize.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace stc {

std::string QuantizeSpec::str() const {
  if (!enabled)
    return "none";
  return absl::StrCat(method, element == ElementKind::I4 ? ":int4-g" : ":int8-g", group);
}

absl::StatusOr<QuantizeSpec> parseQuantizeSpec(absl::string_view text) {
  auto error = [](absl::string_view expected, absl::string_view got) {
    return formatError({"", "quantize", {}}, expected, got);
  };
  constexpr absl::string_view forms =
      "none, int8 or int4, perhaps with -g32, -g64 or -g128 behind and rtn: in front";
  QuantizeSpec spec;
  if (text == "none")
    return spec;
  absl::string_view rest = text;
  size_t colon = text.find(':');
  if (colon != text.npos) {
    absl::string_view method = text.substr(0, colon);
    if (method == "gptq" || method == "awq")
      return error("the method rtn (the only one this build has)", method);
    if (method != "rtn")
      return error(forms, text);
    rest = text.substr(colon + 1);
  }
  if (absl::ConsumePrefix(&rest, "int8"))
    spec.element = ElementKind::I8;
  else if (absl::ConsumePrefix(&rest, "int4"))
    spec.element = ElementKind::I4;
  else if (absl::StartsWith(rest, "int2") || absl::StartsWith(rest, "int3"))
    return error("int8 or int4 (the only widths this build has)", rest);
  else
    return error(forms, text);
  if (rest == "-g64")
    spec.group = 64;
  else if (rest == "-g128")
    spec.group = 128;
  else if (!rest.empty() && rest != "-g32")
    return error(forms, text);
  spec.enabled = true;
  return spec;
}

} // namespace stc
