// Expressions, in the order of precedence that Jinja's documentation gives.
#include "TokenStream.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include <algorithm>

namespace stc::jinja {

namespace {

constexpr int kDeepest = 100;

} // namespace

absl::Status TokenStream::error(absl::string_view expected) const {
  const Token &token = peek();
  switch (token.kind) {
  case Token::Kind::Text:
    return error(expected, "text");
  case Token::Kind::OutputEnd:
    return error(expected, "'}}'");
  case Token::Kind::StatementEnd:
    return error(expected, "'%}'");
  case Token::Kind::OutputBegin:
    return error(expected, "'{{'");
  case Token::Kind::StatementBegin:
    return error(expected, "'{%'");
  case Token::Kind::End:
    return error(expected, "the end of the template");
  default:
    return error(expected, absl::StrCat("'", printable(token.text, 40), "'"));
  }
}

absl::Status TokenStream::expectOperator(absl::string_view text) {
  return takeOperator(text) ? absl::OkStatus() : error(absl::StrCat("'", text, "'"));
}

absl::StatusOr<std::string> TokenStream::takeIdentifier(absl::string_view what) {
  if (!is(Token::Kind::Name))
    return error(what);
  return take().text;
}

NodePtr makeNode(Node::Kind kind, const TokenStream &tokens, std::string text) {
  auto node = std::make_unique<Node>();
  node->kind = kind;
  node->line = tokens.peek().line;
  node->text = std::move(text);
  return node;
}

absl::Status addChild(Node &node, NodePtr child, const TokenStream &tokens) {
  if (child)
    node.depth = std::max(node.depth, child->depth + 1);
  node.children.push_back(std::move(child));
  if (node.depth > kDeepest)
    return tokens.error(absl::StrCat("at most ", kDeepest, " levels of nesting"), "more");
  return absl::OkStatus();
}

absl::Status Nesting::check(const TokenStream &tokens) const {
  if (depth > kDeepest)
    return tokens.error(absl::StrCat("at most ", kDeepest, " levels of nesting"), "more");
  return absl::OkStatus();
}

absl::StatusOr<NodePtr> ExpressionParser::parse(bool conditional) {
  Nesting nesting(depth);
  STC_RETURN_IF_ERROR(nesting.check(tokens));
  STC_ASSIGN_OR_RETURN(NodePtr node, parseOr());
  while (conditional && tokens.takeName("if")) {
    NodePtr choice = makeNode(Node::Kind::Conditional, tokens);
    STC_ASSIGN_OR_RETURN(NodePtr condition, parseOr());
    STC_RETURN_IF_ERROR(addChild(*choice, std::move(condition), tokens));
    STC_RETURN_IF_ERROR(addChild(*choice, std::move(node), tokens));
    NodePtr other;
    if (tokens.takeName("else")) {
      STC_ASSIGN_OR_RETURN(other, parse());
    }
    STC_RETURN_IF_ERROR(addChild(*choice, std::move(other), tokens));
    node = std::move(choice);
  }
  return node;
}

absl::StatusOr<NodePtr> ExpressionParser::parseTuple(bool conditional) {
  STC_ASSIGN_OR_RETURN(NodePtr first, parse(conditional));
  if (!tokens.isOperator(","))
    return first;
  NodePtr list = makeNode(Node::Kind::List, tokens);
  STC_RETURN_IF_ERROR(addChild(*list, std::move(first), tokens));
  while (tokens.takeOperator(",")) {
    if (tokens.is(Token::Kind::StatementEnd) || tokens.is(Token::Kind::OutputEnd) ||
        tokens.isOperator(")") || tokens.isName("if"))
      break; // a comma at the end
    STC_ASSIGN_OR_RETURN(NodePtr next, parse(conditional));
    STC_RETURN_IF_ERROR(addChild(*list, std::move(next), tokens));
  }
  return list;
}

absl::StatusOr<NodePtr>
ExpressionParser::parseBinary(std::initializer_list<absl::string_view> operators, Parse operand) {
  STC_ASSIGN_OR_RETURN(NodePtr node, (this->*operand)());
  while (true) {
    bool found =
        (tokens.is(Token::Kind::Operator) || tokens.is(Token::Kind::Name)) &&
        std::find(operators.begin(), operators.end(), tokens.peek().text) != operators.end();
    if (!found)
      return node;
    NodePtr binary = makeNode(Node::Kind::Binary, tokens, tokens.peek().text);
    tokens.take();
    STC_RETURN_IF_ERROR(addChild(*binary, std::move(node), tokens));
    STC_ASSIGN_OR_RETURN(NodePtr right, (this->*operand)());
    STC_RETURN_IF_ERROR(addChild(*binary, std::move(right), tokens));
    node = std::move(binary);
  }
}

absl::StatusOr<NodePtr> ExpressionParser::parseOr() {
  return parseBinary({"or"}, &ExpressionParser::parseAnd);
}
absl::StatusOr<NodePtr> ExpressionParser::parseAnd() {
  return parseBinary({"and"}, &ExpressionParser::parseNot);
}

absl::StatusOr<NodePtr> ExpressionParser::parseNot() {
  if (!tokens.isName("not"))
    return parseCompare();
  Nesting nesting(depth);
  STC_RETURN_IF_ERROR(nesting.check(tokens));
  NodePtr node = makeNode(Node::Kind::Unary, tokens, "not");
  tokens.take();
  STC_ASSIGN_OR_RETURN(NodePtr operand, parseNot());
  STC_RETURN_IF_ERROR(addChild(*node, std::move(operand), tokens));
  return node;
}

/// The comparison at the next token, which is taken; empty if there is none.
std::string ExpressionParser::comparison() {
  for (absl::string_view text : {"==", "!=", "<", ">", "<=", ">="})
    if (tokens.isOperator(text))
      return tokens.take().text;
  if (tokens.takeName("in"))
    return "in";
  if (tokens.isName("not") && tokens.peek(1).kind == Token::Kind::Name &&
      tokens.peek(1).text == "in") {
    tokens.take();
    tokens.take();
    return "not in";
  }
  return "";
}

absl::StatusOr<NodePtr> ExpressionParser::parseCompare() {
  STC_ASSIGN_OR_RETURN(NodePtr node, parseSum());
  NodePtr chain = makeNode(Node::Kind::Compare, tokens);
  for (std::string text = comparison(); !text.empty(); text = comparison()) {
    if (chain->children.empty())
      STC_RETURN_IF_ERROR(addChild(*chain, std::move(node), tokens));
    STC_ASSIGN_OR_RETURN(NodePtr next, parseSum());
    STC_RETURN_IF_ERROR(addChild(*chain, std::move(next), tokens));
    chain->names.push_back(std::move(text));
  }
  if (chain->children.empty())
    return node;
  return chain;
}

absl::StatusOr<NodePtr> ExpressionParser::parseSum() {
  return parseBinary({"+", "-"}, &ExpressionParser::parseConcat);
}
absl::StatusOr<NodePtr> ExpressionParser::parseConcat() {
  return parseBinary({"~"}, &ExpressionParser::parseProduct);
}
absl::StatusOr<NodePtr> ExpressionParser::parseProduct() {
  return parseBinary({"*", "/", "//", "%"}, &ExpressionParser::parsePower);
}
absl::StatusOr<NodePtr> ExpressionParser::parsePower() {
  return parseBinary({"**"}, &ExpressionParser::parseUnary);
}
absl::StatusOr<NodePtr> ExpressionParser::parseUnary() { return parseSigned(true); }

absl::StatusOr<NodePtr> ExpressionParser::parseSigned(bool filters) {
  Nesting nesting(depth);
  STC_RETURN_IF_ERROR(nesting.check(tokens));
  NodePtr node;
  if (tokens.isOperator("-") || tokens.isOperator("+")) {
    node = makeNode(Node::Kind::Unary, tokens, tokens.peek().text);
    tokens.take();
    STC_ASSIGN_OR_RETURN(NodePtr operand, parseSigned(false));
    STC_RETURN_IF_ERROR(addChild(*node, std::move(operand), tokens));
  } else {
    STC_ASSIGN_OR_RETURN(node, parsePrimary());
  }
  STC_ASSIGN_OR_RETURN(node, parsePostfix(std::move(node)));
  return filters ? parseFilters(std::move(node)) : std::move(node);
}

absl::StatusOr<NodePtr> ExpressionParser::parsePrimary() {
  const Token &token = tokens.peek();
  NodePtr node = makeNode(Node::Kind::Literal, tokens);
  switch (token.kind) {
  case Token::Kind::Name:
    if (token.text == "true" || token.text == "True" || token.text == "false" ||
        token.text == "False") {
      node->value = Value::boolean(absl::EqualsIgnoreCase(token.text, "true"));
    } else if (token.text == "none" || token.text == "None") {
      node->value = Value::none();
    } else {
      node->kind = Node::Kind::Name;
      node->text = token.text;
    }
    tokens.take();
    return node;
  case Token::Kind::String: {
    std::string text;
    while (tokens.is(Token::Kind::String))
      text += tokens.take().text; // neighbours are one string
    node->value = Value::string(std::move(text));
    return node;
  }
  case Token::Kind::Integer:
    node->value = Value::integer(tokens.take().integer);
    return node;
  case Token::Kind::Double:
    node->value = Value::number(tokens.take().number);
    return node;
  default:
    break;
  }
  if (tokens.takeOperator("(")) {
    if (tokens.takeOperator(")"))
      return makeNode(Node::Kind::List, tokens);
    STC_ASSIGN_OR_RETURN(NodePtr inner, parseTuple());
    STC_RETURN_IF_ERROR(tokens.expectOperator(")"));
    return inner;
  }
  if (tokens.takeOperator("["))
    return parseList();
  if (tokens.takeOperator("{"))
    return parseMap();
  return tokens.error("an expression");
}

absl::StatusOr<NodePtr> ExpressionParser::parseList() {
  NodePtr list = makeNode(Node::Kind::List, tokens);
  while (!tokens.takeOperator("]")) {
    if (!list->children.empty()) {
      STC_RETURN_IF_ERROR(tokens.expectOperator(","));
      if (tokens.takeOperator("]"))
        break;
    }
    STC_ASSIGN_OR_RETURN(NodePtr element, parse());
    STC_RETURN_IF_ERROR(addChild(*list, std::move(element), tokens));
  }
  return list;
}

absl::StatusOr<NodePtr> ExpressionParser::parseMap() {
  NodePtr map = makeNode(Node::Kind::Map, tokens);
  while (!tokens.takeOperator("}")) {
    if (!map->children.empty()) {
      STC_RETURN_IF_ERROR(tokens.expectOperator(","));
      if (tokens.takeOperator("}"))
        break;
    }
    STC_ASSIGN_OR_RETURN(NodePtr key, parse());
    STC_RETURN_IF_ERROR(addChild(*map, std::move(key), tokens));
    STC_RETURN_IF_ERROR(tokens.expectOperator(":"));
    STC_ASSIGN_OR_RETURN(NodePtr value, parse());
    STC_RETURN_IF_ERROR(addChild(*map, std::move(value), tokens));
  }
  return map;
}

absl::StatusOr<NodePtr> ExpressionParser::parsePostfix(NodePtr node) {
  while (true) {
    if (tokens.takeOperator(".")) {
      NodePtr member = makeNode(Node::Kind::Attribute, tokens);
      if (tokens.is(Token::Kind::Integer)) { // `pair.0` is `pair[0]`
        member->kind = Node::Kind::Subscript;
        NodePtr index = makeNode(Node::Kind::Literal, tokens);
        index->value = Value::integer(tokens.take().integer);
        STC_RETURN_IF_ERROR(addChild(*member, std::move(node), tokens));
        STC_RETURN_IF_ERROR(addChild(*member, std::move(index), tokens));
      } else {
        STC_ASSIGN_OR_RETURN(member->text, tokens.takeIdentifier("the name of a member"));
        STC_RETURN_IF_ERROR(addChild(*member, std::move(node), tokens));
      }
      node = std::move(member);
    } else if (tokens.takeOperator("[")) {
      STC_ASSIGN_OR_RETURN(node, parseSubscript(std::move(node)));
    } else if (tokens.isOperator("(")) {
      NodePtr call = makeNode(Node::Kind::Call, tokens);
      STC_RETURN_IF_ERROR(addChild(*call, std::move(node), tokens));
      STC_RETURN_IF_ERROR(parseArguments(*call));
      node = std::move(call);
    } else {
      return node;
    }
  }
}

absl::StatusOr<NodePtr> ExpressionParser::parseSubscript(NodePtr object) {
  NodePtr node = makeNode(Node::Kind::Subscript, tokens);
  STC_RETURN_IF_ERROR(addChild(*node, std::move(object), tokens));
  NodePtr part;
  if (!tokens.isOperator(":")) {
    STC_ASSIGN_OR_RETURN(part, parse());
  }
  STC_RETURN_IF_ERROR(addChild(*node, std::move(part), tokens));
  while (node->children.size() < 4 && tokens.takeOperator(":")) {
    node->kind = Node::Kind::Slice;
    NodePtr next;
    if (!tokens.isOperator(":") && !tokens.isOperator("]")) {
      STC_ASSIGN_OR_RETURN(next, parse());
    }
    STC_RETURN_IF_ERROR(addChild(*node, std::move(next), tokens));
  }
  if (node->kind == Node::Kind::Slice)
    node->children.resize(4);
  STC_RETURN_IF_ERROR(tokens.expectOperator("]"));
  return node;
}

absl::Status ExpressionParser::parseArguments(Node &node) {
  STC_RETURN_IF_ERROR(tokens.expectOperator("("));
  bool first = true;
  while (!tokens.takeOperator(")")) {
    if (!first) {
      STC_RETURN_IF_ERROR(tokens.expectOperator(","));
      if (tokens.takeOperator(")"))
        break;
    }
    first = false;
    bool isNamed = tokens.is(Token::Kind::Name) && tokens.peek(1).kind == Token::Kind::Operator &&
                   tokens.peek(1).text == "=";
    if (!isNamed) {
      if (!node.named.empty())
        return tokens.error("a named argument after another");
      STC_ASSIGN_OR_RETURN(NodePtr argument, parse());
      STC_RETURN_IF_ERROR(addChild(node, std::move(argument), tokens));
      continue;
    }
    std::string name = tokens.take().text;
    tokens.take();
    STC_ASSIGN_OR_RETURN(NodePtr argument, parse());
    node.depth = std::max(node.depth, argument->depth + 1);
    node.named.emplace_back(std::move(name), std::move(argument));
  }
  return absl::OkStatus();
}

absl::StatusOr<NodePtr> ExpressionParser::parseFilters(NodePtr node) {
  while (true) {
    if (tokens.takeOperator("|")) {
      NodePtr filter = makeNode(Node::Kind::Filter, tokens);
      STC_ASSIGN_OR_RETURN(filter->text, tokens.takeIdentifier("the name of a filter"));
      STC_RETURN_IF_ERROR(addChild(*filter, std::move(node), tokens));
      if (tokens.isOperator("("))
        STC_RETURN_IF_ERROR(parseArguments(*filter));
      node = std::move(filter);
    } else if (tokens.takeName("is")) {
      STC_ASSIGN_OR_RETURN(node, parseTest(std::move(node)));
    } else {
      return node;
    }
  }
}

absl::StatusOr<NodePtr> ExpressionParser::parseTest(NodePtr input) {
  NodePtr test = makeNode(Node::Kind::Test, tokens);
  test->negated = tokens.takeName("not");
  STC_ASSIGN_OR_RETURN(test->text, tokens.takeIdentifier("the name of a test"));
  STC_RETURN_IF_ERROR(addChild(*test, std::move(input), tokens));
  if (tokens.isOperator("(")) {
    STC_RETURN_IF_ERROR(parseArguments(*test));
    return test;
  }
  // An argument may stand without parentheses: `x is divisibleby 2`.
  bool word = tokens.is(Token::Kind::Name);
  for (absl::string_view reserved : {"else", "or", "and", "if", "is", "in", "not"})
    word = word && !tokens.isName(reserved);
  if (word || tokens.is(Token::Kind::String) || tokens.is(Token::Kind::Integer) ||
      tokens.is(Token::Kind::Double) || tokens.isOperator("[") || tokens.isOperator("{")) {
    STC_ASSIGN_OR_RETURN(NodePtr argument, parsePrimary());
    STC_ASSIGN_OR_RETURN(argument, parsePostfix(std::move(argument)));
    STC_RETURN_IF_ERROR(addChild(*test, std::move(argument), tokens));
  }
  return test;
}

} // namespace stc::jinja
