// The page of --report from hand-made numbers: what it says, and that no text breaks it.
#include "../../lib/Driver/ReportCharts.h"
#include "../../lib/Driver/ReportData.h"
#include "Markup.h"

#include "stc/Support/Json.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

using namespace stc;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

namespace {

WeightRecord record(const std::string &name, std::vector<int64_t> shape, const std::string &layout,
                    uint64_t bytes) {
  WeightRecord result;
  result.name = name;
  result.shape = std::move(shape);
  result.layout = layout;
  result.bytes = bytes;
  result.bits = 8 * double(bytes) / weightCount(result);
  result.reason = "as asked";
  return result;
}

ReportRow row(ReportRow::Role role, const std::string &recipe, int64_t bytes, double kl) {
  ReportRow result;
  result.role = role;
  result.recipe = recipe;
  result.bytes = bytes;
  result.quality.divergence = {kl, 0.001};
  return result;
}

ReportData example() {
  ReportData data;
  data.model = "books";
  data.architecture = "llama";
  data.recipe = "quantize=int4";
  data.sourceBytes = 10000000;
  data.binaryBytes = 4000000;
  data.records = {record("embed", {100, 10}, "dense-bf16", 2000),
                  record("layers.0.attn_norm", {10}, "dense-bf16", 20),
                  record("layers.0.q", {10, 10}, "dense-int4-g32", 50),
                  record("layers.0.experts.0.up", {10, 10}, "dense-int8-g32", 100),
                  record("layers.0.experts.1.up", {10, 10}, "pairs", 300)};
  data.text.name = "default";
  data.text.windows = 32;
  data.quality = {8160, {24.5, 0.5}, {24.1, 0.5}, {0.0071, 0.0001}, {0.94, 0.003}};
  data.parts = {{"embedding", false, {0, 0}}, {"layers.0", false, {0.003, 0.0001}}};
  data.rows = {row(ReportRow::Role::This, "this recipe", 2470, 0.010),
               row(ReportRow::Role::Smaller, "dense gptq:int4-g64", 2400, 0.020)};
  data.speed.source = {{10, 12, 11}, {100, 90, 95}};
  data.speed.model = {{20, 22, 24}, {200, 210, 190}};
  data.samples = {{"It was", " a", " the"}};
  data.commandLine = {"stc", "compile", "my model", "--prune", "it's"};
  data.recipeText = "version: 1\n";
  return data;
}

/// The JSON object within the page.
JsonValue numbersOf(const std::string &page) {
  const std::string begin = "<script type=\"application/json\" id=\"stc-report\">";
  size_t from = page.find(begin), to = page.find("</script>", from);
  EXPECT_NE(from, std::string::npos);
  auto json = parseJson(page.substr(from + begin.size(), to - from - begin.size()), "page");
  EXPECT_TRUE(json.ok()) << json.status();
  return json.value_or(JsonValue());
}

std::string faultOf(const std::string &page) {
  return markupFault(page.substr(0, page.find("<script")) + "</body></html>", {"meta"});
}

TEST(ReportPage, HoldsWhatWasMeasured) {
  std::string page = reportPage(example());
  EXPECT_EQ(faultOf(page), "");
  EXPECT_THAT(page, HasSubstr("<td>24.100 \u00b1 0.5</td><td>24.500 \u00b1 0.5</td>"));
  EXPECT_THAT(page, HasSubstr("0.00710 \u00b1 0.0001"));
  EXPECT_THAT(page, HasSubstr("94.00 \u00b1 0.3 %"));
  EXPECT_THAT(page, HasSubstr("<td>11.0</td><td>22.0</td><td>2.00 \u00d7</td>")); // medians
  EXPECT_THAT(page,
              HasSubstr("stc compile &#39;my model&#39; --prune &#39;it&#39;\\&#39;&#39;s&#39;"));
  JsonValue numbers = numbersOf(page);
  EXPECT_EQ(numbers.find("total_bytes")->integer, 2470);
  EXPECT_NEAR(numbers.find("layer_bits_per_weight")->number, 8 * 450.0 / 300, 1e-9);
  EXPECT_EQ(numbers.find("quality")->find("kl")->number, 0.0071);
  EXPECT_EQ(numbers.find("equal_bytes")->find("better")->string, "this");
}

TEST(ReportPage, NeedsNothingFromOutside) {
  std::string page = reportPage(example());
  for (const char *outside : {"src=", "href=", "url(", "@import", "<link", "<img"})
    EXPECT_THAT(page, Not(HasSubstr(outside)));
}

TEST(ReportPage, IsNotBrokenByHostileText) {
  ReportData data = example();
  const std::string hostile = "</pre></script><script>alert(1)</script>&\xFF\x01\"'<!--";
  data.model = data.architecture = data.recipe = data.recipeText = data.target = hostile;
  data.text.name = data.text.calibration = data.speed.cpu = data.structure = hostile;
  data.layersMissing = data.rowsMissing = hostile;
  data.samples = {{hostile, hostile, hostile}};
  data.commandLine = {hostile};
  data.records[2].name = "layers.0." + hostile;
  data.records[2].layout = data.records[2].reason = hostile;
  data.files = {{hostile, hostile, 1}};
  data.rows[1].recipe = data.parts[0].name = hostile;
  for (bool measured : {true, false}) {
    if (!measured) {
      data.rows.clear();
      data.parts.clear();
    }
    std::string page = reportPage(data);
    EXPECT_EQ(faultOf(page), "");
    EXPECT_THAT(page, Not(HasSubstr("<script>")));
    EXPECT_THAT(page, Not(HasSubstr("\xFF")));
    EXPECT_EQ(page.find("</script>"), page.rfind("</script>"));
    EXPECT_EQ(numbersOf(page).find("layers")->array.size(), 5u);
  }
}

TEST(ReportPage, StandsOnNothing) {
  std::string page = reportPage(ReportData());
  EXPECT_EQ(faultOf(page), "");
  EXPECT_THAT(page, HasSubstr("no data"));
  EXPECT_EQ(numbersOf(page).find("bits_per_weight")->number, 0);
}

TEST(ReportPage, SaysWhenCalibrationHasSeenTheText) {
  ReportData data = example();
  EXPECT_THAT(reportPage(data), HasSubstr("no calibration text"));
  data.text.calibration = "default";
  EXPECT_THAT(reportPage(data), HasSubstr("They do not overlap."));
  data.text.seen = 7;
  EXPECT_THAT(reportPage(data), HasSubstr("calibration has seen 7 of the windows"));
}

TEST(ReportPage, SaysWhenSpeedWasMeasuredOnABusyMachine) {
  ReportData data = example();
  EXPECT_THAT(reportPage(data), Not(HasSubstr("not quiet")));
  data.speed.source.decode = {10, 120, 11};
  // Each round saw both programs: ratios of 2, 22 / 120 and 24 / 11.
  EXPECT_THAT(reportPage(data), HasSubstr("<td>11.0</td><td>22.0</td><td>2.00 \u00d7</td>"));
  EXPECT_THAT(reportPage(data), HasSubstr("differ by up to 12.0 times"));
}

TEST(ReportPage, SaysPlainlyWhichRecipeIsBetter) {
  ReportData data = example();
  EXPECT_EQ(verdictOf(data), ReportVerdict::This);
  EXPECT_THAT(reportPage(data), HasSubstr("This recipe is better"));
  data.rows[0].quality.divergence.value = 0.030;
  EXPECT_EQ(verdictOf(data), ReportVerdict::Dense);
  EXPECT_THAT(reportPage(data), HasSubstr("The dense recipe is better:"));
  data.rows[0].quality.divergence.value = 0.021; // sqrt(2) times 0.001 twice is more
  EXPECT_EQ(verdictOf(data), ReportVerdict::Undecided);
  EXPECT_THAT(reportPage(data), HasSubstr("Undecided:"));
  data.isDenseUniform = true;
  EXPECT_EQ(verdictOf(data), ReportVerdict::None);
  EXPECT_THAT(reportPage(data), HasSubstr("dense and uniform itself"));
  data.isDenseUniform = false;
  data.rows[1].role = ReportRow::Role::Larger;
  data.noneFits = true;
  EXPECT_EQ(verdictOf(data), ReportVerdict::None);
  EXPECT_THAT(reportPage(data), HasSubstr("No dense uniform recipe is as small"));
}

TEST(ReportCharts, GroupWeightsByPlaceAndKind) {
  ReportData data = example();
  EXPECT_EQ(placeOf("layers.12.experts.3.gate").part, "layers.12");
  EXPECT_EQ(placeOf("layers.12.experts.3.gate").kind, "experts.gate");
  EXPECT_EQ(placeOf("layers.x.q").part, "layers.x.q");
  EXPECT_EQ(placeOf("embed.head").kind, "");
  BarChart bytes = bytesChart(data);
  EXPECT_THAT(bytes.labels, ElementsAre("embed", "0"));
  EXPECT_EQ(bytes.unit, "KB");
  ASSERT_EQ(bytes.series.size(), 4u); // embedding, vectors, q, experts.up
  EXPECT_THAT(bytes.series[3].values, ElementsAre(0, 0.4));
  EXPECT_THAT(bitsChart(data).series[0].values, ElementsAre(12.0));
  GridChart layouts = layoutChart(data);
  EXPECT_THAT(layouts.rows, ElementsAre("q", "experts.up"));
  // Of a cell of several experts, what has most of the bytes.
  EXPECT_EQ(layouts.categories[size_t(layouts.cells[1][0])], "pairs");
}

} // namespace
