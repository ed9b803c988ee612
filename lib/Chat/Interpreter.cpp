// Statements and expressions, evaluated recursively: the parser bounds how deep they are.
#include "Interpreter.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

namespace stc::jinja {

namespace {

constexpr uint64_t kNodeCost = 16;
constexpr int kMostCalls = 16; // of macros within macros
constexpr size_t kLongestOutput = 64 << 20;

enum class Flow { Normal, Break, Continue };

class Interpreter {
public:
  Interpreter(Map globals, uint64_t work, const std::string &file) : context(file, work) {
    frames.push_back(std::move(globals));
  }

  absl::StatusOr<std::string> run(const Node &block) {
    STC_RETURN_IF_ERROR(execute(block).status());
    return std::move(output);
  }

private:
  using Result = absl::StatusOr<Value>;

  // Variables. A loop and a macro have a frame of their own; a macro sees its own and the
  // outermost.

  Value lookUp(absl::string_view name) const {
    for (size_t i = frames.size(); i-- > 0;) {
      if (i < firstFrame && i > 0)
        continue;
      for (const auto &[key, value] : frames[i])
        if (key == name)
          return value;
    }
    static constexpr std::pair<absl::string_view, Builtin> builtins[] = {
        {"range", Builtin::Range},
        {"namespace", Builtin::Namespace},
        {"raise_exception", Builtin::RaiseException},
        {"strftime_now", Builtin::StrftimeNow},
        {"dict", Builtin::Dict}};
    for (const auto &[key, builtin] : builtins)
      if (key == name)
        return Value::builtin(builtin);
    return Value::undefined(std::string(name));
  }

  static void assign(Map &frame, absl::string_view name, Value value) {
    for (auto &entry : frame)
      if (entry.first == name) {
        entry.second = std::move(value);
        return;
      }
    frame.emplace_back(name, std::move(value));
  }

  /// Assigns to one variable, or to several the elements of a list.
  absl::Status assignTargets(const std::vector<std::string> &names, Value value) {
    if (names.size() == 1) {
      assign(frames.back(), names[0], std::move(value));
      return absl::OkStatus();
    }
    if (!value.isList() || value.toList().size() != names.size())
      return context.error(absl::StrCat("a list of ", names.size()), value.describe());
    for (size_t i = 0; i < names.size(); ++i)
      assign(frames.back(), names[i], value.toList()[i]);
    return absl::OkStatus();
  }

  // Statements.

  absl::Status write(absl::string_view text) {
    STC_RETURN_IF_ERROR(context.charge(text.size()));
    if (text.size() > kLongestOutput - output.size())
      return context.error(absl::StrCat("at most ", kLongestOutput, " bytes of text"), "more");
    absl::StrAppend(&output, text);
    return absl::OkStatus();
  }

  absl::StatusOr<Flow> execute(const Node &node) {
    context.line = node.line;
    STC_RETURN_IF_ERROR(context.charge(kNodeCost));
    switch (node.kind) {
    case Node::Kind::Text:
      STC_RETURN_IF_ERROR(write(node.text));
      return Flow::Normal;
    case Node::Kind::Output: {
      STC_ASSIGN_OR_RETURN(Value value, evaluate(*node.children[0]));
      STC_RETURN_IF_ERROR(context.charge(value.weight()));
      STC_RETURN_IF_ERROR(write(value.str()));
      return Flow::Normal;
    }
    case Node::Kind::Block:
      for (const NodePtr &child : node.children) {
        STC_ASSIGN_OR_RETURN(Flow flow, execute(*child));
        if (flow != Flow::Normal)
          return flow;
      }
      return Flow::Normal;
    case Node::Kind::If:
      return executeIf(node);
    case Node::Kind::For:
      return executeFor(node);
    case Node::Kind::Break:
      return Flow::Break;
    case Node::Kind::Continue:
      return Flow::Continue;
    case Node::Kind::Macro:
      assign(frames.back(), node.text, Value::macro(&node));
      return Flow::Normal;
    default:
      STC_RETURN_IF_ERROR(executeSet(node));
      return Flow::Normal;
    }
  }

  absl::StatusOr<Flow> executeIf(const Node &node) {
    size_t count = node.children.size();
    for (size_t i = 0; i + 1 < count; i += 2) {
      STC_ASSIGN_OR_RETURN(Value condition, evaluate(*node.children[i]));
      if (condition.isTrue())
        return execute(*node.children[i + 1]);
    }
    return count % 2 == 1 ? execute(*node.children[count - 1]) : Flow::Normal;
  }

  absl::Status executeSet(const Node &node) {
    if (node.kind == Node::Kind::SetBlock) {
      std::string outside = std::exchange(output, {});
      absl::StatusOr<Flow> flow = execute(*node.children[0]);
      std::string text = std::exchange(output, std::move(outside));
      STC_RETURN_IF_ERROR(flow.status());
      STC_ASSIGN_OR_RETURN(Value value, context.string(std::move(text)));
      assign(frames.back(), node.names[0], std::move(value));
      return absl::OkStatus();
    }
    STC_ASSIGN_OR_RETURN(Value value, evaluate(*node.children[0]));
    context.line = node.line;
    if (node.text.empty())
      return assignTargets(node.names, std::move(value));
    Value object = lookUp(node.names[0]);
    if (object.kind() != Value::Kind::Namespace)
      return context.error(absl::StrCat("a namespace '", node.names[0], "'"), object.describe());
    // Otherwise it might hold itself and live forever.
    if (value.kind() == Value::Kind::Namespace)
      return context.error("a namespace in a variable of its own", "one in another namespace");
    assign(object.toNames(), node.text, std::move(value));
    return absl::OkStatus();
  }

  /// The elements a loop visits: all, or those that pass its condition.
  absl::StatusOr<List> loopElements(const Node &node) {
    STC_ASSIGN_OR_RETURN(Value iterable, evaluate(*node.children[0]));
    STC_ASSIGN_OR_RETURN(List items, context.elements(iterable));
    if (!node.children[3])
      return items;
    List kept;
    frames.emplace_back();
    for (Value &item : items) {
      STC_RETURN_IF_ERROR(assignTargets(node.names, item));
      STC_ASSIGN_OR_RETURN(Value passes, evaluate(*node.children[3]));
      if (passes.isTrue())
        kept.push_back(std::move(item));
    }
    frames.pop_back();
    return kept;
  }

  absl::StatusOr<Flow> executeFor(const Node &node) {
    STC_ASSIGN_OR_RETURN(List items, loopElements(node));
    if (items.empty())
      return node.children[2] ? execute(*node.children[2]) : Flow::Normal;
    for (size_t i = 0; i < items.size(); ++i) {
      context.line = node.line;
      frames.emplace_back();
      STC_ASSIGN_OR_RETURN(Value loop, loopVariable(items, i));
      assign(frames.back(), "loop", std::move(loop));
      STC_RETURN_IF_ERROR(assignTargets(node.names, items[i]));
      STC_ASSIGN_OR_RETURN(Flow flow, execute(*node.children[1]));
      frames.pop_back();
      if (flow == Flow::Break)
        break;
    }
    return Flow::Normal;
  }

  Result loopVariable(const List &items, size_t i) {
    int64_t index = int64_t(i), length = int64_t(items.size());
    Map loop = {{"index0", Value::integer(index)},
                {"index", Value::integer(index + 1)},
                {"first", Value::boolean(i == 0)},
                {"last", Value::boolean(i + 1 == items.size())},
                {"length", Value::integer(length)},
                {"revindex0", Value::integer(length - index - 1)},
                {"revindex", Value::integer(length - index)}};
    if (i > 0)
      loop.emplace_back("previtem", items[i - 1]);
    if (i + 1 < items.size())
      loop.emplace_back("nextitem", items[i + 1]);
    return context.map(std::move(loop));
  }

  // Expressions.

  Result evaluate(const Node &node) {
    context.line = node.line;
    STC_RETURN_IF_ERROR(context.charge(kNodeCost));
    switch (node.kind) {
    case Node::Kind::Literal:
      return node.value;
    case Node::Kind::Name:
      return lookUp(node.text);
    case Node::Kind::List: {
      List items;
      for (const NodePtr &child : node.children) {
        STC_ASSIGN_OR_RETURN(Value item, evaluate(*child));
        items.push_back(std::move(item));
      }
      return context.list(std::move(items));
    }
    case Node::Kind::Map:
      return evaluateMap(node);
    case Node::Kind::Attribute: {
      STC_ASSIGN_OR_RETURN(Value object, evaluate(*node.children[0]));
      return member(object, node.text, context);
    }
    case Node::Kind::Subscript: {
      STC_ASSIGN_OR_RETURN(Value object, evaluate(*node.children[0]));
      STC_ASSIGN_OR_RETURN(Value key, evaluate(*node.children[1]));
      return subscript(object, key, context);
    }
    case Node::Kind::Slice:
      return evaluateSlice(node);
    case Node::Kind::Call:
      return evaluateCall(node);
    case Node::Kind::Filter: {
      STC_ASSIGN_OR_RETURN(Value input, evaluate(*node.children[0]));
      STC_ASSIGN_OR_RETURN(Arguments arguments, evaluateArguments(node));
      return applyFilter(node.text, input, arguments, context);
    }
    case Node::Kind::Test: {
      STC_ASSIGN_OR_RETURN(Value input, evaluate(*node.children[0]));
      STC_ASSIGN_OR_RETURN(Arguments arguments, evaluateArguments(node));
      STC_ASSIGN_OR_RETURN(bool passes, applyTest(node.text, input, arguments, context));
      return Value::boolean(passes != node.negated);
    }
    case Node::Kind::Unary:
      return evaluateUnary(node);
    case Node::Kind::Binary:
      return evaluateBinary(node);
    case Node::Kind::Compare:
      return evaluateCompare(node);
    case Node::Kind::Conditional: {
      STC_ASSIGN_OR_RETURN(Value condition, evaluate(*node.children[0]));
      const NodePtr &chosen = node.children[condition.isTrue() ? 1 : 2];
      return chosen ? evaluate(*chosen) : Value::undefined("");
    }
    default:
      return context.error("an expression", "a statement");
    }
  }

  Result evaluateMap(const Node &node) {
    Map entries;
    for (size_t i = 0; i < node.children.size(); i += 2) {
      STC_ASSIGN_OR_RETURN(Value key, evaluate(*node.children[i]));
      if (!key.isString())
        return context.error("a string as a key", key.describe());
      STC_ASSIGN_OR_RETURN(Value value, evaluate(*node.children[i + 1]));
      assign(entries, key.toString(), std::move(value));
    }
    return context.map(std::move(entries));
  }

  Result evaluateSlice(const Node &node) {
    Value parts[4];
    for (size_t i = 0; i < 4; ++i) {
      parts[i] = Value::none();
      if (node.children[i]) {
        STC_ASSIGN_OR_RETURN(parts[i], evaluate(*node.children[i]));
      }
    }
    return slice(parts[0], parts[1], parts[2], parts[3], context);
  }

  absl::StatusOr<Arguments> evaluateArguments(const Node &node) {
    Arguments arguments;
    for (size_t i = 1; i < node.children.size(); ++i) {
      STC_ASSIGN_OR_RETURN(Value value, evaluate(*node.children[i]));
      arguments.positional.push_back(std::move(value));
    }
    for (const auto &[name, child] : node.named) {
      STC_ASSIGN_OR_RETURN(Value value, evaluate(*child));
      arguments.named.emplace_back(name, std::move(value));
    }
    context.line = node.line;
    return arguments;
  }

  Result evaluateCall(const Node &node) {
    const Node &callee = *node.children[0];
    if (callee.kind == Node::Kind::Attribute) {
      STC_ASSIGN_OR_RETURN(Value object, evaluate(*callee.children[0]));
      STC_ASSIGN_OR_RETURN(Arguments arguments, evaluateArguments(node));
      const Value *held = object.find(callee.text);
      if (held && held->kind() == Value::Kind::Macro)
        return callMacro(*held->toMacro(), arguments);
      const Value *index = object.find("index0");
      if (callee.text == "cycle" && index && index->isInteger() && !arguments.positional.empty())
        return arguments.positional[size_t(index->toInteger()) % arguments.positional.size()];
      return callMethod(object, callee.text, arguments, context);
    }
    STC_ASSIGN_OR_RETURN(Value function, evaluate(callee));
    STC_ASSIGN_OR_RETURN(Arguments arguments, evaluateArguments(node));
    if (function.kind() == Value::Kind::Builtin)
      return callBuiltin(function.toBuiltin(), arguments, context);
    if (function.kind() == Value::Kind::Macro)
      return callMacro(*function.toMacro(), arguments);
    return context.error("a function, a macro or a method", function.describe());
  }

  Result callMacro(const Node &macro, const Arguments &arguments) {
    if (calls == kMostCalls)
      return context.error(absl::StrCat("at most ", kMostCalls, " macros within each other"),
                           "more");
    if (arguments.positional.size() > macro.names.size())
      return context.error(
          absl::StrCat("at most ", macro.names.size(), " arguments of ", macro.text),
          absl::StrCat(arguments.positional.size()));
    for (const auto &argument : arguments.named)
      if (std::find(macro.names.begin(), macro.names.end(), argument.first) == macro.names.end())
        return context.error(absl::StrCat("an argument of ", macro.text),
                             absl::StrCat("'", printable(argument.first), "'"));
    ++calls;
    size_t outsideFirst = std::exchange(firstFrame, frames.size());
    std::string outside = std::exchange(output, {});
    frames.emplace_back();
    absl::Status status = runMacro(macro, arguments);
    frames.resize(firstFrame);
    std::string text = std::exchange(output, std::move(outside));
    firstFrame = outsideFirst;
    --calls;
    STC_RETURN_IF_ERROR(status);
    return context.string(std::move(text));
  }

  absl::Status runMacro(const Node &macro, const Arguments &arguments) {
    for (size_t i = 0; i < macro.names.size(); ++i) {
      Value value = Value::undefined(macro.names[i]);
      if (const Value *given = arguments.find(i, macro.names[i])) {
        value = *given;
      } else {
        for (const auto &[name, fallback] : macro.named)
          if (name == macro.names[i]) {
            STC_ASSIGN_OR_RETURN(value, evaluate(*fallback));
          }
      }
      assign(frames.back(), macro.names[i], std::move(value));
    }
    return execute(*macro.children[0]).status();
  }

  Result evaluateUnary(const Node &node) {
    STC_ASSIGN_OR_RETURN(Value value, evaluate(*node.children[0]));
    if (node.text == "not")
      return Value::boolean(!value.isTrue());
    if (!value.isNumber())
      return context.error(absl::StrCat("a number after ", node.text), value.describe());
    return applyBinary("*", value, Value::integer(node.text == "-" ? -1 : 1), context);
  }

  Result evaluateBinary(const Node &node) {
    STC_ASSIGN_OR_RETURN(Value left, evaluate(*node.children[0]));
    if (node.text == "and" || node.text == "or") {
      if (left.isTrue() != (node.text == "and"))
        return left;
      return evaluate(*node.children[1]);
    }
    STC_ASSIGN_OR_RETURN(Value right, evaluate(*node.children[1]));
    context.line = node.line;
    return applyBinary(node.text, left, right, context);
  }

  Result evaluateCompare(const Node &node) {
    STC_ASSIGN_OR_RETURN(Value left, evaluate(*node.children[0]));
    for (size_t i = 0; i < node.names.size(); ++i) {
      STC_ASSIGN_OR_RETURN(Value right, evaluate(*node.children[i + 1]));
      context.line = node.line;
      STC_ASSIGN_OR_RETURN(bool holds, applyComparison(node.names[i], left, right, context));
      if (!holds)
        return Value::boolean(false);
      left = std::move(right);
    }
    return Value::boolean(true);
  }

  Context context;
  std::string output;
  std::vector<Map> frames;
  size_t firstFrame = 0; // the frames from here on are visible, and the outermost
  int calls = 0;
};

} // namespace

absl::StatusOr<std::string> interpret(const Node &block, Map globals, uint64_t work,
                                      const std::string &file) {
  return Interpreter(std::move(globals), work, file).run(block);
}

} // namespace stc::jinja
