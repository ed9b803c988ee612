// Statements: text, output, and what stands between {% and %}.
#include "TokenStream.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

namespace stc::jinja {

namespace {

constexpr absl::string_view kStatements =
    "a statement for, if, set, macro, break, continue or generation";

class StatementParser {
public:
  explicit StatementParser(TokenStream &tokens) : tokens(tokens), expressions(tokens) {}

  absl::StatusOr<NodePtr> parseAll() {
    STC_ASSIGN_OR_RETURN(NodePtr block, parseBlock({}));
    return block;
  }

private:
  /// Statements up to one that begins with a word of `ends`, whose `{%` is taken and whose word is
  /// not; or up to the end of the template if `ends` is empty.
  absl::StatusOr<NodePtr> parseBlock(std::initializer_list<absl::string_view> ends) {
    Nesting nesting(depth);
    STC_RETURN_IF_ERROR(nesting.check(tokens));
    NodePtr block = makeNode(Node::Kind::Block, tokens);
    while (true) {
      NodePtr node;
      if (tokens.is(Token::Kind::Text)) {
        node = makeNode(Node::Kind::Text, tokens, tokens.peek().text);
        tokens.take();
      } else if (tokens.is(Token::Kind::OutputBegin)) {
        node = makeNode(Node::Kind::Output, tokens);
        tokens.take();
        STC_ASSIGN_OR_RETURN(NodePtr value, expressions.parseTuple());
        STC_RETURN_IF_ERROR(addChild(*node, std::move(value), tokens));
        STC_RETURN_IF_ERROR(tokens.expect(Token::Kind::OutputEnd, "'}}' or an operator"));
      } else if (tokens.is(Token::Kind::End)) {
        if (ends.size() > 0)
          return tokens.error(absl::StrCat("'", *(ends.end() - 1), "'"));
        return block;
      } else {
        tokens.take(); // what else begins here is a statement
        if (tokens.is(Token::Kind::Name) &&
            std::find(ends.begin(), ends.end(), tokens.peek().text) != ends.end())
          return block;
        STC_ASSIGN_OR_RETURN(node, parseStatement());
      }
      STC_RETURN_IF_ERROR(addChild(*block, std::move(node), tokens));
    }
  }

  absl::Status endTag() { return tokens.expect(Token::Kind::StatementEnd, "'%}' or an operator"); }
  /// The tag `{% name %}` whose `{%` is taken.
  absl::Status endStatement() {
    tokens.take();
    return endTag();
  }

  absl::StatusOr<NodePtr> parseStatement() {
    if (tokens.isName("for"))
      return parseFor();
    if (tokens.isName("if"))
      return parseIf();
    if (tokens.isName("set"))
      return parseSet();
    if (tokens.isName("macro"))
      return parseMacro();
    if (tokens.isName("generation")) { // marks answers for training, and is only its contents here
      STC_RETURN_IF_ERROR(endStatement());
      STC_ASSIGN_OR_RETURN(NodePtr block, parseBlock({"endgeneration"}));
      STC_RETURN_IF_ERROR(endStatement());
      return block;
    }
    if (tokens.isName("break") || tokens.isName("continue")) {
      if (loops == 0)
        return tokens.error("a loop around it");
      NodePtr node =
          makeNode(tokens.isName("break") ? Node::Kind::Break : Node::Kind::Continue, tokens);
      STC_RETURN_IF_ERROR(endStatement());
      return node;
    }
    return tokens.error(kStatements);
  }

  absl::StatusOr<NodePtr> parseIf() {
    NodePtr node = makeNode(Node::Kind::If, tokens);
    while (true) {
      bool other = tokens.isName("else");
      tokens.take();
      if (!other) {
        STC_ASSIGN_OR_RETURN(NodePtr condition, expressions.parse());
        STC_RETURN_IF_ERROR(addChild(*node, std::move(condition), tokens));
      }
      STC_RETURN_IF_ERROR(endTag());
      NodePtr block;
      if (other) {
        STC_ASSIGN_OR_RETURN(block, parseBlock({"endif"}));
      } else {
        STC_ASSIGN_OR_RETURN(block, parseBlock({"elif", "else", "endif"}));
      }
      STC_RETURN_IF_ERROR(addChild(*node, std::move(block), tokens));
      if (tokens.isName("endif"))
        break;
    }
    STC_RETURN_IF_ERROR(endStatement());
    return node;
  }

  absl::Status parseTargets(Node &node) {
    bool open = tokens.takeOperator("(");
    do {
      STC_ASSIGN_OR_RETURN(std::string name, tokens.takeIdentifier("the name of a variable"));
      node.names.push_back(std::move(name));
    } while (tokens.takeOperator(","));
    return open ? tokens.expectOperator(")") : absl::OkStatus();
  }

  absl::StatusOr<NodePtr> parseFor() {
    NodePtr node = makeNode(Node::Kind::For, tokens);
    tokens.take();
    STC_RETURN_IF_ERROR(parseTargets(*node));
    if (!tokens.takeName("in"))
      return tokens.error("'in'");
    STC_ASSIGN_OR_RETURN(NodePtr iterable, expressions.parseTuple(false));
    NodePtr condition, other;
    if (tokens.takeName("if")) {
      STC_ASSIGN_OR_RETURN(condition, expressions.parse());
    }
    if (tokens.isName("recursive"))
      return tokens.error("a loop that is not recursive");
    STC_RETURN_IF_ERROR(endTag());
    ++loops;
    STC_ASSIGN_OR_RETURN(NodePtr body, parseBlock({"else", "endfor"}));
    --loops;
    if (tokens.isName("else")) {
      STC_RETURN_IF_ERROR(endStatement());
      STC_ASSIGN_OR_RETURN(other, parseBlock({"endfor"}));
    }
    STC_RETURN_IF_ERROR(endStatement());
    for (NodePtr *child : {&iterable, &body, &other, &condition})
      STC_RETURN_IF_ERROR(addChild(*node, std::move(*child), tokens));
    return node;
  }

  absl::StatusOr<NodePtr> parseSet() {
    NodePtr node = makeNode(Node::Kind::Set, tokens);
    tokens.take();
    STC_RETURN_IF_ERROR(parseTargets(*node));
    if (node->names.size() == 1 && tokens.takeOperator(".")) {
      STC_ASSIGN_OR_RETURN(node->text, tokens.takeIdentifier("the name of a member"));
    }
    if (tokens.takeOperator("=")) {
      STC_ASSIGN_OR_RETURN(NodePtr value, expressions.parseTuple());
      STC_RETURN_IF_ERROR(addChild(*node, std::move(value), tokens));
      STC_RETURN_IF_ERROR(endTag());
      return node;
    }
    if (node->names.size() > 1 || !node->text.empty())
      return tokens.error("'='");
    node->kind = Node::Kind::SetBlock;
    STC_RETURN_IF_ERROR(tokens.expect(Token::Kind::StatementEnd, "'=' or '%}'"));
    STC_ASSIGN_OR_RETURN(NodePtr body, parseBlock({"endset"}));
    STC_RETURN_IF_ERROR(addChild(*node, std::move(body), tokens));
    STC_RETURN_IF_ERROR(endStatement());
    return node;
  }

  absl::StatusOr<NodePtr> parseMacro() {
    NodePtr node = makeNode(Node::Kind::Macro, tokens);
    tokens.take();
    STC_ASSIGN_OR_RETURN(node->text, tokens.takeIdentifier("the name of the macro"));
    STC_RETURN_IF_ERROR(tokens.expectOperator("("));
    while (!tokens.takeOperator(")")) {
      if (!node->names.empty())
        STC_RETURN_IF_ERROR(tokens.expectOperator(","));
      STC_ASSIGN_OR_RETURN(std::string name, tokens.takeIdentifier("the name of a parameter"));
      if (tokens.takeOperator("=")) {
        STC_ASSIGN_OR_RETURN(NodePtr value, expressions.parse());
        node->depth = std::max(node->depth, value->depth + 1);
        node->named.emplace_back(name, std::move(value));
      }
      node->names.push_back(std::move(name));
    }
    STC_RETURN_IF_ERROR(endTag());
    int outside = std::exchange(loops, 0); // a loop around a macro is none around its contents
    STC_ASSIGN_OR_RETURN(NodePtr body, parseBlock({"endmacro"}));
    loops = outside;
    STC_RETURN_IF_ERROR(addChild(*node, std::move(body), tokens));
    STC_RETURN_IF_ERROR(endStatement());
    return node;
  }

  TokenStream &tokens;
  ExpressionParser expressions;
  int depth = 0, loops = 0;
};

} // namespace

absl::Status templateError(const std::string &file, int line, absl::string_view expected,
                           absl::string_view got) {
  return formatError({file, absl::StrCat("chat_template line ", line), {}}, expected, got);
}

absl::StatusOr<NodePtr> parseTemplate(absl::string_view text, const std::string &file) {
  STC_ASSIGN_OR_RETURN(std::vector<Token> list, tokenize(text, file));
  TokenStream tokens(std::move(list), file);
  return StatementParser(tokens).parseAll();
}

} // namespace stc::jinja
