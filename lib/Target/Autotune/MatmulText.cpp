// A packed.matmul on memrefs as text, for kernels that are compiled on their own.
#include "stc/Target/Autotune/MatmulText.h"

#include "stc/Packing/Pack.h"
#include "stc/Target/Autotune/JitKernel.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include <vector>

using namespace stc;

static std::string matrixType(const MatmulText &text, int64_t columns, const char *element) {
  return absl::StrCat("memref<", text.tokens, "x", columns, "x", element, ">");
}

static std::string weightType(const MatmulText &text) {
  return absl::StrCat("!packed.weight<", text.rows, "x", text.columns, ", ",
                      layoutText(text.layout), ">");
}

static std::vector<std::string> inputTypes(const MatmulText &text) {
  std::string rounded = matrixType(text, splitHalfColumns(text.columns),
                                   text.layout.element == ElementKind::BF16 ? "bf16" : "f16");
  if (text.layout.isQuantized() && text.rounded)
    return {rounded};
  if (text.layout.isQuantized()) {
    TileGeometry geometry = tileGeometry(text.layout, text.rows, text.columns);
    int64_t groups = text.perToken ? 1 : geometry.groups;
    return {matrixType(text, geometry.paddedColumns, "i8"), matrixType(text, groups, "f32"),
            matrixType(text, groups, "i32")};
  }
  std::vector<std::string> types = {matrixType(text, text.columns, "f32")};
  if (text.split)
    types.push_back(matrixType(text, 2 * splitHalfColumns(text.columns), "bf16"));
  if (text.rounded)
    types.push_back(rounded);
  return types;
}

std::string MatmulText::parameters() const {
  std::string text = absl::StrCat("%w: ", weightType(*this));
  int64_t number = 0;
  for (const std::string &type : inputTypes(*this))
    absl::StrAppend(&text, ", %x", number++, ": ", type);
  std::string result = matrixType(*this, rows, "f32");
  absl::StrAppend(&text, ", %y: ", result);
  if (bias)
    absl::StrAppend(&text, ", %b: memref<", rows, "xf32>");
  if (gate)
    absl::StrAppend(&text, ", %g: ", result);
  std::string angles = matrixType(*this, rotaryPairs, "f32");
  if (rotaryPairs > 0)
    absl::StrAppend(&text, ", %cos: ", angles, ", %sin: ", angles);
  if (residual)
    absl::StrAppend(&text, ", %r: ", result);
  return text;
}

std::string MatmulText::operands() const {
  std::vector<std::string> types = inputTypes(*this), names;
  for (size_t i = 0; i < types.size(); ++i)
    names.push_back(absl::StrCat("%x", i));
  std::string result = matrixType(*this, rows, "f32");
  std::string text =
      absl::StrCat("ins(", absl::StrJoin(names, ", "), " : ", absl::StrJoin(types, ", "),
                   ") weight(%w : ", weightType(*this), ")");
  if (bias)
    absl::StrAppend(&text, " bias(%b : memref<", rows, "xf32>)");
  // Exact data needs an activation that is exact; all others share what surrounds it.
  if (gate)
    absl::StrAppend(&text, " gate <relu>(%g : ", result, ")");
  std::string angles = matrixType(*this, rotaryPairs, "f32");
  if (rotaryPairs > 0)
    absl::StrAppend(&text, " rotary(%cos, %sin : ", angles, ", ", angles, ")");
  if (residual)
    absl::StrAppend(&text, " residual(%r : ", result, ")");
  return absl::StrCat(text, " outs(%y : ", result, ")");
}
