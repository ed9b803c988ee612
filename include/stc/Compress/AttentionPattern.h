// Sparse attention patterns: which positions a token may look at, as a text, a rule and a table.
#ifndef STC_COMPRESS_ATTENTIONPATTERN_H
#define STC_COMPRESS_ATTENTIONPATTERN_H

#include "stc/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace stc {

/// Which keys a query sees, by position. p is the query's position, s the key's, d = |p - s|:
///
///   none                everything
///   window:W, W+G       d < W, or s < G (sinks; Xiao et al. 2023)
///   dilated:NxD         the N positions at every D-th distance: d % D = 0, d / D < N (the dilated
///                       sliding window of Longformer, Beltagy et al. 2020)
///   strided:L           d < L or d % L = 0 (Child et al. 2019: what the two heads see together)
///   fixed:LxC           s / L = p / L, or s % L >= L - C (Child et al. 2019, the same)
///   local:W+G           d < W, or s < G, or p < G (Longformer's window and global tokens)
///   bigbird:BxW+G+R@S   in blocks of B positions: W blocks around the query's own (W is odd), the
///                       first G blocks both ways, and R random blocks (Zaheer et al. 2020)
///   blocks:B:K,K/K/...  the key blocks of each query block, one list after the other; the lists
///                       go on with the last one, moved along with the query block
///
/// B is a multiple of 16. Attention that is causal adds s <= p; then BigBird's window looks back
/// alone. The random blocks of query block q are among those before its window and behind the
/// global ones, all of them if there are not more than R: so they do not depend on how long a text
/// is (the paper draws from a sequence of known length, on both sides). They are drawn without
/// replacement by Floyd's algorithm (Bentley and Floyd 1987), with the numbers of
/// Random(S * 2^32 + q), see Support/Random.h. A query always sees its own position.
class AttentionPattern {
public:
  enum class Kind { None, Window, Dilated, Strided, Fixed, Local, BigBird, Blocks };

  /// Parses one of the forms above. Numbers are positive (G and R may be 0) and below 2^24; C is at
  /// most L, R at most 64, a list of `blocks` contains its own block. Anything else is an error
  /// that lists the forms.
  static absl::StatusOr<AttentionPattern> parse(absl::string_view text);
  /// The text that parses to this pattern, with the key blocks of a list in order.
  std::string str() const;

  /// Whether a query sees a key; causality is not asked.
  bool sees(int64_t query, int64_t key) const;
  /// How many of the keys from 0 to `query` it sees.
  int64_t countCausal(int64_t query) const;
  /// Of the blocks of `size` keys up to its own, how many a query at `query` sees any key of.
  int64_t countCausalBlocks(int64_t query, int64_t size) const;

  /// What is seen is a matter of whole blocks (of `size` positions), which a table lists.
  bool hasTable() const { return kind == Kind::BigBird || kind == Kind::Blocks; }
  /// The key blocks that a query block sees, in order; of BigBird's global query blocks, which see
  /// all, only those that any query block has. `hasTable()`.
  std::vector<int64_t> keyBlocks(int64_t queryBlock) const;
  /// What rows of the table have: the most key blocks that a query block sees. `hasTable()`.
  int64_t tableWidth() const;
  /// The rows that a table needs for `positions` positions: query blocks behind the last row see
  /// what it says, moved along. `hasTable()`.
  int64_t tableRows(int64_t positions) const;
  /// `rows` rows of `width` >= tableWidth() key blocks each; kNoBlock fills them. `hasTable()`.
  std::vector<int32_t> table(int64_t rows, int64_t width) const;
  static constexpr int32_t kNoBlock = -(int32_t(1) << 30);

  Kind kind = Kind::None;
  int64_t size = 0;    // W, N, L, L, W, B or B
  int64_t step = 0;    // D
  int64_t summary = 0; // C
  int64_t window = 0;  // BigBird's W
  int64_t globals = 0; // G: positions; BigBird: blocks
  int64_t randoms = 0; // R
  int64_t seed = 0;    // S
  std::vector<std::vector<int64_t>> lists;
};

} // namespace stc

#endif // STC_COMPRESS_ATTENTIONPATTERN_H
