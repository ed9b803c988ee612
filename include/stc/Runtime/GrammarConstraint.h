// Keeps generated tokens within a grammar.
#ifndef STC_RUNTIME_GRAMMARCONSTRAINT_H
#define STC_RUNTIME_GRAMMARCONSTRAINT_H

#include "stc/Grammar/Grammar.h"
#include "stc/Runtime/Model.h"

namespace stc {

/// Follows one text through a grammar and says which tokens may come next: those all of whose bytes
/// may. What is found out about a state of the grammar is kept, as texts come by it again.
class GrammarConstraint {
public:
  /// `model` must outlive the constraint. Error: it has no tokenizer.
  static absl::StatusOr<std::unique_ptr<GrammarConstraint>>
  create(std::shared_ptr<const Grammar> grammar, const Model &model);

  /// Begins a new text. `stripsSpace`: a space before the first token is not shown.
  void restart(bool stripsSpace);
  /// Copies `logits` to `scores`, with minus infinity for the tokens that may not come; those of
  /// `ends` may where the text may end. Returns whether any may come: if none, the text ends here.
  /// Errors: no token goes on and the text may not end, or the grammar is too ambiguous.
  absl::StatusOr<bool> apply(absl::Span<const float> logits, absl::Span<const int32_t> ends,
                             std::vector<float> &scores);
  /// Takes the token that was chosen, one that may come.
  absl::Status accept(int32_t token);
  /// Whether the text is complete and nothing more may come.
  bool isComplete() const { return matcher.mustEnd(state); }

private:
  using State = GrammarMatcher::State;
  GrammarConstraint(std::shared_ptr<const Grammar> grammar, const Tokenizer &tokenizer);
  absl::StatusOr<State> follow(State from, absl::string_view bytes);
  absl::StatusOr<const std::vector<bool> *> allowed();
  absl::StatusOr<std::vector<bool>> allowedFirst();
  std::string shown(int32_t token) const;

  const Tokenizer &tokenizer;
  GrammarMatcher matcher;
  State state;
  bool stripsSpace = false; // nothing was shown yet
  struct Piece {
    std::string bytes;
    int32_t id;
    size_t shared; // bytes at its beginning that the piece before has, too
  };
  std::vector<Piece> pieces; // sorted by bytes
  absl::flat_hash_map<State, std::vector<bool>> masks;
  std::vector<bool> firstMask;
};

} // namespace stc

#endif // STC_RUNTIME_GRAMMARCONSTRAINT_H
