// Names, rules and geometry of the layouts.
#include "stc/Packing/Layout.h"

#include "absl/strings/str_cat.h"

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
  }
  return "?";
}

} // namespace

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
  }
  absl::StrAppend(&text, "-", elementName(element));
  if (group != 0)
    absl::StrAppend(&text, "-g", group);
  return text;
}

absl::Status verifyLayout(const Layout &layout) {
  auto error = [&](absl::string_view field, absl::string_view expected, const std::string &got) {
    return formatError({"", absl::StrCat("layout ", field), {}}, expected, got);
  };
  if (layout.kind > LayoutKind::NM)
    return error("kind", "rows, dense, bitmap or N:M", absl::StrCat(int(layout.kind)));
  if (layout.element > ElementKind::I4)
    return error("element", "f32, bf16, int8 or int4", absl::StrCat(int(layout.element)));
  if (layout.kind == LayoutKind::Rows && layout.isQuantized())
    return error("element", "f32 or bf16 in rows", elementName(layout.element));
  if (layout.isSparse() && !layout.isQuantized())
    return error("element", "int8 or int4 in a sparse layout", elementName(layout.element));
  if (layout.isQuantized()) {
    if (layout.group != 32 && layout.group != 64 && layout.group != 128)
      return error("group", "32, 64 or 128", absl::StrCat(layout.group));
  } else if (layout.group != 0) {
    return error("group", "0 for floats", absl::StrCat(layout.group));
  }
  if (layout.kind == LayoutKind::NM) {
    if (layout.m != 4 && layout.m != 8 && layout.m != 16)
      return error("m", "4, 8 or 16", absl::StrCat(layout.m));
    if (layout.n <= 0 || layout.n >= layout.m)
      return error("n", absl::StrCat("1 to ", layout.m - 1), absl::StrCat(layout.n));
  } else if (layout.n != 0 || layout.m != 0) {
    return error("n:m", "0:0 unless the layout is N:M", absl::StrCat(layout.n, ":", layout.m));
  }
  return absl::OkStatus();
}

TileGeometry tileGeometry(const Layout &layout, int64_t rows, int64_t columns) {
  TileGeometry geometry;
  geometry.rowTiles = (rows + kTileRows - 1) / kTileRows;
  if (!layout.isQuantized()) {
    geometry.paddedColumns = columns;
    if (layout.kind == LayoutKind::Dense) {
      int64_t elementBytes = layout.element == ElementKind::F32 ? 4 : 2;
      geometry.tileBytes = roundUp(columns * kTileRows * elementBytes, kSectionAlignment);
    }
    return geometry;
  }
  geometry.paddedColumns = roundUp(columns, layout.group);
  geometry.groups = geometry.paddedColumns / layout.group;
  geometry.steps = geometry.paddedColumns / kDotColumns;
  int64_t scaleBytes = roundUp(geometry.groups * kTileRows * 2, kSectionAlignment);
  geometry.masksOffset = scaleBytes;
  geometry.valuesOffset = scaleBytes;
  if (layout.isSparse())
    geometry.valuesOffset += roundUp(geometry.steps * 8, kSectionAlignment);
  switch (layout.kind) {
  case LayoutKind::Rows:
    break;
  case LayoutKind::Dense:
    geometry.tileBytes = geometry.valuesOffset + geometry.steps * kStepBytes / layout.lanes();
    break;
  case LayoutKind::Bitmap:
    geometry.tableBytes = roundUp((geometry.rowTiles + 1) * 4, kSectionAlignment);
    break;
  case LayoutKind::NM:
    geometry.chunkPairBytes = kTileRows * layout.n;
    int64_t pairs = geometry.steps / layout.chunkSteps() / layout.lanes();
    geometry.tileBytes =
        geometry.valuesOffset + roundUp(pairs * geometry.chunkPairBytes, kSectionAlignment);
    break;
  }
  return geometry;
}

} // namespace stc
