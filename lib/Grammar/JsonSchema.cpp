// Turns JSON schemas into grammars, rule by rule. nlohmann::json reads them, as it is header-only:
// a model binary links nothing but static libraries, and simdjson comes as a shared one.
#include "stc/Grammar/JsonSchema.h"

#include "stc/Grammar/StrictJson.h"
#include "stc/Support/Json.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

#include <map>
#include <set>

namespace stc {

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kLongestSchema = 1 << 20;
constexpr int kDeepest = 64;
constexpr size_t kMostRules = 10000;

/// What every schema may use; `value` and what it needs are those of Grammar::json().
constexpr absl::string_view kCommonRules = R"(
value   ::= object | array | string | number | "true" | "false" | "null"
object  ::= "{" ws ( member ( "," ws member )* )? "}"
member  ::= string ":" ws value ws
array   ::= "[" ws ( value ws ( "," ws value ws )* )? "]"
char    ::= [^"\\\x00-\x1F] | "\\" ( ["\\/bfnrt] | "u" [0-9a-fA-F]{4} )
string  ::= "\"" char* "\""
integer ::= "-"? ( "0" | [1-9] [0-9]{0,17} )
number  ::= "-"? ( "0" | [1-9] [0-9]* ) ( "." [0-9]+ )? ( [eE] [-+]? [0-9]+ )?
ws      ::= ( " " | "\n" [ \t]{0,16} )?
)";

/// `text` as a string of the grammar.
std::string literal(absl::string_view text) {
  return absl::StrCat(
      "\"",
      absl::StrReplaceAll(
          text, {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}, {"\r", "\\r"}, {"\t", "\\t"}}),
      "\"");
}

class Converter {
public:
  Converter(const Json &document, const std::string &file) : document(document), file(file) {}

  absl::StatusOr<std::string> convert() {
    STC_ASSIGN_OR_RETURN(std::string root, convert(document, "schema", 0));
    std::string text = absl::StrCat("root ::= ", root, "\n");
    // References are converted when all that names them is known; they may name others.
    for (size_t i = 0; i < pending.size(); ++i) {
      auto [pointer, path] = pending[i];
      const Json *target = find(pointer);
      if (!target)
        return error(path, "a reference to a part of the schema", quoted(pointer));
      STC_ASSIGN_OR_RETURN(std::string body, convert(*target, path, 0));
      absl::StrAppend(&rules, references[pointer], " ::= ", body, "\n");
    }
    return absl::StrCat(text, rules, kCommonRules);
  }

private:
  using Result = absl::StatusOr<std::string>;

  absl::Status error(const std::string &path, absl::string_view expected,
                     absl::string_view got) const {
    return formatError({file, path, {}}, expected, got);
  }
  static std::string quoted(absl::string_view text) {
    return absl::StrCat("'", printable(text), "'");
  }
  static std::string kindOf(const Json &value) { return absl::StrCat("a ", value.type_name()); }

  /// A new rule with `body`.
  absl::StatusOr<std::string> addRule(const std::string &path, absl::string_view body) {
    if (++ruleCount > kMostRules)
      return error(path, absl::StrCat("a schema of at most ", kMostRules, " parts"), "more");
    std::string name = absl::StrCat("part-", ruleCount);
    absl::StrAppend(&rules, name, " ::= ", body, "\n");
    return name;
  }

  /// The part of the document that `#/a/b` names.
  const Json *find(absl::string_view pointer) const {
    const Json *part = &document;
    for (absl::string_view step : absl::StrSplit(pointer.substr(1), '/', absl::SkipEmpty())) {
      std::string key = absl::StrReplaceAll(step, {{"~1", "/"}, {"~0", "~"}});
      if (!part->is_object())
        return nullptr;
      auto found = part->find(key);
      if (found == part->end())
        return nullptr;
      part = &*found;
    }
    return part;
  }

  absl::Status checkKeywords(const Json &schema, const std::string &path) const {
    static const std::set<std::string> known = {
        "type",      "properties",  "required", "additionalProperties",
        "items",     "minItems",    "maxItems", "minLength",
        "maxLength", "enum",        "const",    "anyOf",
        "oneOf",     "$ref",        "$defs",    "definitions",
        "title",     "description", "default",  "examples",
        "$schema",   "$id",         "$comment", "deprecated",
        "readOnly",  "writeOnly",   "format"};
    for (const auto &entry : schema.items())
      if (known.count(entry.key()) == 0)
        return error(path,
                     "the keywords type, properties, required, additionalProperties, items, "
                     "minItems, maxItems, minLength, maxLength, enum, const, anyOf, oneOf or $ref",
                     quoted(entry.key()));
    return absl::OkStatus();
  }

  /// An expression for the values of `schema`.
  Result convert(const Json &schema, const std::string &path, int depth) {
    if (depth > kDeepest)
      return error(path, absl::StrCat("at most ", kDeepest, " levels of nesting"), "more");
    if (schema.is_boolean() && schema.get<bool>())
      return std::string("value");
    if (!schema.is_object())
      return error(path, "an object or true", schema.is_boolean() ? "false" : kindOf(schema));
    STC_RETURN_IF_ERROR(checkKeywords(schema, path));
    if (schema.contains("$ref"))
      return convertReference(schema["$ref"], path);
    if (schema.contains("const"))
      return literal(schema["const"].dump());
    if (schema.contains("enum"))
      return convertEnum(schema["enum"], path);
    for (const char *key : {"anyOf", "oneOf"})
      if (schema.contains(key))
        return convertAlternatives(schema[key], absl::StrCat(path, ".", key), depth);
    std::vector<std::string> types;
    if (!schema.contains("type")) {
      if (schema.contains("properties"))
        types = {"object"};
      else if (schema.contains("items"))
        types = {"array"};
      else
        return std::string("value");
    } else if (schema["type"].is_string()) {
      types = {schema["type"].get<std::string>()};
    } else if (schema["type"].is_array()) {
      for (const Json &type : schema["type"])
        types.push_back(type.is_string() ? type.get<std::string>() : "");
    }
    std::vector<std::string> bodies;
    for (const std::string &type : types) {
      STC_ASSIGN_OR_RETURN(std::string body, convertType(schema, type, path, depth));
      bodies.push_back(std::move(body));
    }
    if (bodies.empty())
      return error(absl::StrCat(path, ".type"), "a type or a list of types",
                   kindOf(schema["type"]));
    return bodies.size() == 1 ? bodies[0] : addRule(path, absl::StrJoin(bodies, " | "));
  }

  Result convertReference(const Json &reference, const std::string &path) {
    std::string pointer = reference.is_string() ? reference.get<std::string>() : "";
    if (!absl::StartsWith(pointer, "#"))
      return error(absl::StrCat(path, ".$ref"), "a reference within the document (#/...)",
                   reference.is_string() ? quoted(pointer) : kindOf(reference));
    auto [found, isNew] = references.try_emplace(pointer, "");
    if (isNew) {
      found->second = absl::StrCat("ref-", references.size());
      pending.emplace_back(pointer, absl::StrCat(path, ".$ref"));
    }
    return found->second;
  }

  Result convertEnum(const Json &values, const std::string &path) {
    std::vector<std::string> bodies;
    if (values.is_array())
      for (const Json &value : values)
        bodies.push_back(literal(value.dump()));
    if (bodies.empty())
      return error(absl::StrCat(path, ".enum"), "a list of values",
                   values.is_array() ? "an empty one" : kindOf(values));
    return addRule(path, absl::StrJoin(bodies, " | "));
  }

  Result convertAlternatives(const Json &schemas, const std::string &path, int depth) {
    std::vector<std::string> bodies;
    if (schemas.is_array())
      for (size_t i = 0; i < schemas.size(); ++i) {
        STC_ASSIGN_OR_RETURN(std::string body,
                             convert(schemas[i], absl::StrCat(path, "[", i, "]"), depth + 1));
        bodies.push_back(std::move(body));
      }
    if (bodies.empty())
      return error(path, "a list of schemas",
                   schemas.is_array() ? "an empty one" : kindOf(schemas));
    return addRule(path, absl::StrJoin(bodies, " | "));
  }

  Result convertType(const Json &schema, const std::string &type, const std::string &path,
                     int depth) {
    if (type == "object")
      return convertObject(schema, path, depth);
    if (type == "array")
      return convertArray(schema, path, depth);
    if (type == "string") {
      STC_ASSIGN_OR_RETURN(std::string times, counts(schema, path, "minLength", "maxLength"));
      return times == "*" ? std::string("string")
                          : absl::StrCat("\"\\\"\" char", times, " \"\\\"\"");
    }
    if (type == "integer" || type == "number")
      return type;
    if (type == "boolean")
      return addRule(path, "\"true\" | \"false\"");
    if (type == "null")
      return std::string("\"null\"");
    return error(absl::StrCat(path, ".type"),
                 "object, array, string, integer, number, boolean or null", quoted(type));
  }

  /// How often something comes, as the notation says it.
  Result counts(const Json &schema, const std::string &path, const char *least,
                const char *most) const {
    for (const char *key : {least, most})
      if (schema.contains(key) && !schema[key].is_number_unsigned())
        return error(absl::StrCat(path, ".", key), "a number from 0 on", schema[key].dump());
    uint64_t low = schema.contains(least) ? schema[least].get<uint64_t>() : 0;
    if (!schema.contains(most))
      return low == 0 ? std::string("*") : absl::StrCat("{", low, ",}");
    uint64_t high = schema[most].get<uint64_t>();
    if (high < low)
      return error(absl::StrCat(path, ".", most), absl::StrCat("at least ", low),
                   absl::StrCat(high));
    return absl::StrCat("{", low, ",", high, "}");
  }

  Result convertArray(const Json &schema, const std::string &path, int depth) {
    std::string element = "value";
    if (schema.contains("items")) {
      STC_ASSIGN_OR_RETURN(element, convert(schema["items"], path + ".items", depth + 1));
    }
    STC_ASSIGN_OR_RETURN(std::string times, counts(schema, path, "minItems", "maxItems"));
    uint64_t low = schema.contains("minItems") ? schema["minItems"].get<uint64_t>() : 0;
    uint64_t high = schema.contains("maxItems") ? schema["maxItems"].get<uint64_t>() : UINT64_MAX;
    if (high == 0)
      return std::string("\"[\" ws \"]\"");
    // The first stands apart, as a comma comes before the others.
    std::string others = high == UINT64_MAX
                             ? absl::StrCat("{", low > 0 ? low - 1 : 0, ",}")
                             : absl::StrCat("{", low > 0 ? low - 1 : 0, ",", high - 1, "}");
    std::string items =
        absl::StrCat("( ", element, " ws ( \",\" ws ", element, " ws )", others, " )");
    return addRule(path, absl::StrCat("\"[\" ws ", items, low == 0 ? "?" : "", " \"]\""));
  }

  Result convertObject(const Json &schema, const std::string &path, int depth) {
    if (!schema.contains("properties"))
      return convertMap(schema, path, depth);
    const Json &properties = schema["properties"];
    if (!properties.is_object())
      return error(path + ".properties", "an object", kindOf(properties));
    std::set<std::string> required;
    if (schema.contains("required") && !schema["required"].is_array())
      return error(path + ".required", "a list of names", kindOf(schema["required"]));
    if (schema.contains("required"))
      for (const Json &name : schema["required"]) {
        if (!name.is_string() || !properties.contains(name.get<std::string>()))
          return error(path + ".required", "names of properties", name.dump());
        required.insert(name.get<std::string>());
      }
    std::vector<std::pair<std::string, bool>> members; // and whether each has to come
    for (const auto &entry : properties.items()) {
      std::string place = absl::StrCat(path, ".properties.", printable(entry.key(), 40));
      STC_ASSIGN_OR_RETURN(std::string value, convert(entry.value(), place, depth + 1));
      members.emplace_back(
          absl::StrCat(literal(jsonQuote(entry.key())), " \":\" ws ", value, " ws"),
          required.count(entry.key()) > 0);
    }
    // What may follow from each member on, the last first: after another member, or as the first.
    std::string after = "\"\"", first = after;
    for (size_t i = members.size(); i-- > 0;) {
      const auto &[member, needed] = members[i];
      std::string taken = absl::StrCat(member, " ", after);
      STC_ASSIGN_OR_RETURN(first,
                           addRule(path, needed ? taken : absl::StrCat(taken, " | ", first)));
      STC_ASSIGN_OR_RETURN(
          after, addRule(path, absl::StrCat("\",\" ws ", taken, needed ? "" : " | " + after)));
    }
    return addRule(path, absl::StrCat("\"{\" ws ", first, " \"}\""));
  }

  /// An object whose members have any names.
  Result convertMap(const Json &schema, const std::string &path, int depth) {
    if (schema.contains("required"))
      return error(path + ".required", "properties beside it", "none");
    if (!schema.contains("additionalProperties") || schema["additionalProperties"] == true)
      return std::string("object");
    if (schema["additionalProperties"] == false)
      return std::string("\"{\" ws \"}\"");
    STC_ASSIGN_OR_RETURN(std::string value, convert(schema["additionalProperties"],
                                                    path + ".additionalProperties", depth + 1));
    STC_ASSIGN_OR_RETURN(std::string member,
                         addRule(path, absl::StrCat("string \":\" ws ", value, " ws")));
    return addRule(path,
                   absl::StrCat("\"{\" ws ( ", member, " ( \",\" ws ", member, " )* )? \"}\""));
  }

  const Json &document;
  const std::string &file;
  std::string rules;
  size_t ruleCount = 0;
  std::map<std::string, std::string> references;            // pointers and their rules
  std::vector<std::pair<std::string, std::string>> pending; // pointers and where they stand
};

} // namespace

absl::StatusOr<std::string> grammarOfSchema(absl::string_view schema, const std::string &file) {
  if (schema.size() > kLongestSchema)
    return formatError({file, "schema", {}}, absl::StrCat("at most ", kLongestSchema, " bytes"),
                       absl::StrCat(schema.size()));
  STC_ASSIGN_OR_RETURN(Json document, parseStrictJson(schema, {file, "schema", {}}, 2 * kDeepest));
  return Converter(document, file).convert();
}

} // namespace stc
