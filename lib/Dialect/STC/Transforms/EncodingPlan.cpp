// A choice of encodings as a recipe, and the reasons for it.
#include "EncodingPlan.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "llvm/ADT/StringExtras.h"

#include <map>

using namespace mlir;

namespace stc {

/// A name with everything that patterns give a meaning taken literally.
static std::string escaped(StringRef name) {
  std::string result;
  for (char c : name) {
    if (StringRef("*?[]{}\\").contains(c))
      result += '\\';
    result += c;
  }
  return result;
}

/// A name around its first part that is a number: ("layers.", "3", ".q"), or (name, "", "").
static std::tuple<StringRef, StringRef, StringRef> splitNumber(StringRef name) {
  for (size_t at = 0; at < name.size();) {
    size_t end = std::min(name.find('.', at), name.size());
    StringRef part = name.slice(at, end);
    if (!part.empty() && llvm::all_of(part, llvm::isDigit))
      return {name.take_front(at), part, name.drop_front(end)};
    at = end + 1;
  }
  return {name, "", ""};
}

/// Patterns of these names: those that differ in a number alone share one.
static std::vector<std::string> patternsOf(ArrayRef<StringRef> names) {
  SmallVector<std::pair<std::pair<StringRef, StringRef>, std::vector<StringRef>>> groups;
  for (StringRef name : names) {
    auto [before, number, after] = splitNumber(name);
    std::pair<StringRef, StringRef> key(before, after);
    auto *group = llvm::find_if(groups, [&](auto &other) { return other.first == key; });
    if (group == groups.end())
      group = &groups.emplace_back(key, std::vector<StringRef>());
    group->second.push_back(number);
  }
  std::vector<std::string> patterns;
  for (auto &[key, numbers] : groups) {
    std::string middle = llvm::join(numbers, ",");
    patterns.push_back(escaped(key.first) +
                       (numbers.size() > 1 ? absl::StrCat("{", middle, "}") : middle) +
                       escaped(key.second));
  }
  return patterns;
}

std::vector<RecipeStage> EncodingPlan::stages() const {
  std::map<size_t, std::vector<StringRef>> names; // by encoding
  for (size_t i = 0; i < weights.size(); ++i) {
    WeightOp weight = weights[i].weight;
    names[costOf(i).encoding].push_back(weight.getSymName());
  }
  size_t common = 0, most = 0;
  for (auto &[encoding, list] : names)
    if (list.size() > most) {
      most = list.size();
      common = encoding;
    }
  std::vector<RecipeStage> result;
  for (auto &[encoding, list] : names)
    if (encoding != common)
      for (std::string &pattern : patternsOf(list))
        result.push_back(
            {std::move(pattern), encodings[encoding].prune, encodings[encoding].quantize});
  if (most > 0)
    result.push_back({"*", encodings[common].prune, encodings[common].quantize});
  return result;
}

std::string EncodingPlan::reason(size_t weight) const {
  const EncodedCost &own = costOf(weight);
  const Encoding &encoding = encodings[own.encoding];
  // The best of the other kind: for a dense one the least KL of what is faster, for a sparse one
  // the least KL of what is not larger, or, where time counts, not slower.
  const EncodedCost *rival = nullptr;
  for (const EncodedCost &cost : weights[weight].costs) {
    if (encodings[cost.encoding].isSparse() == encoding.isSparse())
      continue;
    bool competes = !encoding.isSparse() ? cost.seconds < 0.98 * own.seconds
                    : bySpeed            ? cost.seconds <= 1.02 * own.seconds
                                         : double(cost.bytes) <= 1.02 * double(own.bytes);
    if (competes && (!rival || cost.divergence < rival->divergence))
      rival = &cost;
  }
  std::string text =
      absl::StrCat(encoding.isSparse() ? "is sparse, " : "stays dense, ", encoding.str(), ": ");
  if (!rival)
    return text + (!encoding.isSparse() ? "no sparse encoding is faster"
                   : bySpeed            ? "no dense encoding is as fast"
                                        : "no dense encoding is as small");
  absl::StrAppend(&text, encodings[rival->encoding].str(), " would cost ");
  if (own.divergence > 0)
    absl::StrAppendFormat(&text, "%.2gx the KL", rival->divergence / own.divergence);
  else
    absl::StrAppendFormat(&text, "KL %.2g", rival->divergence);
  if (encoding.isSparse() && !bySpeed)
    absl::StrAppendFormat(&text, " at %.2fx the bytes", double(rival->bytes) / double(own.bytes));
  else
    absl::StrAppendFormat(&text, " for %.2fx the speed", own.seconds / rival->seconds);
  return text;
}

} // namespace stc
