// Cuts a template into text and tags, and tags into tokens.
#ifndef STC_LIB_CHAT_LEXER_H
#define STC_LIB_CHAT_LEXER_H

#include "Ast.h"

namespace stc::jinja {

struct Token {
  enum class Kind {
    Text, // outside of tags, white space already trimmed
    OutputBegin,
    OutputEnd, // {{ }}
    StatementBegin,
    StatementEnd, // {% %}
    Name,
    String,
    Integer,
    Double,
    Operator,
    End,
  };
  Kind kind = Kind::End;
  int line = 0;
  std::string text; // of a string: its value
  int64_t integer = 0;
  double number = 0;
};

/// All tokens of a template, an End last. Text is trimmed as Jinja does with trim_blocks and
/// lstrip_blocks: the newline after a statement or comment goes, and so do blanks before one that
/// begins a line; `-` trims all white space on its side, `+` none. Errors: a tag, comment or string
/// without an end, a character that begins no token, a number out of range.
absl::StatusOr<std::vector<Token>> tokenize(absl::string_view text, const std::string &file);

} // namespace stc::jinja

#endif // STC_LIB_CHAT_LEXER_H
