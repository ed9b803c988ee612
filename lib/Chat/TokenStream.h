// What the parsers of statements and expressions read from.
#ifndef STC_LIB_CHAT_TOKENSTREAM_H
#define STC_LIB_CHAT_TOKENSTREAM_H

#include "Lexer.h"

namespace stc::jinja {

/// Tokens with a place; never moves past the End.
class TokenStream {
public:
  TokenStream(std::vector<Token> tokens, const std::string &file)
      : tokens(std::move(tokens)), file(file) {}

  const Token &peek(size_t ahead = 0) const {
    return tokens[std::min(at + ahead, tokens.size() - 1)];
  }
  const Token &take() {
    const Token &token = peek();
    at = std::min(at + 1, tokens.size() - 1);
    return token;
  }
  bool is(Token::Kind kind) const { return peek().kind == kind; }
  bool isOperator(absl::string_view text) const {
    return is(Token::Kind::Operator) && peek().text == text;
  }
  bool isName(absl::string_view text) const { return is(Token::Kind::Name) && peek().text == text; }
  bool takeOperator(absl::string_view text) {
    bool found = isOperator(text);
    if (found)
      take();
    return found;
  }
  bool takeName(absl::string_view text) {
    bool found = isName(text);
    if (found)
      take();
    return found;
  }
  absl::Status expect(Token::Kind kind, absl::string_view what) {
    if (!is(kind))
      return error(what);
    take();
    return absl::OkStatus();
  }
  absl::Status expectOperator(absl::string_view text);
  absl::StatusOr<std::string> takeIdentifier(absl::string_view what);
  /// An error at the next token.
  absl::Status error(absl::string_view expected) const;
  absl::Status error(absl::string_view expected, absl::string_view got) const {
    return templateError(file, peek().line, expected, got);
  }

private:
  std::vector<Token> tokens;
  const std::string &file;
  size_t at = 0;
};

/// A new node at the next token.
NodePtr makeNode(Node::Kind kind, const TokenStream &tokens, std::string text = {});
/// Makes `child` (which may be null) the next child; an error if the tree becomes too deep.
absl::Status addChild(Node &node, NodePtr child, const TokenStream &tokens);

/// Limits on nesting while parsing; counts itself.
class Nesting {
public:
  explicit Nesting(int &depth) : depth(++depth) {}
  ~Nesting() { --depth; }
  absl::Status check(const TokenStream &tokens) const;

private:
  int &depth;
};

/// Parses expressions.
class ExpressionParser {
public:
  explicit ExpressionParser(TokenStream &tokens) : tokens(tokens) {}
  /// An expression; with `conditional`, `a if b else c` may be one.
  absl::StatusOr<NodePtr> parse(bool conditional = true);
  /// The same, or several with commas between: a list.
  absl::StatusOr<NodePtr> parseTuple(bool conditional = true);

private:
  using Parse = absl::StatusOr<NodePtr> (ExpressionParser::*)();
  absl::StatusOr<NodePtr> parseBinary(std::initializer_list<absl::string_view> operators,
                                      Parse operand);
  absl::StatusOr<NodePtr> parseOr();
  absl::StatusOr<NodePtr> parseAnd();
  absl::StatusOr<NodePtr> parseNot();
  absl::StatusOr<NodePtr> parseCompare();
  absl::StatusOr<NodePtr> parseSum();
  absl::StatusOr<NodePtr> parseConcat();
  absl::StatusOr<NodePtr> parseProduct();
  absl::StatusOr<NodePtr> parsePower();
  absl::StatusOr<NodePtr> parseUnary();
  absl::StatusOr<NodePtr> parseSigned(bool filters);
  absl::StatusOr<NodePtr> parsePrimary();
  absl::StatusOr<NodePtr> parseList();
  absl::StatusOr<NodePtr> parseMap();
  absl::StatusOr<NodePtr> parsePostfix(NodePtr node);
  absl::StatusOr<NodePtr> parseSubscript(NodePtr object);
  absl::StatusOr<NodePtr> parseFilters(NodePtr node);
  absl::StatusOr<NodePtr> parseTest(NodePtr input);
  absl::Status parseArguments(Node &node);
  std::string comparison();

  TokenStream &tokens;
  int depth = 0;
};

} // namespace stc::jinja

#endif // STC_LIB_CHAT_TOKENSTREAM_H
