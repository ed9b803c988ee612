// Grammars by their texts.
#include "Constraints.h"

#include <algorithm>

namespace stc {

namespace {

constexpr size_t kMostIdle = 8;

/// What tells grammars apart; empty of a free text. No grammar is the text "json".
std::string nameOf(const TextRequest &request) { return request.isJson ? "json" : request.grammar; }

} // namespace

absl::StatusOr<std::unique_ptr<GrammarConstraint>> Constraints::take(const TextRequest &request) {
  std::string name = nameOf(request);
  if (name.empty())
    return nullptr;
  auto found = std::find_if(idle.begin(), idle.end(),
                            [&](const Idle &entry) { return entry.grammar == name; });
  if (found != idle.end()) {
    std::unique_ptr<GrammarConstraint> constraint = std::move(found->constraint);
    idle.erase(found);
    return constraint;
  }
  if (request.isJson)
    return GrammarConstraint::create(Grammar::json(), model);
  absl::StatusOr<std::shared_ptr<const Grammar>> parsed = Grammar::parse(name, "grammar");
  if (!parsed.ok())
    return withErrorNames(parsed.status(), "grammar", "");
  return GrammarConstraint::create(*std::move(parsed), model);
}

void Constraints::give(const TextRequest &request, std::unique_ptr<GrammarConstraint> constraint) {
  if (!constraint)
    return;
  idle.push_back({nameOf(request), std::move(constraint)});
  if (idle.size() > kMostIdle)
    idle.pop_front();
}

} // namespace stc
