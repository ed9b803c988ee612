// Names, rules and geometry of the layouts.
#include "stc/Packing/Layout.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

namespace stc {

namespace {

int64_t roundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

const char *elementName(ElementKind element) {
  switch (element) {
  case ElementKind::F32:
    return "f32";
  case ElementKind::BF16:
    return "bf16";
  case ElementKind::I8:
    return "int8";
  case ElementKind::I4:
    return "int4";
  case ElementKind::F16:
    return "f16";
  case ElementKind::I3:
    return "int3";
  case ElementKind::I2:
    return "int2";
  }
  return "?";
}

} // namespace

int64_t Layout::codeBits() const {
  switch (element) {
  case ElementKind::I8:
    return 8;
  case ElementKind::I4:
    return 4;
  case ElementKind::I3:
    return 3;
  case ElementKind::I2:
    return 2;
  case ElementKind::F32:
  case ElementKind::BF16:
  case ElementKind::F16:
    break;
  }
  return 0;
}

int64_t Layout::floatBytes() const {
  return isQuantized() ? 0 : element == ElementKind::F32 ? 4 : 2;
}

std::string Layout::str() const {
  std::string text;
  switch (kind) {
  case LayoutKind::Rows:
    text = "rows";
    break;
  case LayoutKind::Dense:
    text = "dense";
    break;
  case LayoutKind::Bitmap:
    text = "bitmap";
    break;
  case LayoutKind::NM:
    text = absl::StrCat(n, ":", m);
    break;
  case LayoutKind::Pairs:
    text = absl::StrCat(n, ":", m, "-pairs");
    break;
  case LayoutKind::Block:
    text = "block";
    break;
  }
  absl::StrAppend(&text, "-", elementName(element));
  if (perRow)
    text += "-row";
  else if (group != 0)
    absl::StrAppend(&text, "-g", group);
  if (asymmetric)
    text += "-asym";
  if (minimums)
    text += "-min";
  return text;
}

absl::Status verifyLayout(const Layout &layout) {
  auto error = [&](absl::string_view field, absl::string_view expected, const std::string &got) {
    return formatError({"", absl::StrCat("layout ", field), {}}, expected, got);
  };
  if (layout.kind > LayoutKind::Block)
    return error("kind", "rows, dense, bitmap, N:M, pairs or block",
                 absl::StrCat(int(layout.kind)));
  if (layout.element > ElementKind::I2)
    return error("element", "f32, bf16, f16, int8, int4, int3 or int2",
                 absl::StrCat(int(layout.element)));
  if (layout.kind == LayoutKind::Rows && layout.isQuantized())
    return error("element", "f32, bf16 or f16 in rows", elementName(layout.element));
  if (layout.kind == LayoutKind::Pairs && layout.element != ElementKind::I4)
    return error("element", "int4 in pairs", elementName(layout.element));
  bool isShort = layout.element == ElementKind::I3 || layout.element == ElementKind::I2;
  if (layout.hasMasks() && isShort)
    return error("element", "a float, int8 or int4 beside masks", elementName(layout.element));
  if (layout.kind == LayoutKind::Block && (isShort || !layout.isQuantized()))
    return error("element", "int8 or int4 in blocks", elementName(layout.element));
  if (layout.asymmetric && (layout.kind != LayoutKind::Dense || !layout.isQuantized()))
    return error("zeros", "none unless the layout is dense and quantized", "asymmetric");
  if (layout.minimums && (layout.kind != LayoutKind::Dense || !layout.isQuantized()))
    return error("minimums", "none unless the layout is dense and quantized", "minimums");
  if (layout.minimums && (layout.asymmetric || layout.perRow))
    return error("minimums", "none beside zeros or scales of rows", "minimums");
  if (layout.isQuantized()) {
    bool hasSixteen = layout.kind == LayoutKind::Dense && layout.element != ElementKind::I3;
    if ((layout.group != 16 || !hasSixteen) && layout.group != 32 && layout.group != 64 &&
        layout.group != 128)
      return error("group", hasSixteen ? "16, 32, 64 or 128" : "32, 64 or 128",
                   absl::StrCat(layout.group));
    if (layout.perRow && layout.group != kRowScaleGroup)
      return error("group", absl::StrCat(kRowScaleGroup, " with scales of rows"),
                   absl::StrCat(layout.group));
  } else if (layout.group != 0 || layout.perRow) {
    return error("group", "0 for floats",
                 layout.perRow ? std::string("scales of rows") : absl::StrCat(layout.group));
  }
  if (layout.kind == LayoutKind::NM) {
    if (layout.m != 4 && layout.m != 8 && layout.m != 16)
      return error("m", "4, 8 or 16", absl::StrCat(layout.m));
    if (layout.n <= 0 || layout.n >= layout.m)
      return error("n", absl::StrCat("1 to ", layout.m - 1), absl::StrCat(layout.n));
  } else if (layout.kind == LayoutKind::Pairs) {
    if (layout.m != 16)
      return error("m", "16 in pairs", absl::StrCat(layout.m));
    if (layout.n != 1 && layout.n != 2 && layout.n != 4 && layout.n != 8)
      return error("n", "1, 2, 4 or 8 in pairs", absl::StrCat(layout.n));
    if (layout.n == 1 && layout.group < 64)
      return error("group", "64 or 128 in pairs of 1:16", absl::StrCat(layout.group));
  } else if (layout.n != 0 || layout.m != 0) {
    return error("n:m", "0:0 unless the layout is N:M or pairs",
                 absl::StrCat(layout.n, ":", layout.m));
  }
  return absl::OkStatus();
}

TileGeometry tileGeometry(const Layout &layout, int64_t rows, int64_t columns) {
  TileGeometry geometry;
  geometry.rowTiles = (rows + kTileRows - 1) / kTileRows;
  if (!layout.isQuantized() && !layout.hasMasks()) {
    geometry.paddedColumns = columns;
    if (layout.kind == LayoutKind::Dense)
      geometry.tileBytes = roundUp(columns * kTileRows * layout.floatBytes(), kSectionAlignment);
    return geometry;
  }
  geometry.paddedColumns = roundUp(columns, layout.group ? layout.group : kSparseFloatColumns);
  geometry.groups = layout.group ? geometry.paddedColumns / layout.group : 0;
  geometry.scaleGroups = layout.perRow ? 1 : geometry.groups;
  geometry.steps = geometry.paddedColumns / kDotColumns;
  int64_t end = 0;
  auto section = [&](int64_t bytes) {
    int64_t start = end;
    end += roundUp(bytes, kSectionAlignment);
    return start;
  };
  geometry.scalesOffset = section(geometry.scaleGroups * kTileRows * 2);
  if (layout.asymmetric)
    geometry.zerosOffset = section(geometry.scaleGroups * kTileRows);
  if (layout.minimums)
    geometry.minimumsOffset = section(geometry.scaleGroups * kTileRows * 2);
  geometry.masksOffset = section(layout.hasMasks() ? geometry.steps * 8 : 0);
  if (layout.kind == LayoutKind::Block) {
    geometry.endsOffset = section(geometry.groups * 2);
    geometry.indicesOffset = end;
    geometry.masksOffset = end;
  }
  geometry.valuesOffset = end;
  if (layout.hasTable())
    geometry.tableBytes = roundUp((geometry.rowTiles + 1) * 4, kSectionAlignment);
  int64_t valueBytes = 0;
  switch (layout.kind) {
  case LayoutKind::Rows:
  case LayoutKind::Bitmap:
  case LayoutKind::Block:
    return geometry;
  case LayoutKind::Dense:
    valueBytes = geometry.steps * kStepBytes * layout.codeBits() / 8;
    break;
  case LayoutKind::NM:
    geometry.chunkPairBytes = kTileRows * layout.n * std::max<int64_t>(1, layout.floatBytes());
    valueBytes = geometry.steps / layout.chunkSteps() / layout.lanes() * geometry.chunkPairBytes;
    break;
  case LayoutKind::Pairs:
    valueBytes = geometry.paddedColumns / layout.m * layout.n * kTileRows;
    break;
  }
  geometry.tileBytes = end + roundUp(valueBytes, kSectionAlignment);
  return geometry;
}

int64_t blockValuesOffset(const TileGeometry &geometry, int64_t stored) {
  return geometry.indicesOffset + roundUp(stored * 2, kSectionAlignment);
}

int64_t blockStepBytes(const Layout &layout) { return kStepBytes * layout.codeBits() / 8; }

} // namespace stc
