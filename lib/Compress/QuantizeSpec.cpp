// The text form of quantization specifications.
#include "stc/Compress/Quantize.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include <algorithm>

namespace stc {

std::string QuantizeSpec::str() const {
  if (!enabled)
    return "none";
  // The layout's name without its kind: "-int4-g32".
  return absl::StrCat(method, ":", absl::StripPrefix(layout().str(), "dense-"));
}

/// `isStored`: of codes that a checkpoint stores, which may have minimums.
static absl::StatusOr<QuantizeSpec> parseSpec(absl::string_view text, bool isStored) {
  auto error = [](absl::string_view expected, absl::string_view got) {
    return formatError({"", "quantize", {}}, expected, got);
  };
  constexpr absl::string_view forms =
      "none, int8, int4, int3 or int2, perhaps with -g16 (not int3), -g32, -g64, -g128 or -row, "
      "then -asym behind and rtn:, gptq: or awq: in front";
  QuantizeSpec spec;
  if (text == "none")
    return spec;
  absl::string_view rest = text;
  size_t colon = text.find(':');
  if (colon != text.npos) {
    absl::string_view method = text.substr(0, colon);
    if (method != "rtn" && method != "gptq" && method != "awq")
      return error("the method rtn, gptq or awq", method);
    spec.method = std::string(method);
    spec.methodGiven = true;
    rest = text.substr(colon + 1);
  }
  constexpr std::pair<absl::string_view, ElementKind> elements[] = {{"int8", ElementKind::I8},
                                                                    {"int4", ElementKind::I4},
                                                                    {"int3", ElementKind::I3},
                                                                    {"int2", ElementKind::I2}};
  const auto *element = std::find_if(std::begin(elements), std::end(elements), [&](auto &known) {
    return absl::ConsumePrefix(&rest, known.first);
  });
  if (element == std::end(elements))
    return error(forms, text);
  spec.element = element->second;
  spec.perRow = absl::ConsumePrefix(&rest, "-row");
  if (spec.perRow)
    spec.group = kRowScaleGroup;
  for (int64_t group : {16, 32, 64, 128})
    if (!spec.perRow && absl::ConsumePrefix(&rest, absl::StrCat("-g", group))) {
      spec.group = group;
      break;
    }
  spec.asymmetric = absl::ConsumePrefix(&rest, "-asym");
  spec.minimums = isStored && absl::ConsumePrefix(&rest, "-min");
  if (rest == "-min" && verifyLayout(spec.layout()).ok())
    return error("-asym, or neither: minimums are of codes that a checkpoint stores", text);
  if (!rest.empty() || !verifyLayout(spec.layout()).ok())
    return error(forms, text);
  spec.enabled = true;
  return spec;
}

absl::StatusOr<QuantizeSpec> parseQuantizeSpec(absl::string_view text) {
  return parseSpec(text, /*isStored=*/false);
}

absl::StatusOr<QuantizeSpec> parseWeightSpec(absl::string_view text) {
  bool isStored = absl::ConsumePrefix(&text, "stored:");
  STC_ASSIGN_OR_RETURN(QuantizeSpec spec, parseSpec(text, isStored));
  if (isStored && (!spec.enabled || spec.methodGiven))
    return formatError({"", "quantize", {}}, "int8, int4, int3 or int2 behind stored:", text);
  if (isStored)
    spec.method = "stored";
  return spec;
}

} // namespace stc
