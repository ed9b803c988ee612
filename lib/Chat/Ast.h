// The syntax tree of a template.
#ifndef STC_LIB_CHAT_AST_H
#define STC_LIB_CHAT_AST_H

#include "Value.h"

#include "stc/Support/Error.h"

namespace stc::jinja {

using NodePtr = std::unique_ptr<Node>;

/// A statement or an expression. Which children there are depends on the kind:
struct Node {
  enum class Kind {
    // Expressions.
    Literal,     // value
    Name,        // text
    List,        // the elements
    Map,         // key, value, key, value ...
    Attribute,   // object; text
    Subscript,   // object, key
    Slice,       // object, start, stop, step (those left out are null)
    Call,        // function, arguments; named
    Filter,      // input, arguments; text, named
    Test,        // input, arguments; text, negated
    Unary,       // operand; text
    Binary,      // left, right; text
    Compare,     // operands; names are the operators between them
    Conditional, // condition, value, other value (or null)
    // Statements.
    Text,     // text
    Output,   // expression
    Block,    // statements
    If,       // condition, block, condition, block ... (an else block has no condition before it)
    For,      // iterable, block, else block (or null), condition (or null); names
    Set,      // value; names (the variables), or text (a member) of names[0], a namespace
    SetBlock, // block; names[0]
    Macro,    // block; text, names (the parameters), named (defaults)
    Break,
    Continue,
  };
  Kind kind;
  int line = 0;
  int depth = 1; // of the tree below: bounded, as it is walked recursively
  std::string text;
  Value value;
  bool negated = false;
  std::vector<NodePtr> children;
  std::vector<std::string> names;
  std::vector<std::pair<std::string, NodePtr>> named;
};

/// A template's text as a block. `file` names it in errors.
absl::StatusOr<NodePtr> parseTemplate(absl::string_view text, const std::string &file);

/// An error at a line of the template in `file`.
absl::Status templateError(const std::string &file, int line, absl::string_view expected,
                           absl::string_view got);

/// Whether there is a filter or test of this name, and all their names, for errors.
bool isFilter(absl::string_view name);
bool isTest(absl::string_view name);
std::string filterNames();
std::string testNames();

} // namespace stc::jinja

#endif // STC_LIB_CHAT_AST_H
