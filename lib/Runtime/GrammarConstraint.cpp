// Which tokens a grammar lets come next, found in one walk over the sorted vocabulary.
#include "stc/Runtime/GrammarConstraint.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>

namespace stc {

namespace {

constexpr size_t kMostMasks = 256;

} // namespace

GrammarConstraint::GrammarConstraint(std::shared_ptr<const Grammar> grammar,
                                     const Tokenizer &tokenizer)
    : tokenizer(tokenizer), matcher(std::move(grammar)), state(matcher.start()) {
  for (size_t id = 0; id < tokenizer.spec().tokens.size(); ++id)
    if (std::string bytes = tokenizer.piece(int32_t(id)); !bytes.empty())
      pieces.push_back({std::move(bytes), int32_t(id), 0});
  std::sort(pieces.begin(), pieces.end(),
            [](const Piece &a, const Piece &b) { return a.bytes < b.bytes; });
  for (size_t i = 1; i < pieces.size(); ++i) {
    const std::string &before = pieces[i - 1].bytes, &bytes = pieces[i].bytes;
    size_t size = std::min(before.size(), bytes.size());
    pieces[i].shared =
        size_t(std::mismatch(before.begin(), before.begin() + long(size), bytes.begin()).first -
               before.begin());
  }
}

absl::StatusOr<std::unique_ptr<GrammarConstraint>>
GrammarConstraint::create(std::shared_ptr<const Grammar> grammar, const Model &model) {
  STC_ASSIGN_OR_RETURN(const Tokenizer *tokenizer, model.requireTokenizer());
  return std::unique_ptr<GrammarConstraint>(new GrammarConstraint(std::move(grammar), *tokenizer));
}

void GrammarConstraint::restart(bool strips) {
  state = matcher.start();
  stripsSpace = strips;
}

absl::StatusOr<GrammarConstraint::State> GrammarConstraint::follow(State from,
                                                                   absl::string_view bytes) {
  for (char byte : bytes) {
    STC_ASSIGN_OR_RETURN(from, matcher.next(from, uint8_t(byte)));
    if (from == GrammarMatcher::kDead)
      break;
  }
  return from;
}

/// What a token shows as the next one of the text.
std::string GrammarConstraint::shown(int32_t token) const {
  std::string bytes = tokenizer.piece(token);
  if (stripsSpace && absl::StartsWith(bytes, " "))
    bytes.erase(0, 1);
  return bytes;
}

/// For the first token, where a space may be dropped: each token by itself.
absl::StatusOr<std::vector<bool>> GrammarConstraint::allowedFirst() {
  std::vector<bool> mask(tokenizer.spec().tokens.size());
  for (const Piece &piece : pieces) {
    std::string bytes = shown(piece.id);
    STC_ASSIGN_OR_RETURN(State end, follow(state, bytes));
    mask[size_t(piece.id)] = !bytes.empty() && end != GrammarMatcher::kDead;
  }
  return mask;
}

absl::StatusOr<const std::vector<bool> *> GrammarConstraint::allowed() {
  if (stripsSpace) {
    STC_ASSIGN_OR_RETURN(firstMask, allowedFirst());
    return &firstMask;
  }
  if (auto found = masks.find(state); found != masks.end())
    return &found->second;
  std::vector<bool> mask(tokenizer.spec().tokens.size());
  // The states along the piece before, as far as the grammar went with it.
  std::vector<State> path = {state};
  size_t stuck = SIZE_MAX; // the byte of it that the grammar did not take
  for (const Piece &piece : pieces) {
    if (piece.shared > stuck)
      continue; // it has the same byte there
    path.resize(std::min(piece.shared, path.size() - 1) + 1);
    stuck = SIZE_MAX;
    for (size_t at = path.size() - 1; at < piece.bytes.size(); ++at) {
      STC_ASSIGN_OR_RETURN(State next, matcher.next(path.back(), uint8_t(piece.bytes[at])));
      if (next == GrammarMatcher::kDead) {
        stuck = at;
        break;
      }
      path.push_back(next);
    }
    mask[size_t(piece.id)] = stuck == SIZE_MAX;
  }
  if (masks.size() >= kMostMasks)
    masks.clear();
  return &(masks[state] = std::move(mask));
}

absl::StatusOr<bool> GrammarConstraint::apply(absl::Span<const float> logits,
                                              absl::Span<const int32_t> ends,
                                              std::vector<float> &scores) {
  if (state == GrammarMatcher::kDead)
    return formatError({"", "grammar", {}}, "a grammar with fewer ways to read a text", "this one");
  if (matcher.isFull()) {
    state = matcher.forgetOthers(state);
    masks.clear();
  }
  STC_ASSIGN_OR_RETURN(const std::vector<bool> *mask, allowed());
  scores.assign(logits.begin(), logits.end());
  bool any = false;
  for (size_t id = 0; id < scores.size(); ++id) {
    if (id < mask->size() && (*mask)[id])
      any = true;
    else
      scores[id] = -INFINITY;
  }
  if (!matcher.canEnd(state)) {
    if (any)
      return true;
    return formatError({"", "grammar", {}}, "a token that goes on with the text",
                       "none in this model's vocabulary");
  }
  for (int32_t end : ends)
    if (end >= 0 && size_t(end) < scores.size()) {
      scores[size_t(end)] = logits[size_t(end)];
      any = true;
    }
  return any;
}

absl::Status GrammarConstraint::accept(int32_t token) {
  STC_ASSIGN_OR_RETURN(state, follow(state, shown(token)));
  stripsSpace = false;
  return absl::OkStatus();
}

} // namespace stc
