// Follows a text through a grammar, byte by byte, on all its stacks at once.
#include "stc/Grammar/Grammar.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

namespace stc {

namespace {

/// Ways to read one text; real grammars have a handful.
constexpr size_t kMostStacks = 4096;
/// When to forget, and what is too much even between two tokens.
constexpr size_t kMostStates = 1 << 15, kMostNodes = 1 << 19, kTooMany = 8;

uint64_t pair(uint32_t high, uint32_t low) { return uint64_t(high) << 32 | low; }

} // namespace

GrammarMatcher::GrammarMatcher(std::shared_ptr<const Grammar> given) : grammar(std::move(given)) {
  nodes.push_back({0, 0}); // the empty stack
}

GrammarMatcher::State GrammarMatcher::start() {
  Stacks stacks;
  for (uint32_t first : grammar->rules[grammar->root])
    if (!expand(first, 0, stacks).ok())
      return kDead;
  return number(std::move(stacks));
}

uint32_t GrammarMatcher::intern(uint32_t item, uint32_t below) {
  auto [found, isNew] = nodeIds.try_emplace(pair(item, below), uint32_t(nodes.size()));
  if (isNew)
    nodes.push_back({item, below});
  return found->second;
}

/// Adds the stacks that have bytes on top, or are empty, that come of putting `item` on `below`.
absl::Status GrammarMatcher::expand(uint32_t item, uint32_t below, Stacks &stacks) {
  using Kind = Grammar::Item::Kind;
  std::vector<Node> open = {{item, below}};
  absl::flat_hash_map<uint64_t, bool> seen;
  while (!open.empty()) {
    Node top = open.back();
    open.pop_back();
    const Grammar::Item &next = grammar->items[top.item];
    if (!seen.try_emplace(pair(top.item, top.below), true).second)
      continue;
    if (seen.size() > kMostStacks)
      return formatError({"", "grammar", {}},
                         absl::StrCat("at most ", kMostStacks, " ways to read a text"), "more");
    switch (next.kind) {
    case Kind::Bytes:
      stacks.push_back(intern(top.item, top.below));
      break;
    case Kind::End:
      if (top.below == 0)
        stacks.push_back(0);
      else
        open.push_back(nodes[top.below]);
      break;
    case Kind::Rule: {
      // What follows the rule waits below it; if nothing does, the stack need not grow.
      bool last = grammar->items[top.item + 1].kind == Kind::End;
      uint32_t rest = last ? top.below : intern(top.item + 1, top.below);
      for (uint32_t start : grammar->rules[next.index])
        open.push_back({start, rest});
      break;
    }
    }
  }
  return absl::OkStatus();
}

GrammarMatcher::State GrammarMatcher::number(Stacks stacks) {
  if (stacks.empty())
    return kDead;
  std::sort(stacks.begin(), stacks.end());
  stacks.erase(std::unique(stacks.begin(), stacks.end()), stacks.end());
  auto [found, isNew] = stateIds.try_emplace(stacks, State(states.size()));
  if (isNew)
    states.push_back(std::move(stacks));
  return found->second;
}

absl::StatusOr<GrammarMatcher::State> GrammarMatcher::next(State state, uint8_t byte) {
  if (state == kDead)
    return kDead;
  if (states.size() > kTooMany * kMostStates || nodes.size() > kTooMany * kMostNodes)
    return formatError({"", "grammar", {}}, "a grammar with fewer states", "too many to remember");
  uint64_t key = pair(uint32_t(state), byte);
  if (auto found = transitions.find(key); found != transitions.end())
    return found->second;
  Stacks stacks, before = states[size_t(state)]; // a copy: new states move the old ones
  for (uint32_t id : before) {
    Node node = nodes[id];
    if (id == 0 || !grammar->sets[grammar->items[node.item].index].test(byte))
      continue;
    STC_RETURN_IF_ERROR(expand(node.item + 1, node.below, stacks));
    if (stacks.size() > kMostStacks)
      return formatError({"", "grammar", {}},
                         absl::StrCat("at most ", kMostStacks, " ways to read a text"), "more");
  }
  State result = number(std::move(stacks));
  transitions.emplace(key, result);
  return result;
}

bool GrammarMatcher::canEnd(State state) const {
  return state != kDead && states[size_t(state)].front() == 0;
}

bool GrammarMatcher::mustEnd(State state) const {
  return canEnd(state) && states[size_t(state)].size() == 1;
}

bool GrammarMatcher::isFull() const {
  return states.size() > kMostStates || nodes.size() > kMostNodes;
}

GrammarMatcher::State GrammarMatcher::forgetOthers(State state) {
  if (state == kDead)
    return kDead;
  std::vector<Node> old = std::move(nodes);
  Stacks stacks = states[size_t(state)];
  nodes.assign(1, {0, 0});
  nodeIds.clear();
  states.clear();
  stateIds.clear();
  transitions.clear();
  for (uint32_t &id : stacks) {
    std::vector<uint32_t> items; // of one stack, the top first
    for (uint32_t node = id; node != 0; node = old[node].below)
      items.push_back(old[node].item);
    id = 0;
    for (size_t i = items.size(); i-- > 0;)
      id = intern(items[i], id);
  }
  return number(std::move(stacks));
}

std::shared_ptr<const Grammar> Grammar::json() {
  static constexpr absl::string_view text = R"(
root   ::= value
value  ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" ws ( member ( "," ws member )* )? "}"
member ::= string ":" ws value ws
array  ::= "[" ws ( value ws ( "," ws value ws )* )? "]"
string ::= "\"" ( [^"\\\x00-\x1F] | "\\" ( ["\\/bfnrt] | "u" [0-9a-fA-F]{4} ) )* "\""
number ::= "-"? ( "0" | [1-9] [0-9]* ) ( "." [0-9]+ )? ( [eE] [-+]? [0-9]+ )?
ws     ::= ( " " | "\n" [ \t]{0,16} )?
)";
  static const std::shared_ptr<const Grammar> grammar = Grammar::parse(text, "json").value();
  return grammar;
}

} // namespace stc
