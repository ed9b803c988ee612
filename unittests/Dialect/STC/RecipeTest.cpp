// Tests of recipes: what they mean, that they print as they read, and what they refuse.
#include "stc/Dialect/STC/Utils/Recipe.h"

#include "llvm/Support/GlobPattern.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <filesystem>

namespace stc {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char *kRecipe = R"(version: 1
calibration: {text: mine.txt, sequences: 16, length: 64}
repair: {enabled: true, damping: 0.02, sweeps: 3}
head: int8-g32
stages:                       # the first that matches a weight decides
  - match: "layers.0.*"
    prune: none
    quantize: gptq:int8-g32
  - match: "*.down"
    prune: 6:8
    quantize: int4-g128
  - match: "*"
    quantize: rtn:int4-g32-asym
)";

std::string messageOf(absl::string_view text) {
  absl::StatusOr<Recipe> recipe = Recipe::parse(text, "r.yaml");
  EXPECT_FALSE(recipe.ok()) << text;
  std::string message(recipe.status().message());
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  return message;
}

/// The recipe with one line replaced.
std::string edited(const std::string &from, const std::string &to) {
  std::string text = kRecipe;
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

/// Whether a pattern names a weight of the models that the importer makes.
bool matchesAny(llvm::StringRef pattern) {
  auto glob = llvm::GlobPattern::create(pattern, 1024);
  EXPECT_TRUE(bool(glob));
  for (const char *name : {"q", "k", "v", "o", "gate", "up", "down"})
    if (glob && glob->match("layers.0." + std::string(name)))
      return true;
  return false;
}

TEST(RecipeTest, SaysHowEachStageCompresses) {
  absl::StatusOr<Recipe> recipe = Recipe::parse(kRecipe, "folder/r.yaml");
  ASSERT_TRUE(recipe.ok()) << recipe.status();
  EXPECT_EQ(recipe->calibration.text, "folder/mine.txt");
  EXPECT_EQ(recipe->calibration.sequences, 16);
  EXPECT_EQ(recipe->calibration.length, 64);
  EXPECT_EQ(recipe->headSpec(), "int8-g32");
  ASSERT_EQ(recipe->stages.size(), 3u);
  EXPECT_EQ(recipe->stages[1].match, "*.down");
  EXPECT_EQ(recipe->stages[1].line, 9);
  absl::StatusOr<MatrixMethod> method = recipe->method(recipe->stages[1]);
  ASSERT_TRUE(method.ok()) << method.status();
  EXPECT_EQ(method->prune.pattern.str(), "6:8");
  EXPECT_EQ(method->prune.method, "sparsegpt");
  EXPECT_EQ(method->quantize.str(), "gptq:int4-g128");
  EXPECT_TRUE(method->repair);
  EXPECT_EQ(method->repairDamping, 0.02);
  EXPECT_EQ(method->sweeps, 3);
  method = recipe->method(recipe->stages[2]);
  ASSERT_TRUE(method.ok()) << method.status();
  EXPECT_EQ(method->prune.pattern.kind, PrunePattern::Kind::None);
  EXPECT_EQ(method->quantize.str(), "rtn:int4-g32-asym");
}

TEST(RecipeTest, PrintsAsItReads) {
  absl::StatusOr<Recipe> recipe = Recipe::parse(kRecipe, "/folder/r.yaml");
  ASSERT_TRUE(recipe.ok()) << recipe.status();
  std::string text = recipe->str();
  absl::StatusOr<Recipe> again = Recipe::parse(text, "/elsewhere/s.yaml");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->str(), text);
  EXPECT_EQ(again->calibration.text, "/folder/mine.txt");
  ASSERT_EQ(again->stages.size(), recipe->stages.size());
  for (size_t i = 0; i < recipe->stages.size(); ++i) {
    EXPECT_EQ(again->stages[i].match, recipe->stages[i].match);
    EXPECT_EQ(again->stages[i].prune, recipe->stages[i].prune);
    EXPECT_EQ(again->stages[i].quantize, recipe->stages[i].quantize);
  }
  EXPECT_THAT(text, HasSubstr("damping: 0.02"));
}

TEST(RecipeTest, RatiosAreUniformUnlessAsked) {
  EXPECT_FALSE(Recipe::parse(kRecipe, "r.yaml")->ratios.owl);
  absl::StatusOr<Recipe> recipe = Recipe::parse(edited("head: int8-g32", "ratios: owl"), "r.yaml");
  ASSERT_TRUE(recipe.ok()) << recipe.status();
  EXPECT_TRUE(recipe->ratios.owl);
  EXPECT_EQ(recipe->ratios.threshold, 5);
  EXPECT_EQ(recipe->ratios.range, 0.08);
  recipe = Recipe::parse(
      edited("head: int8-g32", "ratios: {method: owl, threshold: 7, range: 0.15}"), "r.yaml");
  ASSERT_TRUE(recipe.ok()) << recipe.status();
  absl::StatusOr<Recipe> again = Recipe::parse(recipe->str(), "r.yaml");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->ratios.owl);
  EXPECT_EQ(again->ratios.threshold, 7);
  EXPECT_EQ(again->ratios.range, 0.15);
  EXPECT_FALSE(Recipe::parse(edited("head: int8-g32", "ratios: uniform"), "r.yaml")->ratios.owl);
}

TEST(RecipeTest, RefusesRatiosThatCannotBe) {
  auto with = [](const std::string &ratios) { return edited("head: int8-g32", ratios); };
  EXPECT_EQ(messageOf(with("ratios: owls")), "r.yaml:4: ratios: expected uniform or owl, got owls");
  EXPECT_EQ(messageOf(with("ratios: {method: owl, treshold: 3}")),
            "r.yaml:4: ratios: expected the keys method, threshold, range, got treshold (is "
            "threshold meant?)");
  EXPECT_EQ(messageOf(with("ratios: {method: owl, threshold: 0}")),
            "r.yaml:4: ratios.threshold: expected a positive number, got 0");
  EXPECT_EQ(messageOf(with("ratios: {method: owl, range: 1}")),
            "r.yaml:4: ratios.range: expected a number of at least 0 and below 1, got more");
  EXPECT_THAT(messageOf(with("ratios: [owl]")), HasSubstr("r.yaml:4: ratios: expected text"));
  EXPECT_EQ(messageOf("version: 1\nratios: owl\nstages:\n  - {match: \"*\", prune: 0.5}\n"),
            "r.yaml:2: ratios: expected a calibration text beside owl, got none");
  EXPECT_EQ(messageOf("version: 1\ncalibration: {text: default}\nratios: owl\nstages:\n"
                      "  - {match: \"*\", quantize: int4}\n"),
            "r.yaml:3: ratios: expected something to prune beside owl, got none");
  EXPECT_EQ(messageOf("version: 1\ncalibration: {text: default}\nratios: owl\nstages:\n"
                      "  - {match: \"*\", prune: 2:4}\n"),
            "r.yaml:5: prune: expected a ratio, blocks or N:M with M of at least 8 beside ratios "
            "owl, got 2:4");
}

TEST(RecipeTest, RotatesWhereItSaysSo) {
  absl::StatusOr<Recipe> plain = Recipe::parse(kRecipe, "r.yaml");
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_FALSE(plain->rotate);
  EXPECT_THAT(plain->str(), Not(HasSubstr("rotate")));
  absl::StatusOr<Recipe> rotated =
      Recipe::parse(edited("version: 1", "version: 1\nrotate: true"), "r.yaml");
  ASSERT_TRUE(rotated.ok()) << rotated.status();
  EXPECT_TRUE(rotated->rotate);
  absl::StatusOr<Recipe> again = Recipe::parse(rotated->str(), "r.yaml");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->rotate);
  EXPECT_EQ(messageOf(edited("version: 1", "version: 1\nrotate: 1")),
            "r.yaml:2: rotate: expected true or false, got 1");
}

TEST(RecipeTest, ImposesAttentionPatterns) {
  absl::StatusOr<Recipe> one =
      Recipe::parse(edited("version: 1", "version: 1\nattention: strided:64"), "r.yaml");
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(attentionRulesText(one->attention), "strided:64");
  absl::StatusOr<Recipe> several = Recipe::parse(
      edited("version: 1", "version: 1\nattention:\n  - {match: layers.0, pattern: none}\n"
                           "  - match: \"*\"\n    pattern: blocks:64:0/0,1"),
      "r.yaml");
  ASSERT_TRUE(several.ok()) << several.status();
  EXPECT_EQ(attentionRulesText(several->attention), "layers.0=none;*=blocks:64:0/0,1");
  absl::StatusOr<Recipe> again = Recipe::parse(several->str(), "r.yaml");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->str(), several->str());
  EXPECT_EQ(
      messageOf(edited("version: 1", "version: 1\nattention: strided:0")),
      "r.yaml:2: attention: expected an attention pattern (strided:64), or a list of - match: "
      "and pattern:, got strided:0");
  EXPECT_EQ(messageOf(edited("version: 1", "version: 1\nattention: [{match: layers.0}]")),
            "r.yaml:2: attention[0]: expected the keys match and pattern, got one of them");
  EXPECT_EQ(
      messageOf(edited("version: 1", "version: 1\nattention: [{match: layers.0, pattern: all}]")),
      "r.yaml:2: attention[0].pattern: expected an attention pattern (none, window:256+4, "
      "strided:64 ...), got all");
}

TEST(RecipeTest, ReadsAttentionRulesOfOneLine) {
  absl::StatusOr<std::vector<AttentionRule>> rules =
      parseAttentionRules("layers.[01]=none;*=window:9+2");
  ASSERT_TRUE(rules.ok()) << rules.status();
  ASSERT_EQ(rules->size(), 2u);
  EXPECT_EQ((*rules)[0].match, "layers.[01]");
  EXPECT_EQ((*rules)[1].pattern.size, 9);
  EXPECT_EQ(attentionRulesText(*parseAttentionRules("none")), "none");
  EXPECT_EQ(attentionRulesText(*parseAttentionRules("layers.1=none")), "none");
  for (const char *text : {"", "=strided:4", "layers.[=strided:4", "strided:4;", "layers.0=all"})
    EXPECT_FALSE(parseAttentionRules(text).ok()) << text;
}

TEST(RecipeTest, QuotesWhatYamlWouldMisread) {
  Recipe recipe = Recipe::uniform("none", "int4-g32");
  recipe.calibration.text = "/a \"b\"\\c: {d}#.txt";
  recipe.stages[0].match = "layers.[0-3].*\xc3\xa9";
  absl::StatusOr<Recipe> again = Recipe::parse(recipe.str(), "r.yaml");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->calibration.text, recipe.calibration.text);
  EXPECT_EQ(again->stages[0].match, recipe.stages[0].match);
}

TEST(RecipeTest, WithoutCalibrationMethodsAreSimple) {
  Recipe recipe = Recipe::uniform("2:4", "int4-g32");
  absl::StatusOr<MatrixMethod> method = recipe.method(recipe.stages[0]);
  ASSERT_TRUE(method.ok()) << method.status();
  EXPECT_EQ(method->prune.method, "magnitude");
  EXPECT_EQ(method->quantize.method, "rtn");
  EXPECT_FALSE(method->repair);
  EXPECT_EQ(recipe.headSpec(), "rtn:int8-g32");
  recipe.stages[0].quantize = "none";
  EXPECT_EQ(recipe.headSpec(), "none");
}

TEST(RecipeTest, NamesTheLineAndWhatIsMeant) {
  EXPECT_EQ(messageOf(edited("    prune: 6:8", "    prunes: 6:8")),
            "r.yaml:10: stages[1]: expected the keys match, prune, quantize, got prunes (is prune "
            "meant?)");
  EXPECT_EQ(
      messageOf(edited("head: int8", "haed: int8")),
      "r.yaml:4: expected the keys version, attention, rotate, calibration, repair, ratios, head, "
      "stages, got haed (is head meant?)");
  EXPECT_EQ(messageOf(edited("sequences: 16", "sequences: 0")),
            "r.yaml:2: calibration.sequences: expected an integer from 1 to 1048576, got 0");
  EXPECT_EQ(messageOf(edited("version: 1", "version: 2")), "r.yaml:1: version: expected 1, got 2");
  EXPECT_THAT(messageOf(edited("gptq:int8-g32", "gptq:int9-g32")),
              HasSubstr("r.yaml:6: quantize: expected none, int8, int4"));
  EXPECT_THAT(messageOf(edited("rtn:int4-g32-asym", "gptqq:int4-g32")),
              HasSubstr("r.yaml:12: quantize: expected the method rtn, gptq or awq, got gptqq"));
  EXPECT_THAT(messageOf(edited("6:8", "8:6")),
              HasSubstr("r.yaml:9: prune: expected none, a ratio"));
}

TEST(RecipeTest, RefusesWhatItDoesNotMean) {
  EXPECT_THAT(messageOf(edited("enabled: true", "enabled: yes")),
              HasSubstr("r.yaml:3: repair.enabled: expected true or false, got yes"));
  EXPECT_THAT(messageOf(edited("sweeps: 3", "sweeps: 3, sweeps: 4")),
              HasSubstr("r.yaml:3: repair: expected every key once, got sweeps twice"));
  EXPECT_THAT(messageOf(edited("damping: 0.02", "damping: -1")),
              HasSubstr("repair.damping: expected a number of at least 0, got -1"));
  EXPECT_THAT(messageOf(edited("length: 64", "smooth: 1.5")),
              HasSubstr("calibration.smooth: expected a number from 0 to 1, got more"));
  EXPECT_THAT(messageOf(edited("text: mine.txt, ", "")),
              HasSubstr("r.yaml:2: calibration: expected a text, got none"));
  EXPECT_THAT(messageOf(edited("head: int8-g32", "head: gptq:int8-g32")),
              HasSubstr("r.yaml:4: head: expected auto, none, or a quantization without"));
  EXPECT_THAT(messageOf(edited("\"*.down\"", "*.down")),
              HasSubstr("r.yaml:9: stages[1].match: expected text in quotes"));
  EXPECT_THAT(messageOf(edited("\"*.down\"", "\"[a\"")),
              HasSubstr("r.yaml:9: stages[1].match: expected a pattern of weight names"));
  EXPECT_THAT(messageOf(edited("  - match: \"*.down\"\n    prune", "  - prune")),
              HasSubstr("r.yaml:9: stages[1]: expected a key match, got none"));
  EXPECT_THAT(messageOf(edited("calibration: {text: mine.txt, sequences: 16, length: 64}\n", "")),
              HasSubstr("quantize: expected a calibration text beside gptq, got none"));
  EXPECT_THAT(messageOf("version: 1\n"), HasSubstr("r.yaml: expected a key stages, got none"));
  EXPECT_THAT(messageOf("stages: []\n"), HasSubstr("r.yaml: expected a key version, of 1"));
  EXPECT_THAT(messageOf("version: 1\nstages: 3\n"),
              HasSubstr("r.yaml:2: stages: expected a list of stages"));
}

TEST(RecipeTest, RefusesWhatIsNoYaml) {
  for (const char *text :
       {"", "\n", "# nothing\n", "[", "{", "}", "a: [1, 2", "\"", "version: 1\nstages:\n  - {match",
        "- a\n- b\n", "\xff\xfe\x00", "version: 1\n---\nversion: 1\n", "? ?", "&a *a", "!!int 3",
        "version: 1\nstages:\n - - - match: x\n", "version: {1: 2}\nstages: []\n", "%YAML 9.9\n"})
    messageOf(text);
}

TEST(RecipeTest, FindsTheNearestName) {
  EXPECT_EQ(nearestName("quantise", {"prune", "quantize", "match"}), "quantize");
  EXPECT_EQ(nearestName("x", {}), "");
  EXPECT_EQ(nearestName("*.dwn", {"layers.0.q", "layers.0.down", "layers.0.up"}), "layers.0.down");
  EXPECT_EQ(nearestName("layer.1.*", {"layers.0.q", "layers.1.down"}), "layers.1.down");
  EXPECT_EQ(nearestName("*", {"first", "second"}), "first");
}

TEST(RecipeTest, ReadsEveryRecipeThatShips) {
  int count = 0;
  for (const auto &entry : std::filesystem::directory_iterator(STC_RECIPES_DIR)) {
    absl::StatusOr<Recipe> recipe = Recipe::load(entry.path().string());
    ASSERT_TRUE(recipe.ok()) << recipe.status();
    EXPECT_FALSE(recipe->stages.empty());
    EXPECT_EQ(recipe->stages.back().match, "*") << entry.path();
    for (const RecipeStage &stage : recipe->stages)
      EXPECT_TRUE(matchesAny(stage.match)) << entry.path() << ": " << stage.match;
    ++count;
  }
  EXPECT_GE(count, 6);
}

TEST(RecipeTest, MissingFile) {
  EXPECT_THAT(Recipe::load("no/such.yaml").status().message(), HasSubstr("no/such.yaml"));
}

} // namespace
} // namespace stc
