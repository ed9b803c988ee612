// Byte-pair encoding of one pre-token: symbols are joined pair by pair, best pair first.
#ifndef STC_LIB_TOKENIZER_BPEMODEL_H
#define STC_LIB_TOKENIZER_BPEMODEL_H

#include "Vocabulary.h"

#include <algorithm>
#include <optional>

namespace stc {

/// A stretch of the pre-token that is one token by now. Symbols form a list in text order; a
/// symbol that was joined to its left neighbour has length 0.
struct BpeSymbol {
  uint32_t begin = 0, length = 0;
  int32_t id = -1; // -1: no token has this text
  int32_t previous = -1, next = -1;
};

/// A pair of neighbours that may be joined. Smaller `order` goes first; it holds the priority in
/// its upper half and the place in the text in its lower, so that equal pairs go left to right.
struct BpeCandidate {
  uint64_t order;
  int32_t right; // index of the right symbol
  uint32_t end;  // where the right symbol ended when this was noted
  int32_t id;    // of the joined token
};

/// Buffers that are kept from one pre-token to the next.
struct BpeScratch {
  std::vector<BpeSymbol> symbols;
  std::vector<BpeCandidate> heap;
  /// Where to cut tokens that must not appear in the output (SentencePiece's unused ones): the
  /// length of the left part they were joined from.
  absl::flat_hash_map<int32_t, uint32_t> cuts;
  std::vector<BpeSymbol> stack;
};

/// What a joined pair becomes: its id, and its priority (smaller goes first).
struct BpeJoin {
  uint32_t priority;
  int32_t id;
};

/// Adds a symbol at the end of the list.
inline void appendSymbol(std::vector<BpeSymbol> &symbols, uint32_t begin, uint32_t length,
                         int32_t id) {
  int32_t index = int32_t(symbols.size());
  if (index > 0)
    symbols.back().next = index;
  symbols.push_back({begin, length, id, index - 1, -1});
}

/// Joins symbols until no pair is left that `findJoin(left, right) -> optional<BpeJoin>` knows.
/// Every join adds at most two candidates to the heap: O(n log n) for n symbols.
template <typename FindJoin> void joinSymbols(BpeScratch &scratch, FindJoin findJoin) {
  std::vector<BpeSymbol> &symbols = scratch.symbols;
  std::vector<BpeCandidate> &heap = scratch.heap;
  auto later = [](const BpeCandidate &a, const BpeCandidate &b) { return a.order > b.order; };
  auto consider = [&](int32_t left, int32_t right) {
    if (left < 0 || right < 0)
      return false;
    std::optional<BpeJoin> join = findJoin(symbols[left], symbols[right]);
    if (!join)
      return false;
    heap.push_back({uint64_t(join->priority) << 32 | uint32_t(left), right,
                    symbols[right].begin + symbols[right].length, join->id});
    return true;
  };

  heap.clear();
  for (int32_t i = 0, last = int32_t(symbols.size()) - 1; i < last; ++i)
    consider(i, i + 1);
  std::make_heap(heap.begin(), heap.end(), later);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    BpeCandidate top = heap.back();
    heap.pop_back();
    int32_t index = int32_t(uint32_t(top.order));
    BpeSymbol &left = symbols[index], &right = symbols[top.right];
    // A candidate is out of date once either side was joined to something else.
    if (left.length == 0 || left.next != top.right || right.begin + right.length != top.end)
      continue;
    left.length += right.length;
    left.id = top.id;
    left.next = right.next;
    right.length = 0;
    if (right.next >= 0)
      symbols[right.next].previous = index;
    if (consider(left.previous, index))
      std::push_heap(heap.begin(), heap.end(), later);
    if (consider(index, left.next))
      std::push_heap(heap.begin(), heap.end(), later);
  }
}

/// Merges by rank: which pairs of ids join, in which order, and into what.
class MergeTable {
public:
  /// Takes the merges of `spec`; both parts and the whole must be tokens. Of equal pairs the first
  /// counts. A merge whose result is a control, unknown or byte token is checked and then left
  /// out, so that text never turns into one.
  absl::Status build(const TokenizerSpec &spec, const Vocabulary &vocabulary,
                     const std::string &file);
  std::optional<BpeJoin> find(int32_t left, int32_t right) const {
    auto found = joins.find(key(left, right));
    if (found == joins.end())
      return std::nullopt;
    return found->second;
  }

private:
  static uint64_t key(int32_t left, int32_t right) {
    return uint64_t(uint32_t(left)) << 32 | uint32_t(right);
  }
  absl::flat_hash_map<uint64_t, BpeJoin> joins;
};

} // namespace stc

#endif // STC_LIB_TOKENIZER_BPEMODEL_H
