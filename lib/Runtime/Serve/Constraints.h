// Grammars that answers have to follow, kept for the next request that has the same.
#ifndef STC_LIB_RUNTIME_SERVE_CONSTRAINTS_H
#define STC_LIB_RUNTIME_SERVE_CONSTRAINTS_H

#include "stc/Runtime/GrammarConstraint.h"
#include "stc/Runtime/Serve/OpenAiRequests.h"

#include <deque>

namespace stc {

class Constraints {
public:
  /// `model` must outlive it, and whatever is taken of it.
  explicit Constraints(const Model &model) : model(model) {}

  /// One for a text that a request asks for; null where the text is free. What an earlier text
  /// has found out about the grammar is of use to it. Error: what is wrong about the grammar.
  absl::StatusOr<std::unique_ptr<GrammarConstraint>> take(const TextRequest &request);
  /// Takes it back after that text. Null is as good as none.
  void give(const TextRequest &request, std::unique_ptr<GrammarConstraint> constraint);

private:
  struct Idle {
    std::string grammar;
    std::unique_ptr<GrammarConstraint> constraint;
  };
  const Model &model;
  std::deque<Idle> idle; // the last that were used
};

} // namespace stc

#endif // STC_LIB_RUNTIME_SERVE_CONSTRAINTS_H
