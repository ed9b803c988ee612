// Reads recipes from YAML, strictly: every key is known, every value is checked, and an error says
// on which line.
#include "stc/Dialect/STC/Utils/Recipe.h"
#include "stc/Support/File.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/GlobPattern.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/YAMLParser.h"

#include <algorithm>
#include <optional>

namespace stc {

namespace {

/// A recipe is written by hand; what is larger is another file.
constexpr uint64_t kLargestRecipe = 1 << 20;

class RecipeReader {
public:
  RecipeReader(absl::string_view text, const std::string &file)
      : file(file), stream({text.data(), text.size()}, sources, /*ShowColors=*/false) {
    sources.setDiagHandler(
        [](const llvm::SMDiagnostic &diagnostic, void *reader) {
          auto &first = static_cast<RecipeReader *>(reader)->syntaxError;
          if (!first)
            first = diagnostic;
        },
        this);
  }

  absl::StatusOr<Recipe> read();

private:
  using Node = llvm::yaml::Node;
  /// Reads the value of a key; `field` is the key's full name.
  struct Key {
    llvm::StringRef name;
    llvm::function_ref<absl::Status(Node *, const std::string &field)> read;
  };

  absl::Status error(Node *node, const std::string &field, absl::string_view expected,
                     absl::string_view got) const;
  absl::Status syntax() const;
  absl::Status readMap(Node *node, const std::string &field, llvm::ArrayRef<Key> keys);
  absl::StatusOr<std::string> readText(Node *node, const std::string &field) const;
  absl::Status readInteger(Node *node, const std::string &field, int64_t least, int64_t most,
                           int64_t &value) const;
  absl::Status readNumber(Node *node, const std::string &field, bool zero, double &value) const;
  absl::Status readBool(Node *node, const std::string &field, bool &value) const;
  absl::Status readCalibration(Node *node, const std::string &field);
  absl::Status readRepair(Node *node, const std::string &field);
  absl::Status readRatios(Node *node, const std::string &field);
  absl::Status readAttention(Node *node, const std::string &field);
  absl::Status readAttentionRule(Node *node, const std::string &field);
  absl::StatusOr<std::string> readMatch(Node *node, const std::string &field,
                                        absl::string_view what) const;
  absl::Status readHead(Node *node, const std::string &field);
  absl::Status readStages(Node *node, const std::string &field);
  absl::Status readStage(Node *node, const std::string &field);
  absl::Status readVersion(Node *node, const std::string &field) const;
  absl::Status checkStages() const;

  int64_t lineOf(Node *node) const {
    return sources.getLineAndColumn(node->getSourceRange().Start).first;
  }

  const std::string &file;
  llvm::SourceMgr sources;
  llvm::yaml::Stream stream;
  std::optional<llvm::SMDiagnostic> syntaxError;
  int64_t ratiosLine = 0;
  Recipe recipe;
};

} // namespace

static absl::Status errorAt(const std::string &file, int64_t line, const std::string &field,
                            absl::string_view expected, absl::string_view got) {
  std::string place = line > 0 ? absl::StrCat(file, ":", line) : file;
  return formatError({place, field, {}}, expected, got);
}

absl::Status RecipeReader::error(Node *node, const std::string &field, absl::string_view expected,
                                 absl::string_view got) const {
  return errorAt(file, lineOf(node), field, expected, got);
}

absl::Status RecipeReader::syntax() const {
  if (!syntaxError)
    return errorAt(file, 0, "", "YAML", "something else");
  return errorAt(file, syntaxError->getLineNo(), "", "YAML",
                 printable(syntaxError->getMessage().str()));
}

absl::Status RecipeReader::readMap(Node *node, const std::string &field, llvm::ArrayRef<Key> keys) {
  auto *map = llvm::dyn_cast_or_null<llvm::yaml::MappingNode>(node);
  llvm::SmallVector<llvm::StringRef> names;
  for (const Key &key : keys)
    names.push_back(key.name);
  std::string expected = absl::StrCat(
      "the keys ", absl::StrJoin(names, ", ", [](std::string *out, llvm::StringRef name) {
        out->append(name.data(), name.size());
      }));
  if (!map)
    return error(node, field, expected, "no keys");
  std::vector<std::string> seen;
  for (llvm::yaml::KeyValueNode &entry : *map) {
    if (stream.failed() || !entry.getKey())
      return syntax();
    STC_ASSIGN_OR_RETURN(std::string name, readText(entry.getKey(), field));
    const Key *known = llvm::find_if(keys, [&](const Key &key) { return key.name == name; });
    if (known == keys.end())
      return error(
          entry.getKey(), field, expected,
          absl::StrCat(printable(name, 40), " (is ", nearestName(name, names).str(), " meant?)"));
    if (llvm::is_contained(seen, name))
      return error(entry.getKey(), field, "every key once", name + " twice");
    seen.push_back(name);
    Node *value = entry.getValue();
    if (!value || stream.failed())
      return syntax();
    std::string full = field.empty() ? name : field + "." + name;
    if (llvm::isa<llvm::yaml::AliasNode>(value)) // which does not know where it stands
      return error(entry.getKey(), full, "text in quotes where it begins with *", "an alias");
    STC_RETURN_IF_ERROR(known->read(value, full));
  }
  return stream.failed() ? syntax() : absl::OkStatus();
}

absl::StatusOr<std::string> RecipeReader::readText(Node *node, const std::string &field) const {
  if (auto *scalar = llvm::dyn_cast<llvm::yaml::ScalarNode>(node)) {
    llvm::SmallString<64> storage;
    return scalar->getValue(storage).str();
  }
  return error(node, field, "text", "something else");
}

absl::Status RecipeReader::readInteger(Node *node, const std::string &field, int64_t least,
                                       int64_t most, int64_t &value) const {
  STC_ASSIGN_OR_RETURN(std::string text, readText(node, field));
  if (absl::SimpleAtoi(text, &value) && value >= least && value <= most)
    return absl::OkStatus();
  return error(node, field, absl::StrCat("an integer from ", least, " to ", most),
               printable(text, 40));
}

absl::Status RecipeReader::readNumber(Node *node, const std::string &field, bool zero,
                                      double &value) const {
  STC_ASSIGN_OR_RETURN(std::string text, readText(node, field));
  if (absl::SimpleAtod(text, &value) && value < 1e9 && (value > 0 || (zero && value == 0)))
    return absl::OkStatus();
  return error(node, field, zero ? "a number of at least 0" : "a positive number",
               printable(text, 40));
}

absl::Status RecipeReader::readBool(Node *node, const std::string &field, bool &value) const {
  STC_ASSIGN_OR_RETURN(std::string text, readText(node, field));
  if (text != "true" && text != "false")
    return error(node, field, "true or false", printable(text, 40));
  value = text == "true";
  return absl::OkStatus();
}

absl::Status RecipeReader::readVersion(Node *node, const std::string &field) const {
  STC_ASSIGN_OR_RETURN(std::string text, readText(node, field));
  return text == "1" ? absl::OkStatus() : error(node, field, "1", printable(text, 40));
}

absl::Status RecipeReader::readCalibration(Node *node, const std::string &field) {
  Recipe::Calibration &calibration = recipe.calibration;
  auto readPath = [&](Node *value, const std::string &name) -> absl::Status {
    STC_ASSIGN_OR_RETURN(calibration.text, readText(value, name));
    if (calibration.text.empty())
      return error(value, name, "default, or the path of a text", "none");
    if (calibration.text == "default" || llvm::sys::path::is_absolute(calibration.text))
      return absl::OkStatus();
    llvm::SmallString<128> path(llvm::sys::path::parent_path(file));
    llvm::sys::path::append(path, calibration.text);
    calibration.text = path.str().str();
    return absl::OkStatus();
  };
  STC_RETURN_IF_ERROR(readMap(
      node, field,
      {{"text", readPath},
       {"sequences",
        [&](Node *value, const std::string &name) {
          return readInteger(value, name, 1, 1 << 20, calibration.sequences);
        }},
       {"length",
        [&](Node *value, const std::string &name) {
          return readInteger(value, name, 2, 1 << 16, calibration.length);
        }},
       {"damping",
        [&](Node *value, const std::string &name) {
          return readNumber(value, name, /*zero=*/false, calibration.damping);
        }},
       {"joint", [&](Node *value,
                     const std::string &name) { return readBool(value, name, calibration.joint); }},
       {"smooth", [&](Node *value, const std::string &name) -> absl::Status {
          STC_RETURN_IF_ERROR(readNumber(value, name, /*zero=*/true, calibration.smooth));
          return calibration.smooth <= 1 ? absl::OkStatus()
                                         : error(value, name, "a number from 0 to 1", "more");
        }}}));
  if (calibration.text.empty())
    return error(node, field, "a text", "none");
  return absl::OkStatus();
}

absl::Status RecipeReader::readRepair(Node *node, const std::string &field) {
  Recipe::Repair &repair = recipe.repair;
  return readMap(
      node, field,
      {{"enabled", [&](Node *value,
                       const std::string &name) { return readBool(value, name, repair.enabled); }},
       {"damping",
        [&](Node *value, const std::string &name) {
          return readNumber(value, name, /*zero=*/true, repair.damping);
        }},
       {"sweeps", [&](Node *value, const std::string &name) {
          return readInteger(value, name, 0, 100, repair.sweeps);
        }}});
}

/// uniform or owl, or owl with its numbers.
absl::Status RecipeReader::readRatios(Node *node, const std::string &field) {
  ratiosLine = lineOf(node);
  auto readMethod = [&](Node *value, const std::string &name) -> absl::Status {
    STC_ASSIGN_OR_RETURN(std::string method, readText(value, name));
    recipe.ratios.owl = method == "owl";
    return recipe.ratios.owl || method == "uniform"
               ? absl::OkStatus()
               : error(value, name, "uniform or owl", printable(method, 40));
  };
  if (!llvm::isa<llvm::yaml::MappingNode>(node))
    return readMethod(node, field);
  return readMap(node, field,
                 {{"method", readMethod},
                  {"threshold",
                   [&](Node *value, const std::string &name) {
                     return readNumber(value, name, /*zero=*/false, recipe.ratios.threshold);
                   }},
                  {"range", [&](Node *value, const std::string &name) -> absl::Status {
                     STC_RETURN_IF_ERROR(
                         readNumber(value, name, /*zero=*/true, recipe.ratios.range));
                     return recipe.ratios.range < 1
                                ? absl::OkStatus()
                                : error(value, name, "a number of at least 0 and below 1", "more");
                   }}});
}

absl::Status RecipeReader::readHead(Node *node, const std::string &field) {
  STC_ASSIGN_OR_RETURN(recipe.head, readText(node, field));
  if (recipe.head == "auto")
    return absl::OkStatus();
  absl::StatusOr<QuantizeSpec> spec = parseQuantizeSpec(recipe.head);
  if (spec.ok() && !spec->needsCalibration())
    return absl::OkStatus();
  return error(node, field, "auto, none, or a quantization without calibration (int8-g32)",
               printable(recipe.head, 40));
}

/// A glob pattern; `what` is what errors expect.
absl::StatusOr<std::string> RecipeReader::readMatch(Node *node, const std::string &field,
                                                    absl::string_view what) const {
  STC_ASSIGN_OR_RETURN(std::string text, readText(node, field));
  // A cap keeps nested braces from expanding without end.
  auto glob = llvm::GlobPattern::create(text, /*MaxSubPatterns=*/1024);
  if (glob && !text.empty())
    return text;
  std::string why = glob ? "none" : llvm::toString(glob.takeError());
  return error(node, field, what, printable(why));
}

/// One pattern for all layers, or a list of rules.
absl::Status RecipeReader::readAttention(Node *node, const std::string &field) {
  if (auto *list = llvm::dyn_cast<llvm::yaml::SequenceNode>(node)) {
    for (Node &item : *list) {
      if (stream.failed())
        return syntax();
      STC_RETURN_IF_ERROR(
          readAttentionRule(&item, absl::StrCat(field, "[", recipe.attention.size(), "]")));
    }
    return absl::OkStatus();
  }
  STC_ASSIGN_OR_RETURN(std::string text, readText(node, field));
  absl::StatusOr<AttentionPattern> pattern = AttentionPattern::parse(text);
  if (!pattern.ok())
    return error(node, field,
                 "an attention pattern (strided:64), or a list of - match: and "
                 "pattern:",
                 printable(text, 40));
  if (pattern->kind != AttentionPattern::Kind::None)
    recipe.attention.push_back({"*", *pattern});
  return absl::OkStatus();
}

absl::Status RecipeReader::readAttentionRule(Node *node, const std::string &field) {
  AttentionRule rule;
  bool hasPattern = false;
  auto readOwnMatch = [&](Node *value, const std::string &name) -> absl::Status {
    STC_ASSIGN_OR_RETURN(rule.match, readMatch(value, name, "a pattern of layer names (layers.0)"));
    return absl::OkStatus();
  };
  auto readPattern = [&](Node *value, const std::string &name) -> absl::Status {
    STC_ASSIGN_OR_RETURN(std::string text, readText(value, name));
    absl::StatusOr<AttentionPattern> pattern = AttentionPattern::parse(text);
    if (!pattern.ok())
      return error(value, name, "an attention pattern (none, window:256+4, strided:64 ...)",
                   printable(text, 40));
    rule.pattern = *std::move(pattern);
    hasPattern = true;
    return absl::OkStatus();
  };
  STC_RETURN_IF_ERROR(readMap(node, field, {{"match", readOwnMatch}, {"pattern", readPattern}}));
  if (rule.match.empty() || !hasPattern)
    return error(node, field, "the keys match and pattern", "one of them");
  recipe.attention.push_back(std::move(rule));
  return absl::OkStatus();
}

absl::Status RecipeReader::readStage(Node *node, const std::string &field) {
  RecipeStage stage;
  stage.line = lineOf(node);
  auto readInto = [&](std::string &target) {
    return [this, &target](Node *value, const std::string &name) -> absl::Status {
      STC_ASSIGN_OR_RETURN(target, readText(value, name));
      return absl::OkStatus();
    };
  };
  auto readOwnMatch = [&](Node *value, const std::string &name) -> absl::Status {
    STC_ASSIGN_OR_RETURN(stage.match,
                         readMatch(value, name, "a pattern of weight names (layers.0.*)"));
    return absl::OkStatus();
  };
  auto readPrune = readInto(stage.prune);
  auto readQuantize = readInto(stage.quantize);
  STC_RETURN_IF_ERROR(readMap(
      node, field, {{"match", readOwnMatch}, {"prune", readPrune}, {"quantize", readQuantize}}));
  if (stage.match.empty())
    return error(node, field, "a key match", "none");
  recipe.stages.push_back(std::move(stage));
  return absl::OkStatus();
}

absl::Status RecipeReader::readStages(Node *node, const std::string &field) {
  auto *list = llvm::dyn_cast<llvm::yaml::SequenceNode>(node);
  if (!list)
    return error(node, field, "a list of stages (- match: ...)", "something else");
  for (Node &item : *list) {
    if (stream.failed())
      return syntax();
    STC_RETURN_IF_ERROR(readStage(&item, absl::StrCat(field, "[", recipe.stages.size(), "]")));
  }
  return absl::OkStatus();
}

/// Specifications may depend on the calibration, which may stand behind them.
absl::Status RecipeReader::checkStages() const {
  for (const RecipeStage &stage : recipe.stages)
    if (absl::Status status = recipe.method(stage).status(); !status.ok())
      return absl::InvalidArgumentError(
          absl::StrCat(file, ":", stage.line, ": ", status.message()));
  if (absl::Status status = recipe.checkRatios(); !status.ok())
    return absl::InvalidArgumentError(absl::StrCat(file, ":", ratiosLine, ": ", status.message()));
  return absl::OkStatus();
}

absl::StatusOr<Recipe> RecipeReader::read() {
  auto document = stream.begin();
  if (document == stream.end())
    return errorAt(file, 0, "", "a recipe", "an empty file");
  Node *root = document->getRoot();
  if (!root || stream.failed())
    return syntax();
  bool hasVersion = false, hasStages = false;
  absl::Status status = readMap(
      root, "",
      {{"version",
        [&](Node *node, const std::string &field) {
          hasVersion = true;
          return readVersion(node, field);
        }},
       {"attention",
        [&](Node *node, const std::string &field) { return readAttention(node, field); }},
       {"rotate",
        [&](Node *node, const std::string &field) { return readBool(node, field, recipe.rotate); }},
       {"calibration",
        [&](Node *node, const std::string &field) { return readCalibration(node, field); }},
       {"repair", [&](Node *node, const std::string &field) { return readRepair(node, field); }},
       {"ratios", [&](Node *node, const std::string &field) { return readRatios(node, field); }},
       {"head", [&](Node *node, const std::string &field) { return readHead(node, field); }},
       {"stages", [&](Node *node, const std::string &field) {
          hasStages = true;
          return readStages(node, field);
        }}});
  // What is no YAML may look like a wrong value first.
  if (stream.failed())
    return syntax();
  STC_RETURN_IF_ERROR(status);
  if (!hasVersion || !hasStages)
    return errorAt(file, 0, "", hasVersion ? "a key stages" : "a key version, of 1", "none");
  if (++document != stream.end() || stream.failed())
    return stream.failed() ? syntax() : errorAt(file, 0, "", "one YAML document", "several");
  STC_RETURN_IF_ERROR(checkStages());
  return std::move(recipe);
}

absl::StatusOr<Recipe> Recipe::parse(absl::string_view text, const std::string &file) {
  return RecipeReader(text, file).read();
}

absl::StatusOr<Recipe> Recipe::load(const std::string &file) {
  STC_ASSIGN_OR_RETURN(std::string text, readFile(file, kLargestRecipe));
  return parse(text, file);
}

} // namespace stc
