// The tensors of one compressed layer on their way to one matrix.
#ifndef STC_LIB_FORMATS_JOINER_H
#define STC_LIB_FORMATS_JOINER_H

#include "QuantizationConfig.h"
#include "stc/Formats/Encoding.h"

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

namespace stc {

/// Puts the tensors of all layers together, one layer after another. Methods that fill `encoding`
/// from the tensors of the layer at hand return an error that names the tensor at fault.
class Joiner {
public:
  Joiner(const std::vector<TensorView> &tensors, const QuantizationConfig &config)
      : tensors(tensors), config(config) {
    for (const TensorView &tensor : tensors)
      byName[tensor.name] = &tensor;
  }

  absl::StatusOr<std::vector<TensorView>> join();

private:
  using Method = QuantizationConfig::Method;
  using Order = PackedCodes::Order;
  using Shape = std::vector<int64_t>;
  static constexpr int64_t kMost = int64_t(1) << 31; // rows or columns

  /// The tensor `layer` + `suffix`, which is then a part of the layer.
  const TensorView *take(absl::string_view suffix) {
    auto found = byName.find(absl::StrCat(layer, suffix));
    if (found == byName.end())
      return nullptr;
    taken.insert(found->second->name);
    return found->second;
  }
  absl::StatusOr<const TensorView *> need(absl::string_view suffix, absl::string_view what) {
    if (const TensorView *tensor = take(suffix))
      return tensor;
    return formatError({std::string(anchor->file), absl::StrCat("tensor ", layer, suffix), {}},
                       what, "no such tensor");
  }

  absl::StatusOr<bool> describe(const TensorView &tensor);
  absl::Status gptqOrAwq();
  absl::Status gemv();
  /// The scheme whose shapes the tensors of a GPTQ layer have, or the first one.
  const QuantizationScheme &gptqScheme() const;
  absl::Status words();
  absl::Status marlin24();
  absl::Status float4();
  absl::Status bytes();
  absl::Status fourBits();
  absl::Status bitmask();
  absl::Status addMicroscaled(const TensorView &blocks, std::vector<TensorView> &all);
  absl::Status addScales(absl::string_view suffix, const QuantizationScheme &scheme);
  absl::Status addZeros(absl::string_view suffix, const QuantizationScheme &scheme);
  absl::Status addGroupOf(absl::string_view suffix, int64_t groups);
  absl::Status setSize(int64_t rows, int64_t columns);
  bool scalesFit(const TensorView &scales, const QuantizationScheme &scheme) const;
  bool isOfActivations(absl::string_view name) const;

  const std::vector<TensorView> &tensors;
  const QuantizationConfig &config;
  absl::flat_hash_map<std::string, const TensorView *> byName;
  absl::flat_hash_set<std::string> taken;
  // Of the layer at hand:
  std::string layer;
  const TensorView *anchor = nullptr;
  StoredEncoding encoding;
};

/// Where errors about a tensor are.
ErrorSite partSite(const TensorView &tensor);
/// The error that a tensor has another type or shape than `expected`.
absl::Status shapeError(const TensorView &tensor, absl::string_view expected);
/// "[2, 3]".
std::string shapeText(const std::vector<int64_t> &shape);
/// Words that `count` codes take.
int64_t wordsOf(int64_t count, int64_t bits, PackedCodes::Order order);
/// ceil(size / tile).
inline int64_t tilesOf(int64_t size, int64_t tile) { return (size + tile - 1) / tile; }

} // namespace stc

#endif // STC_LIB_FORMATS_JOINER_H
